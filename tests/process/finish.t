# lares-supervise: start and finish, the programs before and after run.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;

my $note = 'echo "start $0 $# $*" >>notes';

# --- finish's arguments ---
for my $case (['exit 3', '3 0'], ['exit 0', '0 0'], ['kill -9 $$', '256 9'], ['kill -TERM $$', '256 15']) {
    my ($run, $want) = @$case;
    (my $name = "args $want") =~ tr/ /-/;
    my $dir = make_service(tmp($name), run => "echo \$\$ >>pids\n$run", finish => "$note; exit 0",
        files => { 'restart-delays' => "100000\n" });
    my $pid = supervise($dir);
    wait_state($dir, state => 'backoff');
    chomp(my $main = file_text("$dir/pids"));
    is(file_text("$dir/notes"), "start ./finish 4 $want $name $main\n", "finish after $run: its four arguments");
    is(leave_service($dir, $pid), 0, 'left') if $want eq '3 0';
    signal($pid, 'TERM'), wait_exit($pid) if $want ne '3 0';
    is(starts_of("$dir/notes"), 1, 'finish was not run again');
}
no_processes_left();

# --- status while finish runs, and what it is born with ---
{
    my $dir = tmp('finishing');
    make_service($dir, run => 'exit 1', finish => [probe("$dir.report", 'sleep')],
        files => { 'restart-delays' => "0\n", 'timeout-finish' => "0\n" });
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'finishing', role => 'finish', pid => qr/^[1-9]/);
    my ($run) = wait_for { probe_runs("$dir.report") } 'finish';
    is($s->{pid}, $run->{pid}, 'state shows the pid of finish');
    clean_signals($run, 'finish: clean signals');
    same_fds($run, [0, 1, 2], 'finish: no descriptor leaked');
    my $status = shown_status($dir);
    is_deeply([@$status{qw(pid state)}], [$s->{pid}, 2], 'status as runit has it');
    control($dir, 't');
    control($dir, 'd');
    wait_state($dir, state => 'finishing', want => 'down');
    ok(alive($run->{pid}), 't and d do not hit finish');
    control($dir, 'u');
    wait_state($dir, state => 'finishing', want => 'up');
    is(read_state($dir)->{starts}, 1, 'u: no run beside a finish');
    signal($run->{pid}, 'KILL');
    wait_state($dir, starts => 2);
    control($dir, 'd');
    wait_for { my @r = probe_runs("$dir.report"); @r == 2 } 'the second finish';
    control($dir, 'k');
    wait_state($dir, state => 'down');
    pass('k ends finish');
    leave_service($dir, $pid);
    no_processes_left();
}

# --- its time-out ---
{
    my $dir = make_service(tmp('overtime'), run => 'exit 1', finish => "$note; trap '' TERM; exec sleep 1000",
        files => { 'timeout-finish' => "100\n", 'restart-delays' => "0 100000\n" });
    my $pid = supervise($dir);
    wait_state($dir, state => 'backoff', starts => 1);
    my @r = grep { $_->{event} eq 'finish-done' } read_history($dir);
    is($r[0]{wstat}, 9, 'a finish that takes too long is killed');
    is(leave_service($dir, $pid), 0, 'and the service goes on');
}

# --- 125 ---
{
    my $dir = make_service(tmp('giveup'), run => 'echo start >>starts; exit 1', finish => 'exit 125',
        files => { 'restart-delays' => "0\n" });
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'failed');
    is("$s->{reason} $s->{want}", 'gave-up up', 'finish 125: failed, with that reason');
    is(shown_status($dir)->{want}, 'd', 'classic status: not wanted');
    control($dir, 'u');
    wait_state($dir, state => 'failed', starts => 2);
    is(starts_of("$dir/starts"), 2, 'u tries once more');
    control($dir, 'd');
    wait_state($dir, state => 'down');
    is(leave_service($dir, $pid), 0, 'a failed service leaves');
    $dir = make_service(tmp('giveup-down'), run => ['sleep', '1000'], finish => 'exit 125');
    $pid = supervise($dir);
    wait_state($dir, state => 'up');
    control($dir, 'd');
    ok(wait_state($dir, state => 'down'), 'finish 125 after d: down, not failed');
    leave_service($dir, $pid);
}
{
    my $dir = make_service(tmp('retry'), run => 'exit 1', finish => 'exit 125',
        files => { 'retry-failed' => "50\n" });
    my $pid = supervise($dir);
    wait_for { read_state($dir)->{starts} >= 3 } 'retry-failed tries again';
    pass('retry-failed tries a failed service again');
    leave_service($dir, $pid);
}

# --- a finish that cannot be executed ---
{
    my $dir = make_service(tmp('nofinish'), run => 'echo start >>starts; [ $(wc -l <starts) -ge 3 ] && exec sleep 1000; exit 1',
        files => { finish => { text => "#!/bin/sh\n", mode => 0644 }, 'restart-delays' => "0\n" });
    my $pid = supervise($dir);
    wait_state($dir, state => 'up', starts => 3);
    like(messages($dir), qr{error supervise nofinish unable to execute \./finish: Permission denied},
        'finish not executable: said by name');
    is(leave_service($dir, $pid), 0, 'and nothing is held up');
    $dir = make_service(tmp('finishdir'), run => 'exit 1',
        files => { finish => { dir => 0755 }, 'restart-delays' => "10\n" });
    $pid = supervise($dir);
    wait_for { read_state($dir)->{starts} >= 2 } 'two starts';
    like(messages($dir), qr/warning supervise finishdir finish: is a directory, a file is expected/, 'finish a directory: said');
    is(scalar(() = messages($dir) =~ /finish: is a/g), 1, 'once');
    leave_service($dir, $pid);
}

# --- start ---
{
    my $dir = make_service(tmp('start'), start => "$note; exit 0", run => "$note; exec sleep 1000");
    my $pid = supervise($dir);
    wait_state($dir, state => 'up');
    wait_for { starts_of("$dir/notes") == 2 } 'start and run';
    is(file_text("$dir/notes"), "start ./start 1 start\nstart ./run 1 start\n", 'start runs to its end, then run');
    leave_service($dir, $pid);
    $dir = make_service(tmp('startbad'), start => 'exit 7', run => 'echo start >>starts; exec sleep 1000',
        finish => 'echo start >>finishes', files => { 'restart-delays' => "10*2 100000\n" });
    $pid = supervise($dir);
    my $s = wait_state($dir, state => 'backoff', early => 2);
    is("$s->{reason} $s->{detail} $s->{starts}", 'start-failed 7 0', 'start fails: run is not started, the reason is told');
    ok(!-e "$dir/starts" && !-e "$dir/finishes", 'neither run nor finish ran');
    leave_service($dir, $pid);
    $dir = make_service(tmp('startlong'), start => 'exec sleep 1000', run => 'echo start >>starts',
        files => { 'timeout-start' => "50\n", 'restart-delays' => "100000\n" });
    $pid = supervise($dir);
    $s = wait_state($dir, state => 'backoff');
    is($s->{reason}, 'start-timeout', 'start takes too long: stopped, with that reason');
    control($dir, 'u');
    wait_state($dir, state => 'starting', role => 'start');
    control($dir, 'd');
    wait_state($dir, state => 'down');
    ok(!-e "$dir/starts", 'd while start runs: run is never started');
    leave_service($dir, $pid);
}
no_processes_left();
no_zombies();
done_testing;
