# svc, svok and svstat with lares' own supervisor: every letter, every wait, time-outs, several
# directories, garbage on the FIFO.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State 'shown_status';
use Test::More;
use Fcntl;

sub tool { my ($name, @args) = @_; return run([ bin($name), @args ], cwd => tmp()) }
sub svc {
    my ($name, $code, @args) = @_;
    my $result = tool('svc', @args);
    is("$result->{exit} $result->{err}", "$code ", "svc @args[0 .. 1]: $name");
}
sub svstat { return tool('svstat', @_)->{out} }
sub report { return tmp("report.$_[0]") }
sub events { my @runs = probe_runs(report($_[0])); return @runs ? "@{ $runs[-1]{events} }" : '' }
sub runs { return scalar probe_runs(report($_[0])) }

sub eventually (&$) {
    my ($condition, $name) = @_;
    ok(eval { wait_for { $condition->() } $name }, $name) or diag($@);
}

my %supervisor;

sub supervised {
    my ($name, $actions, %more) = @_;
    my %files = (%{ delete $more{files} || {} }, 'restart-delays' => "0\n");
    my $dir = make_service(tmp($name), run => [ probe(report($name), @$actions) ], files => \%files);
    $supervisor{$name} = spawn([ bin('supervise'), $dir ]);
    wait_for { tool('svok', $dir)->{exit} == 0 } 'the supervisor';
    return $dir;
}

# --- signals -------------------------------------------------------------------------------------
my %number = (h => 1, i => 2, q => 3, b => 6, 1 => 10, 2 => 12, a => 14, t => 15, y => 28, R => 1);
my $dir = supervised('signals', [ (map { ('trap', $_) } 1, 2, 3, 6, 10, 12, 14, 15, 28), 'sleep' ]);
svc('up', 0, '-wu', '-T5000', $dir);
wait_for { runs('signals') } 'the service';
for my $letter (sort keys %number) {
    my $before = () = events('signals') =~ /signal $number{$letter}\b/g;
    svc('sent', 0, "-$letter", $dir);
    eventually { (() = events('signals') =~ /signal $number{$letter}\b/g) > $before } "-$letter is signal $number{$letter}";
}
my $before = () = events('signals') =~ /signal 10\b/g;
svc('by name', 0, '-s', 'USR1', $dir);
eventually { (() = events('signals') =~ /signal 10\b/g) > $before } '-s USR1';
for my $pair ([ '-p', '-c' ], [ '-P', '-C' ]) {
    svc('pause', 0, $pair->[0], $dir);
    eventually { svstat($dir) =~ /, paused/ } "$pair->[0]: paused";
    my ($pid) = svstat($dir) =~ /\(pid (\d+)\)/;
    is(process_info($pid)->{state}, 'T', 'it stands still');
    svc('continue', 0, $pair->[1], $dir);
    eventually { svstat($dir) !~ /, paused/ && process_info($pid)->{state} ne 'T' } "$pair->[1]: goes on";
}
for my $letter ('k', 'K') {
    my $n = runs('signals');
    svc('killed and started anew', 0, '-wr', "-$letter", '-T5000', $dir);
    eventually { runs('signals') > $n } 'another run';
}
svc('leaves', 0, '-wD', '-x', '-k', '-T5000', $dir);
is(wait_exit($supervisor{signals})->{exit}, 0, 'the supervisor has left when -wD -x returns');
is(tool('svok', $dir)->{exit}, 100, 'svok: not running');

# --- up and down ---------------------------------------------------------------------------------
$dir = supervised('web', ['sleep']);
my $status = sub { shown_status($dir) };
svc('up', 0, '-wU', '-T5000', $dir);
for (1 .. 20) {
    svc('really down', 0, '-wD', '-d', '-T5000', $dir);
    is($status->()->{pid}, 0, 'no process');
    svc('up', 0, '-wu', '-u', '-T5000', $dir);
    ok(alive($status->()->{pid}), 'a process');
}
my $pid = $status->()->{pid};
svc('restarted', 0, '-wr', '-r', '-T5000', $dir);
ok(!alive($pid) && alive($status->()->{pid}), 'another process');
$pid = $status->()->{pid};
svc('restarted by TERM', 0, '-wR', '-t', '-T5000', $dir);
ok(!alive($pid) && alive($status->()->{pid}), 'another process');
$pid = $status->()->{pid};
svc('not down of itself', 0, '-O', $dir);
eventually { svstat($dir) =~ /, want down/ } '-O: not to be restarted';
ok(alive($pid), 'and not signalled');
svc('wanted', 0, '-wu', '-u', $dir);
is($status->()->{pid}, $pid, '-u: nothing happens to it');
svc('once', 0, '-o', $dir);
svc('over', 0, '-wD', '-t', '-T5000', $dir);
is($status->()->{pid}, 0, 'once: not started again');
my $result = tool('svc', '-wr', '-r', $dir);
is($result->{exit}, 1, 'restart of one that is down: 1');
like($result->{err}, qr/it is down, and no letter given starts it/, 'and why');
svc('down and up', 0, '-wu', '-u', $dir);
$result = tool('svc', '-wD', '-T', 30, $dir);
is($result->{exit}, 99, 'nobody stops it: 99');
like($result->{err}, qr/not really down in time, it is up/, 'and why');

