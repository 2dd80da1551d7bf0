# lares-supervise: a stop is complete. d waits for every descendant; timeout-kill; kill-mode.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;
use Time::HiRes ();

sub names_of { return sort map { $_->{name} } descendants($_[0]) }

# --- down-signal ---
{
    my $dir = tmp('downsignal');
    make_service($dir, run => [probe("$dir.report", 'trap', 15, 'trap', 10, 'event', 'set', 'sleep')],
        files => { 'down-signal' => "USR1\n", 'timeout-kill' => "100\n", 'restart-delays' => "0\n" });
    my $pid = supervise($dir);
    wait_for { my ($r) = probe_runs("$dir.report"); $r && @{ $r->{events} } } 'the service';
    control($dir, 'd');
    my $s = wait_state($dir, state => 'down');
    is("$s->{reason} $s->{detail} $s->{wstat}", 'command ' . ord('d') . ' 9', 'it ignored its down-signal and was killed, on purpose');
    my ($run) = probe_runs("$dir.report");
    is_deeply($run->{events}, ['set', 'signal 10'], 'd sends the down-signal, once, and no other');
    is(shown_status($dir)->{got_term}, 0, 'no TERM, says status');
    control($dir, 'u');
    $s = wait_for { my @r = probe_runs("$dir.report"); @r == 2 && @{ $r[1]{events} } && read_state($dir) } 'the second run';
    write_file("$dir/down-signal", "15\n");
    signal($pid, 'HUP');
    control($dir, 'c');
    wait_for {
        control($dir, 'd');
        (probe_runs("$dir.report"))[1]{events}[1]
    } 'a signal';
    is((probe_runs("$dir.report"))[1]{events}[1], 'signal 15', 'HUP to supervise reads the values anew');
    wait_state($dir, state => 'down');
    leave_service($dir, $pid);
}

# --- what ends us at the same time is heard before a death, which would be followed by a start ---
{
    my $dir = make_service(tmp('together'), run => ['sleep', '1000'], files => { 'restart-delays' => "0\n" });
    my $pid = supervise($dir);
    my $service = wait_state($dir, state => 'up')->{pid};
    signal($pid, 'STOP');
    wait_for { process_info($pid)->{state} eq 'T' } 'the supervisor to stop';
    signal($service, 'KILL');
    wait_for { process_info($service)->{state} eq 'Z' } 'the death';
    signal($pid, 'TERM');
    signal($pid, 'CONT');
    is(wait_exit($pid)->{exit}, 0, 'a service that dies together with a TERM to its supervisor');
    is(read_state($dir)->{starts}, 1, '... is not started once more');
}

# --- a paused service ends too ---
{
    my $dir = make_service(tmp('paused'), run => ['sleep', '1000']);
    my $pid = supervise($dir);
    wait_state($dir, state => 'up');
    control($dir, 'p');
    wait_state($dir, paused => 1);
    is(shown_status($dir)->{paused}, 1, 'p: paused, says status');
    wait_for { process_info(read_state($dir)->{pid})->{state} eq 'T' } 'the process to stop';
    control($dir, 'd');
    is(wait_state($dir, state => 'down')->{wstat}, 15, 'd continues what was paused: it dies of TERM');
    leave_service($dir, $pid);
}

# A main process with children of every kind; each is TERM-proof unless told.
my $kinds = <<'END';
use POSIX ();
my ($proof) = @ARGV;
$SIG{TERM} = 'IGNORE' if $proof;
sub note { open my $f, '>>', 'children'; syswrite $f, "start $_[0] $$\n"; close $f }
sub linger { note($_[0]); sleep 1000 while 1 }
if (!fork) { linger('plain') }
if (!fork) { POSIX::setsid(); linger('session') }
if (!fork) { exit if fork; linger('orphan') }
if (!fork) { POSIX::setsid(); exit if fork; POSIX::close($_) for 0 .. 20; chdir '/tmp'; sleep 1000 while 1 }
if (!fork) { if (!fork) { if (!fork) { linger('deep') } sleep 1000 while 1 } sleep 1000 while 1 }
if (!fork) { kill STOP => $$; sleep 1000 while 1 }
$SIG{TERM} = 'DEFAULT';
note('main');
sleep 1000 while 1;
END

