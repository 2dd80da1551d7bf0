# svwait and svlisten against supervisors that do exactly what the test says: each goal reached and
# missed, all or any of several, what was so before, time, signals, and the exit codes. Then against
# real ones, and beside s6's.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fake;
use Lares::State;
use Test::More;

my $serial = 0;
my ($dir, $pid, $err);

my $up      = 'state=up stop=0 role=run want=up pid=77 starts+ event=up reason=0';
my $start   = 'state=starting stop=0 role=run want=up pid=77 starts+ event=up marks=8 flags=0';
my $down    = 'state=down stop=0 flags=0 role=none want=down pid=0 reason=1 detail=100 event=finish-done';
my $dying   = 'state=stopping stop=1 role=run want=down event=down';
my $crashed = 'state=backoff stop=0 role=none pid=0 deaths+ reason=2 detail=1 deadline=600000 event=run-died';
my $failed  = 'state=failed want=up stop=0 flags=0 role=none pid=0 reason=12 detail=4 deadline=-1 event=run-died';

sub begin {
    my ($words) = @_;
    $dir = fake_start(tmp('sv' . ++$serial));
    fake_tell($dir, "$words publish");
}
sub later {
    my ($program, @args) = @_;
    $err = tmp(".err$serial");
    unlink $err;
    $pid = spawn([ bin($program), @args ], stderr => $err);
    sleeps();
}
sub wait_later { later('svwait', @_, $dir) }
sub subscribers { return grep { !/^\.\.?$/ } Lares::Check::files_in("$dir/supervise/event") }

# It sleeps: it has looked at everything that was there.
sub sleeps {
    my $info = wait_for {
        my $info = process_info($pid);
        !$info || $info->{state} eq 'Z' || ($info->{state} eq 'S' && subscribers()) ? $info || {} : undef
    } 'it to sleep or end';
    return $info->{state} // '';
}
sub still_waits { is(sleeps(), 'S', $_[0]) }
sub code_is {
    my ($code, $name, $message) = @_;
    my $result = wait_exit($pid);
    my $text = file_text($err);
    is(defined $result->{exit} ? $result->{exit} : "signal $result->{signal}", $code, $name) or diag($text);
    if   ($message) { like($text, $message, "$name: says why") }
    else            { is($text, '', "$name: says nothing") }
}
sub ends {
    code_is(@_);
    is(join(' ', subscribers()), '', "$_[1]: no FIFO is left");
    fake_end($dir);
}

# --- each goal -----------------------------------------------------------------------------------
begin($down);
wait_later();
still_waits('up, which is the default: not yet');
fake_tell($dir, "$up publish");
ends(0, 'up');

begin($start);
wait_later('-u');
ends(0, '-u: one that is not ready is up');

begin($start);
wait_later('-U');
still_waits('-U: not ready');
fake_tell($dir, 'state=up flags=4 event=ready publish');
ends(0, '-U: ready');

begin($start);
wait_later('-U');
still_waits('-U: not yet');
fake_tell($dir, "state=up flags=4 event=ready journal flags=0 $crashed publish");
ends(0, '-U: it was ready for a moment, the journal tells');

begin($up);
wait_later('-d');
still_waits('-d: it runs');
fake_tell($dir, "$dying publish");
still_waits('-d: still');
fake_tell($dir, 'state=finishing stop=0 flags=8 role=finish pid=78 event=run-died deaths+ publish');
ends(0, '-d: its process is dead');

begin($up);
wait_later('-D');
fake_tell($dir, "$dying publish");
fake_tell($dir, 'state=finishing stop=0 flags=8 role=finish pid=78 event=run-died deaths+ publish');
still_waits('-D: finish runs');
fake_tell($dir, "$down publish");
ends(0, '-D: really down');

begin($down);
wait_later('-D');
ends(0, '-D: what is so already');

begin($up);
wait_later('-r');
still_waits('-r: it runs already');
fake_tell($dir, "$crashed publish");
still_waits('-r: it has died');
fake_tell($dir, "$start publish");
ends(0, '-r: it has been started');

begin($up);
wait_later('-r');
still_waits('-r: it runs');
fake_tell($dir, 'deaths+ starts+ event=run-died publish');
ends(0, '-r: died and restarted in one step');

