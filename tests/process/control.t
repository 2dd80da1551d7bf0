# lares-supervise: every control letter, its own signals, a second supervise, odd births.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;
use POSIX ();

my @trapped = (1, 2, 3, 6, 10, 12, 14, 15, 28, 18); # HUP INT QUIT ABRT USR1 USR2 ALRM TERM WINCH CONT
my $number = { map { ($_ => POSIX->can("SIG$_") ? POSIX->can("SIG$_")->() : 28) }
        qw(HUP INT QUIT ABRT USR1 USR2 ALRM TERM CONT WINCH) };

sub recorder {
    my ($name, %files) = @_;
    my $dir = tmp($name);
    return make_service($dir, run => [probe("$dir.report", (map { ('trap', $_) } @trapped), 'child', 'event', 'set', 'sleep')],
        files => { 'timeout-kill' => "100\n", 'restart-delays' => "0\n", %files });
}

sub last_run {
    my ($dir, $count) = @_;
    return wait_for { my @r = probe_runs("$dir.report"); @r == $count && @{ $r[-1]{events} } >= 2 && $r[-1] } "run $count";
}

# What signals arrive after these letters; USR2 as the last one shows that all were read.
sub signals_after {
    my ($dir, $letters, $due) = @_; # due: a signal that has to come; a later number may come later
    my $before = @{ (probe_runs("$dir.report"))[-1]{events} };
    control($dir, $letters) or die 'no supervise';
    my @new;
    control($dir, 'l2'); # l: the supervisor may read it together with an L before it
    wait_for {
        my @e = @{ (probe_runs("$dir.report"))[-1]{events} };
        @new = map { /signal (\d+)/ ? $1 : () } @e[$before .. $#e];
        (grep { $_ == $number->{USR2} } @new) && (!$due || grep { $_ == $due } @new)
    } "signals after $letters";
    return join ' ', grep { $_ != $number->{USR2} } @new;
}

# --- signals ---
{
    my $dir = recorder('letters', 'reload-signal' => "ALRM\n");
    my $pid = supervise($dir);
    my $run = last_run($dir, 1);
    my %letter = (h => 'HUP', a => 'ALRM', i => 'INT', t => 'TERM', q => 'QUIT', 1 => 'USR1', w => 'WINCH',
        y => 'WINCH', b => 'ABRT', R => 'ALRM');
    for my $l (sort keys %letter) {
        is(signals_after($dir, $l, $number->{ $letter{$l} }), $number->{ $letter{$l} }, "$l sends $letter{$l}");
    }
    is(shown_status($dir)->{got_term}, 1, 'after t, status says that TERM was sent');
    is(signals_after($dir, 'lh'), 1, 'l is ignored');
    is(signals_after($dir, 'Lhti'), '', 'after L all is the log\'s, to the end of the write');
    is(signals_after($dir, 'Lhtl1'), 10, '... or to an l');
    is(signals_after($dir, "\0\n zZ?#-\xff\x80"), '', 'what has no meaning is ignored') ;
    like(signals_after($dir, '+h'), qr/^1( 1)?$/, '+h sends HUP');
    wait_for { 2 <= grep { $_ eq 'signal 1' } map { $_ } @{ (probe_runs("$dir.report"))[-1]{events} }[-3 .. -1] } '+h: HUP to the child too';
    pass('to the process group');
    is(signals_after($dir, '=h'), 1, '=h to the main process alone');
    is(read_state($dir)->{starts}, 1, 'all of this ended nobody');
    control($dir, 'p');
    wait_for { process_info($run->{pid})->{state} eq 'T' } 'p: STOP';
    is(wait_state($dir, paused => 1)->{state}, 'up', 'p pauses');
    my ($child) = grep { $_->{ppid} == $run->{pid} } descendants($pid); # not the one that tries an upgrade
    isnt(process_info($child->{pid})->{state}, 'T', 'only the main process');
    control($dir, 'c');
    wait_state($dir, paused => 0);
    wait_for { grep { $_ eq 'signal 18' } @{ (probe_runs("$dir.report"))[-1]{events} } } 'CONT';
    pass('c continues it');
    control($dir, 'P');
    wait_for { process_info($run->{pid})->{state} eq 'T' && process_info($child->{pid})->{state} eq 'T' } 'P: both stop';
    control($dir, 'C');
    wait_for { process_info($run->{pid})->{state} ne 'T' && process_info($child->{pid})->{state} ne 'T' } 'C: both go on';
    pass('P and C concern the group');
    control($dir, 'k');
    wait_state($dir, starts => 2, state => 'up');
    ok(alive($child->{pid}), 'k kills the main process');
    $run = last_run($dir, 2);
    control($dir, 'K');
    wait_state($dir, starts => 3, state => 'up');
    wait_for { !grep { $_->{pgid} == $run->{pid} } descendants($pid) } 'K to have ended its group';
    leave_service($dir, $pid);
    no_processes_left();
}

# --- states ---
{
    my $dir = recorder('states');
    my $pid = supervise($dir);
    last_run($dir, 1);
    my $s = wait_state($dir, state => 'up');
    control($dir, 'u');
    is(signals_after($dir, ''), '', 'u on a running one: nothing');
    control($dir, 'r');
    my $r = wait_state($dir, state => 'up', starts => 2);
    is("$r->{want} $r->{early}", 'up 1', 'r: stopped and started again');
    is(join(' ', map { $_->{event} } read_history($dir)), 'boot restart run-died', 'in the journal') ;
    last_run($dir, 2);
    control($dir, 'ud');
    wait_state($dir, state => 'down');
    control($dir, 'r');
    control($dir, 'c');
    is(wait_state($dir, state => 'down')->{starts}, 2, 'r on a down one: nothing');
    control($dir, 'du');
    wait_state($dir, state => 'up', starts => 3);
    last_run($dir, 3);
    control($dir, 'du');
    wait_state($dir, state => 'up', starts => 4);
    pass('du in one write: down, then up again');
    last_run($dir, 4);
    control($dir, 'o');
    wait_state($dir, want => 'once');
    control($dir, 'k');
    wait_state($dir, state => 'down', want => 'down');
    is(read_state($dir)->{starts}, 4, 'o on a running one: it is not restarted');
    control($dir, 'oooo');
    wait_state($dir, state => 'up', starts => 5);
    control($dir, 'e');
    is(wait_exit($pid)->{exit}, 0, 'e leaves as x does');
    no_processes_left();
}

# --- signals to supervise itself ---
for my $sig (qw(TERM INT)) {
    my $dir = make_service(tmp("sig$sig"), run => ['sleep', '1000']);
    my $pid = supervise($dir);
    wait_state($dir, state => 'up');
    signal($pid, $_) for qw(USR1 USR2 ALRM PIPE WINCH CONT CHLD TSTP);
    signal($pid, $sig);
    is(wait_exit($pid)->{exit}, 0, "$sig: as x");
    is(read_state($dir)->{left}, 1, 'left in order');
    is(read_state($dir)->{starts}, 1, 'the other signals did nothing');
    no_processes_left();
}

# --- a second supervise ---
{
    my $dir = make_service(tmp('second'), run => 'echo start >>starts; exec sleep 1000');
    my $pid = supervise($dir);
    wait_for { starts_of("$dir/starts") } 'the service';
    my $r = run([bin('supervise'), $dir]);
    is($r->{exit}, 111, 'a second supervise: exit 111');
    is($r->{err}, "lares-supervise: fatal: already supervised by pid $pid: $dir\n", 'it says by whom');
    is(starts_of("$dir/starts"), 1, 'and starts nothing');
    control($dir, 'c');
    ok(alive($pid), 'the first goes on');
    leave_service($dir, $pid);
}
for my $case ([[], 'no directory'], [['a', 'b'], 'more than one directory'], [['-z', 'a'], 'unknown option -z']) {
    my $r = run([bin('supervise'), @{ $case->[0] }]);
    is($r->{exit}, 100, "$case->[1]: exit 100");
    is($r->{err}, "lares-supervise: fatal: $case->[1]; usage: lares-supervise [ -qs ] [ -n SCANDIR ] DIR\n", '... and says so');
}
is(run([bin('supervise'), tmp('nowhere')])->{exit}, 111, 'no such directory: exit 111');
like(run([bin('supervise'), '-h'])->{out}, qr/^usage: lares-supervise/, '-h');

# --- descriptors 0 to 2 closed ---
for my $close ([0, 1, 2], [0], [1, 2]) {
    my $dir = tmp('closed' . join '', @$close);
    make_service($dir, run => [probe("$dir.report", 'say', 'hello', 'sleep')]);
    my $pid = supervise($dir, close => $close);
    my ($run) = wait_for { probe_runs("$dir.report") } 'the service';
    same_fds($run, [0, 1, 2], "started with @$close closed: the service has 0 to 2");
    is(scalar(grep { $run->{fds}{$_} =~ /supervise|pipe|signalfd/ } 0 .. 2), 0, 'and none of them is supervise\'s own');
    ok(wait_state($dir, state => 'up'), 'it is up');
    leave_service($dir, $pid);
}

# --- as another user ---
SKIP: {
    skip 'not root: no other uid to try', 3 if $>;
    my $dir = tmp('nobody');
    mkdir tmp('nobody-place');
    chown 65534, 65534, tmp('nobody-place');
    make_service("$dir-place/nobody", run => 'echo start >>starts; exec sleep 1000');
    chown 65534, 65534, "$dir-place/nobody";
    $dir = "$dir-place/nobody";
    my $pid = supervise($dir, uid => 65534, gid => 65534, stderr => '/dev/null', stdout => '/dev/null');
    my $s = wait_state($dir, state => 'up');
    is((stat "/proc/$s->{pid}")[4], 65534, 'run by another user: the service is that user\'s');
    control($dir, 'd');
    wait_state($dir, state => 'down');
    pass('and is stopped');
    is(leave_service($dir, $pid), 0, 'exit 0');
}
no_processes_left();
no_zombies();
done_testing;