for my $proof (0, 1) {
    my $dir = make_service(tmp("tree$proof"), run => "exec perl kinds $proof", finish => 'echo start >>finished',
        files => { kinds => $kinds, 'timeout-kill' => ($proof ? "100\n" : "100000\n") });
    my $pid = supervise($dir);
    wait_for { starts_of("$dir/children") == 5 && descendants($pid) >= 9 } 'all of the tree';
    control($dir, 'd');
    wait_state($dir, state => 'down');
    is(join(' ', names_of($pid)), '', 'd: down means that every descendant is gone' . ($proof ? ', TERM-proof ones too' : ''));
    is(starts_of("$dir/finished"), 1, 'and finish done');
    my @states = map { "$_->{event}:$_->{state}" } grep { $_->{sequence} > 1 } read_history($dir);
    is("@states", 'down:stopping run-died:stopping empty:finishing finish-done:down', 'the journal of it') ;
    leave_service($dir, $pid);
    no_processes_left();
}

# --- who forks faster than one can kill ---
{
    my $dir = make_service(tmp('forker'), run => 'exec perl forker', files => { 'timeout-kill' => "50\n", forker => <<'END' });
$SIG{TERM} = 'IGNORE';
if (!fork) { for (;;) { open my $f, '>>', 'forks'; syswrite $f, "$$\n"; close $f; select undef, undef, undef, 0.002; my $p = fork; exit if $p; } }
$SIG{TERM} = 'DEFAULT';
sleep 1000 while 1;
END
    my $pid = supervise($dir);
    wait_for { (() = (file_text("$dir/forks") || '') =~ /\n/g) > 5 } 'it to fork on and on';
    control($dir, 'd');
    wait_state($dir, state => 'down');
    is(join(' ', names_of($pid)), '', 'a process that forks and exits for ever is ended as well');
    leave_service($dir, $pid);
    no_processes_left();
}

# --- t, r, k, and a crash concern the main process only ---
for my $letter ('t', 'r', 'k') {
    my $dir = make_service(tmp("left$letter"), run => 'setsid sleep 1000 & echo start >>starts; exec sleep 2000',
        files => { 'restart-delays' => "0\n" });
    my $pid = supervise($dir);
    wait_for { join(' ', names_of($pid)) eq 'sleep sleep' } 'main and child';
    my ($child) = grep { $_->{command} =~ /1000/ } descendants($pid);
    control($dir, $letter);
    wait_state($dir, state => 'up', starts => 2);
    ok(alive($child->{pid}), "$letter: what the main process left is not touched");
    wait_for { descendants($pid) == 4 || descendants($pid) == 3 } 'the new run';
    is(wait_state($dir, rest => 1)->{rest}, 1, '... but counted');
    if ($letter eq 'k') {
        kill9($child->{pid});
        is(wait_state($dir, rest => 0)->{rest}, 0, '... until it ends');
    }
    control($dir, 'd');
    wait_state($dir, state => 'down');
    is(join(' ', names_of($pid)), '', 'd ends what earlier runs left too');
    leave_service($dir, $pid);
}

# --- d, x while nothing but a leftover runs ---
{
    my $dir = make_service(tmp('leftover'), run => 'setsid sleep 1000 & exit 1', files => { 'restart-delays' => "100000\n" });
    my $pid = supervise($dir);
    wait_state($dir, state => 'backoff');
    wait_for { join(' ', names_of($pid)) eq 'sleep' } 'the leftover';
    control($dir, 'd');
    wait_state($dir, state => 'down');
    is(join(' ', names_of($pid)), '', 'd in backoff ends what was left');
    control($dir, 'u');
    wait_for { join(' ', names_of($pid)) eq 'sleep' } 'the leftover';
    is(leave_service($dir, $pid), 0, 'x too');
    no_processes_left();
}