begin($up);
wait_later('-R');
fake_tell($dir, "$crashed publish $start publish");
still_waits('-R: started, not ready');
fake_tell($dir, 'state=up flags=4 event=ready publish');
ends(0, '-R: ready');

begin($up);
wait_later('-s', 'failed,backoff');
still_waits('-s: in none of the states');
fake_tell($dir, "$crashed publish");
ends(0, '-s: in one of them');

begin($up);
wait_later('-s', 'finishing');
still_waits('-s: not in a state');
fake_tell($dir, "$dying journal state=finishing flags=8 role=finish event=run-died journal $down publish");
ends(0, '-s: it was in the state for a moment');

# --- what will not come ----------------------------------------------------------------------------
begin($start);
wait_later('-U');
fake_tell($dir, "$crashed publish");
still_waits('-U: a service that will be tried again is waited for');
fake_tell($dir, "$failed publish");
ends(1, '-U: it gave up', qr/sv\d+: it is failed \(too many deaths: 4\), not ready$/);

begin("$failed");
wait_later('-U');
ends(1, '-U: it gave up before', qr/it is failed \(too many deaths: 4\), not ready$/);

begin("$failed deadline=600000");
wait_later('-U');
still_waits('-U: failed, but to be tried again some time');
fake_tell($dir, "$up publish");
ends(0, '-U: and so it was');

begin('state=done want=up role=none marks=8');
wait_later('-U');
ends(1, '-U: done without having been ready', qr/it is done, not ready$/);

begin('state=done want=up role=none');
wait_later('-U');
ends(0, '-U: done, and never to say that it is ready');

begin('state=done want=up role=none marks=4096');
wait_later('-u');
ends(0, '-u: a oneshot that is done is up');

begin('state=done want=up role=none marks=4096');
wait_later('-D');
still_waits('-D: and not down');
fake_tell($dir, "$down publish");
ends(0, '-D: until it is');

begin($up);
wait_later('-s', 'waiting,failed');
fake_tell($dir, "$down publish");
ends(1, '-s: somebody stopped it', qr/it is down \(told to by command d\), not waiting or failed$/);

begin($down);
wait_later('-u');
still_waits('-u: down is no answer as long as nothing changes');
fake_tell($dir, 'want=up state=backoff reason=6 detail=13 event=unborn publish');
ends(1, '-u: run cannot be executed', qr/it is backoff \(unable to execute run: Permission denied\), not up$/);

# --- supervisors that go, or are not there -------------------------------------------------------------
begin($up);
wait_later('-D');
still_waits('-D');
fake_tell($dir, 'quit', later => 1);
wait_for { !control($dir, '') } 'the supervisor to be gone';
still_waits('a supervisor that died is succeeded');
fake_end($dir);
fake_start($dir);
fake_tell($dir, "$down publish");
ends(0, 'and what its successor does counts');

begin($up);
wait_later('-U', '-s', 'waiting');
still_waits('waiting');
fake_tell($dir, "$down marks=64 state quit", later => 1);
ends(102, 'a supervisor that has left is not waited for', qr/the supervisor has left; waited for waiting$/);

begin($up);
wait_later('-D');
fake_tell($dir, "$down marks=64 publish quit", later => 1);
ends(0, 'one that has left in order left a service that is down');

$dir = tmp('none');
later('svwait', $dir);
code_is(102, 'no such directory', qr/none: there is no such directory; waited for up$/);
File::Path::make_path("$dir/supervise");
later('svwait', '-D', $dir);
code_is(102, 'no supervisor', qr/none: not supervised; waited for really down$/);
write_file("$dir/file", '');
later('svwait', "$dir/file");
code_is(102, 'a file', qr/file: it is no directory; waited for up$/);

begin($up);
unlink "$dir/supervise/state";
wait_later('-D');
ends(111, 'no state to be read', qr/no state in it, it is not supervised by lares: No such file/);

# --- not woken --------------------------------------------------------------------------------------
begin($up);
File::Path::remove_tree("$dir/supervise/event");
$err = tmp(".err$serial");
$pid = spawn([ bin('svwait'), '-D', $dir ], stderr => $err);
fake_tell($dir, "$down journal state");
code_is(0, 'without an event directory it looks by itself');
fake_end($dir);