# --- failing -------------------------------------------------------------------------------------
my $bad = supervised('failing', [ 'exit', 1 ], files => { 'max-deaths' => "3 60000\n", down => '' });
$result = tool('svc', '-wD', '-u', '-T1500', $bad);
SKIP: {
    skip 'max-deaths is not there yet', 1 if $result->{exit} == 99;
    like(svstat($bad), qr/, failed: too many deaths/, 'gives up');
}
my $none = supervised('none', ['sleep'], files => { down => '' });
unlink "$none/run";
$result = tool('svc', '-wu', '-u', '-T10000', $none);
is($result->{exit}, 1, 'no run file: 1');
like($result->{err}, qr/no run file/, 'and why');

# A start that cannot be executed is up for a moment, and no start.
my $bad_shebang = supervised('shebang', ['sleep'], files => { down => '' });
my $good_run    = file_text("$bad_shebang/run");
my $broken_run  = sub { write_file("$bad_shebang/run.new", $_[0], 0755); rename "$bad_shebang/run.new", "$bad_shebang/run" };
for my $try ([ '-wu' ], [ '-wU' ], [ '-wr' ], [ '-wR' ]) {
    svc('down before', 0, '-wD', '-d', '-T5000', $bad_shebang);
    $broken_run->("#!/no/such\n");
    $result = tool('svc', @$try, '-u', '-T10000', $bad_shebang);
    is($result->{exit}, 1, "@$try: an interpreter that is not there: 1");
    like($result->{err}, qr/unable to execute run/, "@$try: and why");
    isnt(tool('svwait', '-u', '-t150', $bad_shebang)->{exit}, 0, "@$try: svwait does not take it for up either");
}
$broken_run->($good_run);
svc('up', 0, '-wU', '-u', '-T10000', $bad_shebang);
unlike((split /\n/, tool('svhist', $bad_shebang)->{out})[-1], qr/unable to execute/, 'a start that worked is not told with why the last did not');
# Few descriptors: said before the letters are written, or somebody would send them again.
$result = run([ 'sh', '-c', 'ulimit -n 5; exec "$@"', 'sh', bin('svc'), '-wD', '-d', $bad_shebang ]);
is($result->{exit}, 111, 'too few descriptors: 111');
like($result->{err}, qr{Too many open files}, 'and why');
is(shown_status($bad_shebang)->{want}, 'u', 'and nothing was told to go down') or diag(svstat($bad_shebang));
svc('leaves', 0, '-wD', '-dx', '-T5000', $bad_shebang);

# --- several, and garbage ------------------------------------------------------------------------
my @many = map { supervised("many$_", ['sleep']) } 1 .. 5;
svc('all up', 0, '-wu', '-T5000', @many);
svc('all down', 0, '-wD', '-d', '-T5000', @many);
is(scalar(grep { read_status($_)->{pid} } @many), 0, 'none runs');
$result = tool('svc', '-wu', '-u', '-T5000', @many, tmp('nowhere'));
is($result->{exit}, 102, 'one that is not there: 102');
like($result->{err}, qr/nowhere: there is no such directory/, 'named');
is(scalar(grep { read_status($_)->{pid} } @many), 5, 'the others are up');

# It has seen the state before the supervisor had shown it to other suites' clients, which is the next thing done.
my %behind = (down => 0, up => 0);
for (1 .. 100) {
    tool('svc', '-wD', '-d', '-T5000', $many[0]);
    $behind{down}++ if read_status($many[0])->{pid};
    tool('svc', '-wU', '-u', '-T5000', $many[0]);
    $behind{up}++ if !read_status($many[0])->{pid};
}
is_deeply(\%behind, { down => 0, up => 0 }, 'when svc -w returns, supervise/status tells the same');

$pid = $status->()->{pid};
sysopen my $control, "$dir/supervise/control", O_WRONLY | O_NONBLOCK or die "control: $!";
my %letter = map { $_ => 1 } split //, 'udoxerDUORQpchaitq12wybkPCKZL';
syswrite $control, join '', grep { !$letter{$_} } map { chr } 0 .. 255;
close $control;
svc('still answers', 0, '-wu', '-u', '-T5000', $dir);
is($status->()->{pid}, $pid, 'bytes that are no letters do nothing');

$result = tool('svok', $dir, @many);
is($result->{exit}, 0, 'svok of several');
svc('everything leaves', 0, '-wD', '-x', '-T5000', $dir, $bad, $none, @many);
is(wait_exit($supervisor{$_})->{exit}, 0, "$_: the supervisor has left") for sort grep { $_ ne 'signals' } keys %supervisor;
no_stray_files("$_/supervise") for $dir, @many;
is(scalar(grep { m{event/.} } files_in($_)), 0, 'no subscription is left') for $dir, @many;
no_processes_left();
no_zombies();
done_testing();
