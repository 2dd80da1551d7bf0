# svc -w against a supervisor that does exactly what the test says: each goal reached and missed,
# what must not end a wait, what happens between two looks, and the exit codes.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fake;
use Test::More;

my $serial = 0;
my ($dir, $pid, $err);

my $up      = 'state=up stop=0 role=run want=up pid=77 starts+ event=up';
my $down    = 'state=down stop=0 flags=0 role=none want=down pid=0 reason=1 detail=100 event=finish-done';
my $dying   = 'state=stopping stop=1 role=run want=down event=down';
my $crashed = 'state=backoff stop=0 role=none pid=0 deaths+ reason=2 detail=1 deadline=600000 event=run-died';

# A service in a state of its own.
sub begin {
    my ($words) = @_;
    $dir = fake_start(tmp('sv' . ++$serial));
    fake_tell($dir, "$words publish");
}
sub svc_later {
    my (@args) = @_;
    $err = tmp(".err$serial");
    unlink $err;
    $pid = spawn([ bin('svc'), @args, $dir ], stderr => $err);
}
sub subscribers { return grep { !/^\.\.?$/ } Lares::Check::files_in("$dir/supervise/event") }

# It sleeps: it has looked at everything that was there.
sub still_waits {
    my ($name) = @_;
    my $info = wait_for {
        my $info = process_info($pid);
        !$info || $info->{state} =~ /[SZ]/ ? $info || {} : undef
    } 'svc to sleep or end';
    is($info->{state}, 'S', $name);
}
# How often it went to sleep.
sub looks { return (file_text("/proc/$_[0]/status") || '') =~ /^voluntary_ctxt_switches:\s+(\d+)/m ? $1 : 0 }
sub ends {
    my ($code, $name, $message) = @_;
    my $result = wait_exit($pid);
    my $text = file_text($err);
    is(defined $result->{exit} ? $result->{exit} : "signal $result->{signal}", $code, $name) or diag($text);
    if   ($message) { like($text, $message, "$name: says why") }
    else            { is($text, '', "$name: says nothing") }
    is(join(' ', subscribers()), '', "$name: no FIFO is left");
    fake_end($dir);
}
sub letters { is(fake_tell($dir, 'read'), "letters $_[0]\n", "$_[0] arrives in one write") }

# --- down ----------------------------------------------------------------------------------------
begin($up);
svc_later('-wD', '-d');
letters('d');
fake_tell($dir, "$dying publish");
still_waits('-wD -d: not down while stopping');
fake_tell($dir, 'role=none pid=0 deaths+ event=run-died publish');
still_waits('-wD -d: nor while what it left lives');
fake_tell($dir, 'state=finishing stop=0 flags=8 role=finish pid=78 event=empty publish');
still_waits('-wD -d: nor while finish runs');
fake_tell($dir, "$down publish");
ends(0, '-wD -d: down');

begin($up);
svc_later('-d', '-w', 'd');
letters('d');
fake_tell($dir, "$dying publish");
still_waits('-wd -d: not while the process lives');
fake_tell($dir, 'role=none pid=0 deaths+ event=run-died publish');
ends(0, '-wd -d: the process is dead');

begin($down);
svc_later('-wD', '-d');
ends(0, '-wD -d of one that is down');

begin("$up publish state=backoff role=none pid=0 deaths+");
svc_later('-wd', '-d');
letters('d');
fake_tell($dir, "$up event=deadline publish");
still_waits('-wd -d: a restart before the letter was seen is no end');
fake_tell($dir, "$dying publish $down publish");
ends(0, '-wd -d: then down');

begin("$up publish state=failed role=none pid=0 reason=12 detail=3");
svc_later('-wD');
ends(0, '-wD of one that gave up');

begin($up);
svc_later('-wd', '-t');
letters('t');
fake_tell($dir, 'deaths+ starts+ event=run-died publish');
ends(0, '-wd -t: it died, though it was restarted at once');

begin($up);
svc_later('-wD', '-o');
letters('o');
fake_tell($dir, 'want=once event=once publish');
still_waits('-wD -o: it runs');
fake_tell($dir, "$down deaths+ event=run-died publish");
ends(0, '-wD -o: it is over');

begin($down);
svc_later('-wD', '-o');
letters('o');
still_waits('-wD -o of one that is down: it has not run yet');
fake_tell($dir, "$up want=once journal $down deaths+ event=run-died publish");
ends(0, '-wD -o: it has run');

begin($up);
svc_later('-wD', '-x');
letters('x');
fake_tell($dir, "$dying flags=2 publish $down marks=64 publish");
still_waits('-wD -x: down, but the supervisor is there');
fake_tell($dir, 'quit', later => 1);
ends(0, '-wD -x: the supervisor has left');

# --- up ------------------------------------------------------------------------------------------
begin($down);
svc_later('-wu', '-u');
letters('u');
still_waits('-wu -u: not yet');
fake_tell($dir, "$up publish");
ends(0, '-wu -u: up');

begin($up);
svc_later('-wu', '-u');
ends(0, '-wu -u of one that is up');

begin($down);
svc_later('-wU', '-u');
letters('u');
fake_tell($dir, "$up state=starting marks=8 publish");
still_waits('-wU -u: up, not ready');
fake_tell($dir, 'state=up flags=4 event=ready publish');
ends(0, '-wU -u: ready');