# --- kill-mode ---
{
    my %left = (group => 'session', process => 'group session');
    for my $mode (qw(group process)) {
        my $dir = make_service(tmp("mode$mode"), run => <<'END', files => { 'kill-mode' => "$mode\n", 'timeout-kill' => "100\n" });
perl -e '$0 = "group"; $SIG{TERM} = "IGNORE"; open F, ">g"; sleep 1000 while 1' &
setsid perl -e '$0 = "session"; open F, ">s"; sleep 1000 while 1' &
exec sleep 2000
END
        my $pid = supervise($dir);
        wait_for { -e "$dir/g" && -e "$dir/s" && join(' ', names_of($pid)) eq 'group session sleep' } 'the service';
        control($dir, 'd');
        wait_state($dir, state => 'down');
        is(join(' ', names_of($pid)), $left{$mode}, "kill-mode $mode: the others are left");
        leave_service($dir, $pid);
        kill9($_->{pid}) for descendants();
        no_processes_left();
    }
}

# --- kill-mode group long after the group is gone: its number may be somebody else's by then ---
{
    my $dir = make_service(tmp('oldgroup'), run => 'echo $$ >>group; exit 1',
        files => { 'kill-mode' => "group\n", 'restart-delays' => "100000\n" });
    my $pid = supervise($dir);
    wait_state($dir, state => 'backoff');
    chomp(my $group = file_text("$dir/group"));
    my $stranger = take_pid($group);
    SKIP: {
        skip "no process could be given the number $group again", 1 if !$stranger;
        control($dir, 'd');
        wait_state($dir, state => 'down');
        ok(alive($stranger), 'a stranger with the number of a group that is gone is not hit');
        kill9($stranger);
        waitpid $stranger, 0;
    }
    leave_service($dir, $pid);
}

# A process group leader with just this pid, by way of ns_last_pid.
sub take_pid {
    my ($want) = @_;
    for (1 .. 50) {
        open my $last, '>', '/proc/sys/kernel/ns_last_pid' or return 0;
        syswrite $last, $want - 1 or return 0;
        close $last;
        my $pid = fork;
        return 0 if !defined $pid;
        if (!$pid) { $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP ALRM); setpgrp; sleep 1000 while 1 }
        if ($pid == $want) {
            wait_for { process_info($pid)->{pgid} == $pid } 'its group';
            Lares::Process::known_anew($pid);
            return $pid;
        }
        kill 'KILL', $pid;
        waitpid $pid, 0;
    }
    return 0;
}

# --- an upgrade asked for in the midst of a stop: its probe is not the service's, nobody waits for what has ended meanwhile ---
for my $n (1 .. 8) {
    my $dir = make_service(tmp("upgrade$n"), run => "sh -c 'sleep 1000 & exec sleep 1000' & exec sleep 2000",
        files => { 'timeout-kill' => "100000\n" });
    my $pid = supervise($dir);
    wait_state($dir, state => 'up');
    wait_for { 3 <= grep { $_->{name} eq 'sleep' } descendants($pid) } 'main and two others' if $n % 2;
    control($dir, $n % 4 < 2 ? 'dZ' : 'Zd');
    my $down = eval { wait_state($dir, state => 'down') };
    ok($down && messages($dir) !~ /refused/, 'd and Z together: both are done') or diag $@ . messages($dir);
    is(leave_service($dir, $pid), 0, '... in the same pid');
}

# --- timeout-kill 0 waits for ever ---
{
    my $dir = make_service(tmp('patient'), run => "trap '' TERM; exec sleep 1000", files => { 'timeout-kill' => "0\n" });
    my $pid = supervise($dir);
    wait_for { my ($p) = descendants($pid); $p && $p->{name} eq 'sleep' } 'the service';
    control($dir, 'd');
    my $s = wait_state($dir, state => 'stopping');
    is($s->{next_in}, undef, 'timeout-kill 0: a stop has no deadline');
    control($dir, 'k');
    wait_state($dir, state => 'down');
    leave_service($dir, $pid);
}
no_processes_left();
no_zombies();
done_testing;
