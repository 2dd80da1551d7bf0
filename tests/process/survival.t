# lares-supervise killed, told to leave, started again: the service lives on, is never started
# twice, its end is learned. The test is the subreaper that a scanner would be.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;
use POSIX qw(WNOHANG);

# End a supervisor the hard way and begin another one.
sub again {
    my ($dir, $pid, %opt) = @_;
    kill9($pid);
    is_deeply(wait_exit($pid), { exit => undef, signal => 9 }, 'supervise killed') if $opt{say};
    wait_exit($pid);
    $opt{between}->() if $opt{between};
    return supervise($dir);
}

# Without a pidfd the death of an adopted service was never noticed, it stayed `up' for ever.
# As many descriptors as it keeps are enough to begin with and too few to prove or read anything;
# the state was taken for lost then, and what was wanted with it.
{
    my $dir = make_service(tmp('nofds'), run => 'exec sleep 1000', files => { 'restart-delays' => "0\n" });
    my $pid = supervise($dir);
    wait_state($dir, state => 'up');
    control($dir, 'O');
    my $before = wait_state($dir, state => 'up', want => 'down');
    my @fds = glob "/proc/$pid/fd/*";
    kill9($pid);
    wait_exit($pid);
    my $few = @fds;
    $pid = supervise($dir, before => ['/bin/sh', '-c', "ulimit -S -n $few; exec \"\$@\"", 'sh']);
    my $s = wait_state($dir, adopted => 1, shown => 0);
    like(messages($dir), qr/unable to prove .* Too many open files/, "$few descriptors: no pidfd to be had");
    is("$s->{pid} $s->{want}", "$before->{pid} down", '... the service is kept, and what was wanted');
    kill9($s->{pid});
    wait_for { waitpid($s->{pid}, WNOHANG) == $s->{pid} } 'its end';
    ok(wait_state($dir, deaths => 1, shown => 0), '... and its death is noticed');
    # Whether it left somebody cannot be seen either: a stop waits, says so once, and ends when it can.
    control($dir, 'x');
    wait_message($dir, qr/unable to see whether anybody of the service is left/);
    ok(alive($pid), 'a stop waits for what cannot be seen');
    is(run(['prlimit', '--pid', $pid, '--nofile=64:'])->{exit}, 0, 'descriptors again');
    is(wait_exit($pid)->{exit}, 0, '... and it ends');
    is(() = messages($dir) =~ /unable to see whether/g, 1, 'said once');
    no_processes_left();
}

# --- adopted, everything kept ---
{
    my $dir = make_service(tmp('kept'), run => 'echo start >>starts; exec sleep 1000', files => { 'restart-delays' => "0\n" });
    my $pid = supervise($dir);
    my $before = wait_state($dir, state => 'up');
    wait_for { starts_of("$dir/starts") } 'the service';
    $pid = again($dir, $pid);
    my $s = wait_state($dir, adopted => 1);
    is_deeply([@$s{qw(state want pid starts deaths inode start since changed)}],
        [@$before{qw(state want pid starts deaths inode start since changed)}], 'a new supervise finds the service as it was');
    like(messages($dir), qr/info supervise kept found the service running as pid $s->{pid}, keeping it/, 'and says so');
    is(starts_of("$dir/starts"), 1, 'it is not started again');
    is(shown_status($dir)->{pid}, $s->{pid}, 'status');
    control($dir, 'p');
    wait_for { process_info($s->{pid})->{state} eq 'T' } 'it to stop';
    wait_state($dir, paused => 1);
    $pid = again($dir, $pid);
    is(wait_state($dir, adopted => 1)->{paused}, 1, 'paused is kept');
    control($dir, 'c');
    wait_for { process_info($s->{pid})->{state} ne 'T' } 'it to go on';
    control($dir, 'O');
    wait_state($dir, want => 'down', state => 'up');
    $pid = again($dir, $pid);
    is(wait_state($dir, state => 'up', adopted => 1)->{want}, 'down', 'what was wanted is kept');
    control($dir, 'u');
    wait_state($dir, want => 'up');
    kill9($s->{pid});
    $s = wait_state($dir, state => 'up', starts => 2, adopted => 0);
    is("$s->{wstat} $s->{reason} $s->{detail} $s->{deaths}", '9 killed 9 1', 'the death of an adopted service is learned, with its status, and it is restarted');
    $pid = again($dir, $pid);
    control($dir, 'd');
    wait_state($dir, state => 'down');
    is(scalar(grep { $_->{name} eq 'sleep' } descendants()), 0, 'd ends an adopted service');
    is(read_state($dir)->{wstat}, 15, '... by its down-signal');
    $pid = again($dir, $pid);
    is(wait_state($dir, state => 'down')->{want}, 'down', 'down stays down');
    leave_service($dir, $pid);
    my @h = read_history($dir);
    is_deeply([map { $_->{sequence} } @h], [1 .. @h], 'the journal has no gap');
    no_processes_left();
}