begin($down);
svc_later('-wU', '-u');
letters('u');
fake_tell($dir, "$up state=starting marks=8 journal state=up flags=4 event=ready journal flags=0 $crashed publish");
ends(0, '-wU -u: it was ready for a moment, the journal tells');

begin($down);
svc_later('-wU', '-u');
letters('u');
fake_tell($dir, "$up state=starting marks=8 publish $crashed publish");
still_waits('-wU -u: died before it was ready, will be tried again');
fake_tell($dir, 'state=failed reason=12 detail=4 publish');
ends(1, '-wU -u: gave up', qr/sv\d+: it is failed \(too many deaths: 4\), not ready$/);

begin($down);
svc_later('-wu', '-u');
letters('u');
fake_tell($dir, 'want=up state=backoff reason=6 detail=13 event=unborn publish');
ends(1, '-wu -u: run cannot be executed', qr/backoff \(unable to execute run: Permission denied\), not up/);

begin("$up $dying");
svc_later('-wu', '-u');
letters('u');
fake_tell($dir, 'want=up event=up publish');
still_waits('-wu -u while it is being stopped');
fake_tell($dir, "$up event=empty publish");
ends(0, '-wu -u: up again');

begin("$up want=down");
svc_later('-wu', '-u');
letters('u');
still_waits('-wu -u of one that is up but not wanted: the letter has to count');
fake_tell($dir, 'want=up event=up publish');
ends(0, '-wu -u: now it does');

begin($down);
svc_later('-wu');
still_waits('-wu alone: waits for somebody else');
fake_tell($dir, "$up publish");
ends(0, '-wu alone: up');

begin($up);
svc_later('-wr');
still_waits('-wr alone');
fake_tell($dir, "$down deaths+ publish");
ends(1, '-wr alone: somebody stopped it', qr/it is down \(told to by command d\), not restarted/);

# --- restart -------------------------------------------------------------------------------------
begin($up);
svc_later('-wr', '-r');
letters('r');
fake_tell($dir, 'state=stopping stop=2 event=restart publish');
still_waits('-wr -r: still the old one');
fake_tell($dir, "deaths+ role=none pid=0 event=run-died publish");
still_waits('-wr -r: none');
fake_tell($dir, "$up stop=0 event=finish-done publish");
ends(0, '-wr -r: started anew');

begin($up);
svc_later('-wR', '-t');
letters('t');
fake_tell($dir, 'marks=8 flags=0 state=starting deaths+ starts+ event=run-died publish');
still_waits('-wR -t: not ready');
fake_tell($dir, 'state=up flags=4 event=ready publish');
ends(0, '-wR -t: ready');

begin($down);
svc_later('-wr', '-r');
ends(1, '-wr -r of one that is down', qr/it is down, and no letter given starts it/);

# --- not woken, torn, lost -----------------------------------------------------------------------
begin($up);
File::Path::remove_tree("$dir/supervise/event");
svc_later('-wD', '-d');
letters('d');
fake_tell($dir, "$down journal state");
ends(0, 'without an event directory it looks by itself');

begin($up);
svc_later('-wD', '-d');
letters('d');
fake_tell($dir, 'quit', later => 1);
still_waits('a supervisor that died is waited for');
fake_end($dir);
fake_start($dir);
fake_tell($dir, "$down publish");
ends(0, 'its successor finishes the job');

# --- time, signals, several ----------------------------------------------------------------------
begin($up);
svc_later('-wD', '-d', '-T', '50');
ends(99, 'time runs out', qr/not really down in time, it is up$/);

begin($up);
svc_later('-wD', '-d');
letters('d');
still_waits('waiting');
signal($pid, 'TERM');
ends('signal 15', 'a signal ends the waiting');

my @many = map { fake_start(tmp("many$_")) } 1 .. 5;
fake_tell($_, "$up publish") for @many;
$err = tmp('.many');
$pid = spawn([ bin('svc'), '-wD', '-d', @many ], stderr => $err);
fake_tell($_, 'read') for @many;
fake_tell($_, "$down publish") for @many[ 1 .. 4 ];
still_waits('several: one is not down');
fake_tell($many[0], "$down publish");
is(wait_exit($pid)->{exit}, 0, 'several: all are down');
$pid = spawn([ bin('svc'), '-wu', '-u', @many, tmp('none') ], stderr => $err);
fake_tell($_, 'read') for @many;
fake_tell($_, "$up publish") for @many[ 1 .. 4 ];
fake_tell($many[0], "want=up state=failed reason=11 event=up publish");
is(wait_exit($pid)->{exit}, 102, 'several: the highest code');
like(file_text($err), qr/none: there is no such directory\n.*many1: it is failed \(finish gave up\), not up\n\z/s,
    'several: each is told');
fake_end($_) for @many;

# --- what was there before ------------------------------------------------------------------------
begin($up);
svc_later('-d');
is(wait_exit($pid)->{exit}, 0, 'one sends d and does not wait');
svc_later('-wu', '-u');
wait_for { looks($pid) > 20 } 'svc to look several times';
still_waits('the next waits until its letters are read');
is(fake_tell($dir, "$dying journal want=up event=up publish read"), "letters du\n", 'both');
still_waits('and the service is stopped first');
fake_tell($dir, "$up event=empty publish");
ends(0, 'and up again');

no_processes_left();
done_testing();