# --- several ----------------------------------------------------------------------------------------
my @many = map { fake_start(tmp("many$_")) } 1 .. 4;
sub many { fake_tell($_, $_[0]) for @many[ $_[1] .. $_[2] ]; return }
$dir = $many[0];
many("$up publish", 0, 3);
later('svwait', '-D', @many);
many("$down publish", 1, 3);
still_waits('all: one is not down');
many("$down publish", 0, 0);
code_is(0, 'all: the last one is');

many("$up publish", 0, 3);
later('svwait', '-oD', @many);
still_waits('any: none yet');
many("$down publish", 2, 2);
code_is(0, 'any: one is enough');

many("$start publish", 0, 3);
later('svwait', '-U', @many);
still_waits('all');
many("$failed publish", 2, 2);
code_is(1, 'all: one that cannot come ends it', qr/\A\S+: warning: \S*many3: it is failed \(too many deaths: 4\), not ready\n\z/);

many("$start publish", 0, 3);
later('svwait', '-oU', @many, tmp('none'));
still_waits('any: one that is not supervised is no hindrance');
many("$failed publish", 0, 2);
still_waits('any: nor are some that failed');
many("state=up flags=4 event=ready publish", 3, 3);
code_is(0, 'any: the last one comes');

many("$start publish", 0, 3);
later('svwait', '-oU', @many, tmp('none'));
many("$failed publish", 0, 3);
code_is(102, 'any: none can come, the highest code', qr/many1.*many2.*many3.*many4.*none/s);
fake_end($_) for @many;

# --- time, signals, usage ------------------------------------------------------------------------------
for my $option (qw(-t -T)) {
    begin($up);
    wait_later('-D', $option, '30');
    ends(99, "$option: time runs out", qr/it is up, not really down$/);
}
begin($up);
wait_later('-D', '-t', '0');
ends(99, '-t 0 only asks', qr/it is up, not really down$/);
begin($down);
wait_later('-D', '-t', '0');
ends(0, '-t 0 of what is so');

for my $name (qw(TERM INT HUP)) {
    begin($up);
    wait_later('-D');
    still_waits("$name is to come");
    signal($pid, $name);
    ends('signal ' . { TERM => 15, INT => 2, HUP => 1 }->{$name}, "$name ends it");
}
for my $case ([ [], qr/no service directory given/ ], [ [ '-s', 'ready,up', 'x' ], qr/no such state: ready; .* is expected: down or waiting or starting or up or .* or done$/ ],
    [ [ '-s', 'up,', 'x' ], qr/no such state: \(empty\)/ ], [ [ '-s', ',up', 'x' ], qr/no such state: \(empty\)/ ], [ [ '-t', 'soon', 'x' ], qr/milliseconds are expected.*not soon/ ],
    [ ['-t'], qr/-t needs an argument/ ], [ [ '-q', 'x' ], qr/unknown option -q/ ]) {
    my $r = run([ bin('svwait'), @{ $case->[0] } ]);
    is($r->{exit}, 100, "svwait @{ $case->[0] }: wrong usage");
    like($r->{err}, $case->[1], 'says what is wrong');
}