# --- QUIT: leave, the service untouched ---
{
    my $dir = make_service(tmp('quit'), run => 'echo start >>starts; exec sleep 1000');
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'up');
    wait_for { starts_of("$dir/starts") } 'the service';
    signal($pid, 'QUIT');
    is(wait_exit($pid)->{exit}, 0, 'QUIT: supervise leaves, exit 0');
    ok(alive($s->{pid}), 'the service stays');
    ok(!control($dir, 'd'), 'nobody reads the control FIFO');
    $pid = supervise($dir);
    is(wait_state($dir, adopted => 1)->{pid}, $s->{pid}, 'a new supervise keeps it');
    is(starts_of("$dir/starts"), 1, 'started once');
    is(leave_service($dir, $pid), 0, 'x on an adopted service');
    no_processes_left();
}

# --- it ended while nobody watched ---
for my $case (['exit 7', 'exited 7', 7 << 8], ['kill -KILL $$', 'killed 9', 9]) {
    my ($end, $reason, $wstat) = @$case;
    (my $name = "unseen-$reason") =~ tr/ /-/;
    my $dir = make_service(tmp($name), run => "echo start >>starts; while [ ! -e go ]; do sleep 0.01; done; rm go; $end",
        finish => 'echo "start $1 $2" >>finishes', files => { 'restart-delays' => "0\n" });
    my $pid = supervise($dir);
    my $before = wait_state($dir, state => 'up');
    kill9($pid);
    wait_exit($pid);
    write_file("$dir/go", '');
    wait_for { process_info($before->{pid})->{state} eq 'Z' } 'the zombie, ours as subreaper';
    $pid = supervise($dir);
    my $s = wait_state($dir, state => 'up', starts => 2);
    is($s->{wstat}, $wstat, "died unseen ($end): the status is learned from the zombie");
    is(file_text("$dir/finishes"), $wstat == 9 ? "start 256 9\n" : "start 7 0\n", 'and finish runs, once, with it');
    # and with the zombie reaped before: unknown, but counted and restarted
    kill9($pid);
    wait_exit($pid);
    write_file("$dir/go", '');
    wait_for { waitpid($s->{pid}, WNOHANG) == $s->{pid} } 'to reap it';
    $pid = supervise($dir);
    $s = wait_state($dir, state => 'up', starts => 3);
    is("$s->{deaths} $s->{reason}", '2 unknown-death', 'nobody saw how it ended: said, counted, restarted');
    leave_service($dir, $pid);
    Lares::Process::reap_orphans();
    no_processes_left();
}

# --- early counter, deadline ---
{
    my $dir = make_service(tmp('backoff'), run => 'exit 1', files => { 'restart-delays' => "0 1 2 100000\n" });
    my $pid = supervise($dir);
    my $before = wait_state($dir, state => 'backoff', early => 3);
    $pid = again($dir, $pid);
    my $s = read_state($dir);
    is_deeply([@$s{qw(state early deadline starts reason detail)}], [@$before{qw(state early deadline starts reason detail)}],
        'early deaths and the deadline of the next start are kept');
    leave_service($dir, $pid);
    write_file("$dir/restart-delays", "0 1 300\n");
    $pid = supervise($dir);
    $before = wait_state($dir, state => 'backoff', early => 2);
    $pid = again($dir, $pid);
    wait_history($dir, 1, event => 'deadline');
    my ($next) = grep { $_->{sequence} > $before->{sequence} && $_->{event} eq 'deadline' } wait_for {
        my @h = read_history($dir);
        $h[-1]{sequence} > $before->{sequence} + 1 && @h;
    } 'the next start';
    ok($next->{at} - $before->{changed} >= 0.299, 'which comes when it was due') or diag $next->{at} - $before->{changed};
    leave_service($dir, $pid);
}

# --- readiness ---
{
    my $dir = make_service(tmp('ready'), run => 'echo start >>starts; while [ ! -e go ]; do sleep 0.01; done; echo >&3; exec 3>&-; exec sleep 1000',
        files => { 'notification-fd' => "3\n", 'timeout-ready' => "200000\n" });
    my $pid = supervise($dir);
    my $before = wait_state($dir, state => 'starting');
    $pid = again($dir, $pid);
    is(wait_state($dir, adopted => 1)->{deadline}, $before->{deadline}, 'adopted before it was ready: timeout-ready goes on');
    write_file("$dir/go", '');
    my $s = wait_state($dir, state => 'up', ready => 1);
    is($s->{pid}, $before->{pid}, 'a service adopted before it was ready becomes ready');
    $pid = again($dir, $pid);
    is_deeply([@{ wait_state($dir, adopted => 1) }{qw(state ready ready_at)}], ['up', 1, $s->{ready_at}], 'ready is kept');
    leave_service($dir, $pid);
    no_processes_left();
}

{
    my $dir = make_service(tmp('unheard'), run => 'while [ ! -e go ]; do sleep 0.01; done; echo >&3; exec 3>&-; >said; exec sleep 1000',
        files => { 'notification-fd' => "3\n", 'timeout-ready' => "200000\n" });
    my $pid = supervise($dir);
    my $before = wait_state($dir, state => 'starting');
    kill9($pid);
    wait_exit($pid);
    write_file("$dir/go", '');
    wait_for { (-e "$dir/said") } 'it to say that it is ready, to nobody';
    $pid = supervise($dir);
    my $s = wait_state($dir, state => 'up', ready => 1);
    is($s->{pid}, $before->{pid}, 'ready said while there was no supervise: not waited for in vain');
    is($s->{next_in}, undef, 'timeout-ready is over');
    leave_service($dir, $pid);
}

# --- a live finish is adopted, not repeated ---
{
    my $dir = make_service(tmp('finish'), run => 'exit 3', finish => 'echo "start $*" >>finishes; while [ ! -e go ]; do sleep 0.01; done',
        files => { 'timeout-finish' => "0\n", 'restart-delays' => "100000\n" });
    my $pid = supervise($dir);
    wait_for { starts_of("$dir/finishes") } 'finish';
    $pid = again($dir, $pid);
    is(wait_state($dir, adopted => 1)->{state}, 'finishing', 'a running finish is adopted');
    write_file("$dir/go", '');
    wait_state($dir, state => 'backoff');
    is(starts_of("$dir/finishes"), 1, 'and not run again');
    is(read_state($dir)->{wstat}, 3 << 8, 'the status of run is kept');
    leave_service($dir, $pid);
}

# --- stopping goes on ---
{
    my $dir = make_service(tmp('stopping'), run => "trap 'echo start >>terms' TERM; while :; do echo >>turns; sleep 0.01; done", files => { 'timeout-kill' => "1500\n" });
    my $pid = supervise($dir);
    wait_state($dir, state => 'up');
    wait_for { -s "$dir/turns" } 'its loop';
    control($dir, 'd');
    wait_for { starts_of("$dir/terms") } 'TERM';
    $pid = again($dir, $pid);
    wait_message($dir, qr/found the service running/);
    is(wait_state($dir, state => 'down')->{wstat}, 9, 'a stop is taken over with its deadline: KILL after timeout-kill');
    leave_service($dir, $pid);
    wait_for { !descendants() } 'its last sleep';
}
{
    my $dir = make_service(tmp('group'), run => 'sleep 1000 & exec sleep 2000',
        files => { 'kill-mode' => "group\n", 'timeout-kill' => "100000\n" });
    my $pid = supervise($dir);
    wait_for { 2 == grep { $_->{name} eq 'sleep' } descendants() } 'main and child';
    $pid = again($dir, $pid);
    control($dir, 'd');
    wait_for { Lares::Process::reap_orphans(); state_is($dir, state => 'down') } 'down, long before timeout-kill';
    is(scalar(grep { $_->{name} eq 'sleep' } descendants()), 0, 'kill-mode group: of an adopted service too');
    leave_service($dir, $pid);
}
no_processes_left();
no_zombies();
done_testing;