# --- svlisten --------------------------------------------------------------------------------------------
# The program is run once everything is listened to.
my $ran = tmp('ran');
my @touch = ('sh', '-c', 'ls "$1" >"$2"; echo ran', 'sh');
sub listen_later { later('svlisten', @_) }
sub program_ran { return file_text($ran) // '' }
sub was_run { my ($name) = @_; like((wait_for { program_ran() } 'the program to run'), qr/^ftrig1:/m, $name); unlink $ran }

begin($down);
my @program = (@touch, "$dir/supervise/event", $ran);
listen_later('-u', $dir, @program);
was_run('one directory: it listens when the program is run');
still_waits('and waits');
fake_tell($dir, "$up publish");
code_is(0, 'until the service is up');

listen_later('-d', " $dir", '', @program);
was_run("execline's block");
fake_tell($dir, "$down publish");
code_is(0, "execline's block: down");

listen_later('-u', '{', $dir, '}', @program);
was_run('a block in words');
fake_tell($dir, "$failed publish");
code_is(1, 'a block in words: failed', qr/it is failed \(too many deaths: 4\), not up$/);

listen_later('-u', $dir, @program);
was_run('it was failed before: the program may change that');
still_waits('and waits');
fake_tell($dir, "$up publish");
code_is(0, 'and so it did');

listen_later('-d', '-t', '2000', $dir, @program);
was_run('time');
code_is(99, 'svlisten: time runs out', qr/it is up, not down$/);

listen_later('-d', $dir, 'false');
still_waits('how the program ends is not asked');
fake_tell($dir, "$down publish");
code_is(0, 'only where the service is');

listen_later('-d', $dir, tmp('nothing'));
code_is(127, 'no such program', qr/unable to run .*nothing: No such file/);
write_file(tmp('plain'), "x\n", 0644);
listen_later('-d', $dir, tmp('plain'));
code_is(126, 'one that cannot be executed', qr/unable to run .*plain: Permission denied/);
listen_later('-u', ' ' . tmp('none'), " $dir", '', @program);
code_is(102, 'one of the services is not supervised', qr/none: not supervised/);
is(program_ran(), '', 'and the program not run');
fake_end($dir);
for my $case ([ [], qr/no service directory given/ ], [ [ '-u', 'a' ], qr/no program given/ ], [ [ '', 'b' ], qr/no service directory/ ],
    [ [ ' a', 'b', '' ], qr/not ended before b/ ], [ [ '{', 'a', 'b' ], qr/is not ended/ ], [ [ '{', 'a', '}' ], qr/no program given/ ]) {
    my $r = run([ bin('svlisten'), @{ $case->[0] } ]);
    is($r->{exit}, 100, "svlisten @{ $case->[0] }: wrong usage");
    like($r->{err}, $case->[1], 'says what is wrong');
}

# --- a real supervisor ----------------------------------------------------------------------------------
my $web = make_service(tmp('web'), run => [ probe(tmp('web.report'), 'sleep') ],
    files => { 'restart-delays' => "0\n", 'restart-reset' => "0\n" });
my $supervisor = supervise($web);
is(run([ bin('svwait'), '-U', '-t', 20000, $web ])->{exit}, 0, 'a real one is ready');
for my $case ([ '-r', 'k' ], [ '-D', 'd' ], [ '-U', 'u' ], [ '-R', 'r' ], [ '-D', 'd' ], [ '-u', 'o' ], [ '-r', 'r' ]) {
    my ($goal, $letter) = @$case;
    my $r = run([ bin('svlisten'), $goal, '-t', 20000, $web, bin('svc'), "-$letter", $web ]);
    is($r->{exit}, 0, "svlisten $goal { web } svc -$letter web") or diag($r->{err});
}
SKIP: {
    my ($execlineb) = grep { -x } map { "$_/execlineb" } split /:/, $ENV{PATH};
    skip 'execlineb is not installed: make deps', 2 if !$execlineb;
    my $script = write_file(tmp('script'), bin('svlisten') . " -D -t 20000 { $web }\n" . bin('svc') . " -d $web\n");
    my $r = run([ $execlineb, $script ]);
    is($r->{exit}, 0, 'from a script of execlineb') or diag($r->{err});
    ok(state_is($web, state => 'down'), 'it is down');
}
# More services than the soft limit of descriptors has room for.
my $few = run([ 'sh', '-c', 'ulimit -S -n 10; exec "$@"', 'sh', bin('svwait'), '-s', 'backoff', '-t', 0, ($web) x 8 ]);
is("$few->{exit} " . scalar(() = $few->{err} =~ /, not backoff$/mg), '99 8', 'the hard limit counts') or diag($few->{err});

# A service is stopped because its name was taken away: it was said not to be supervised by lares.
for my $goal ('-D', '-d') {
    run([ bin('svc'), '-wu', '-T', 20000, '-u', $web ]);
    symlink $web, tmp('name') or die;
    $dir = $web;
    later('svwait', $goal, tmp('name'));
    still_waits("svwait $goal: a service with two names");
    unlink tmp('name') or die;
    leave_service($web, $supervisor);
    code_is(0, "svwait $goal: the name is gone, and then the service");
    $supervisor = supervise($web);
}
# Its end stands in a journal that is removed before it is read.
run([ bin('svc'), '-wu', '-T', 20000, '-u', $web ]);
later('svwait', '-D', $dir = $web);
still_waits('svwait -D: a service with all its files');
signal($pid, 'STOP');
leave_service($web, $supervisor);
File::Path::remove_tree("$web/supervise");
signal($pid, 'CONT');
code_is(0, 'svwait -D: supervise/ is gone, and the service');
no_processes_left();
done_testing();
