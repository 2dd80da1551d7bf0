# lares-supervise: notification-fd, the readiness of a service.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;

sub probe_service {
    my ($name, $actions, %files) = @_;
    my $dir = tmp($name);
    return make_service($dir, run => [probe("$dir.report", @$actions)],
        files => { 'notification-fd' => "3\n", %files });
}
sub runs { return probe_runs("$_[0].report") }

{
    my $dir = probe_service('ready', ['event', 'born', 'read', 'ready', 7, 'event', 'told', 'sleep'],
        'notification-fd' => "7\n");
    my $in = make_fifo(tmp('gate'));
    my $pid = spawn([bin('supervise'), $dir], stdin => do { open my $f, '+<', $in or die; $f }, stderr => tmp('ready.err'));
    my ($run) = wait_for { my ($r) = runs($dir); $r && @{ $r->{events} } && $r } 'the service';
    same_fds($run, [0, 1, 2, 7], 'the service has its readiness descriptor and no other');
    my $s = wait_state($dir, state => 'starting', role => 'run');
    is("$s->{ready} $s->{notifies}", '0 1', 'not ready yet: starting');
    is(shown_status($dir)->{state}, 1, 'for classic clients it runs');
    signal($_, 'KILL') for $run->{pid};
    wait_state($dir, state => 'starting', starts => 2);
    is(read_state($dir)->{early}, 1, 'a death before readiness is an early one');
    leave_service($dir, $pid);
    no_processes_left();
}
{
    my $dir = probe_service('soon', ['after', 20, 'ready', 3, 'sleep']);
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'up', ready => 1);
    ok($s->{ready_at} >= $s->{changed} && $s->{ready_at} <= time + 1, 'ready, with the time of it');
    my @h = grep { $_->{event} eq 'ready' } read_history($dir);
    is(scalar(@h), 1, 'one record in the journal');
    ok(wait_for(sub { 3 == keys %{ fds_of($s->{pid}) } }, 'it to close it'), 'the service has closed the descriptor');
    signal($s->{pid}, 'KILL');
    wait_state($dir, deaths => 1);
    my ($died) = grep { $_->{event} eq 'run-died' } read_history($dir);
    is($died->{ready}, 0, 'the next instance begins not ready');
    wait_state($dir, state => 'up', ready => 1, starts => 2);
    pass('and becomes ready again');
    leave_service($dir, $pid);
}
{
    # Says it and dies at once: ready first, then dead.
    my $dir = probe_service('brief', ['ready', 3, 'exit', 0], 'restart-delays' => "100000\n");
    my $pid = supervise($dir);
    wait_state($dir, state => 'backoff');
    is(join(' ', map { $_->{event} } read_history($dir)), 'boot ready run-died',
        'a service that is ready and dies: both are told, in order');
    leave_service($dir, $pid);
}
SKIP: {
    # The same when poll() has returned for something else just before it says it: the death was
    # told alone, readiness was lost. strace holds the supervisor up there.
    skip 'sanitizers do not work under strace', 1 if $ENV{LARES_SANITIZE};
    my @strace = ('strace', '-qq', '-o', '/dev/null', '-e', 'trace=ppoll', '-e', 'inject=ppoll:delay_exit=500000');
    my $try = run(['sh', '-c', 'exec "$@"', 'sh', @strace, 'true']);
    skip "strace cannot be used: $try->{err}", 1 if $try->{exit} || $try->{err} ne '';
    my $dir = make_service(tmp('words'), run => "read go <gate; echo >&3",
        files => { 'notification-fd' => "3\n", 'restart-delays' => "100000\n", gate => { fifo => 0600 } });
    my $tracer = spawn([@strace, bin('supervise'), $dir], stderr => tmp('words.err'));
    my $pid = process_info(wait_state($dir, state => 'starting', role => 'run')->{pid})->{ppid};
    wait_for { process_info($pid)->{state} eq 'S' } 'the supervisor waits';
    kill 'USR1', $pid;
    wait_for { process_info($pid)->{state} ne 'S' } 'it is held up';
    open my $go, '>', "$dir/gate" or die;
    print {$go} "\n";
    close $go;
    wait_state($dir, state => 'backoff');
    is(join(' ', map { $_->{event} } read_history($dir)), 'boot ready run-died', '... said while the supervisor was busy');
    kill 'TERM', $pid;
    wait_exit($tracer);
}
{
    my $dir = probe_service('never', ['sleep'], 'timeout-ready' => "50\n", 'restart-delays' => "0 100000\n");
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'backoff');
    is($s->{reason}, 'ready-timeout', 'never ready: ended after timeout-ready, and that is the reason');
    my ($late) = grep { $_->{reason} eq 'ready-timeout' } read_history($dir);
    is($late && $late->{state}, 'stopping', 'and the reason is on record');
    is($s->{early}, 1, 'an early death');
    leave_service($dir, $pid);
}
{
    my $dir = probe_service('text', ['write', 3, 'no newline', 'event', 'written', 'after', 50, 'write', 3, 'yet',
        'event', 'more', 'trap', 10, 'sleep']);
    my $pid = supervise($dir);
    my ($run) = wait_for { my ($r) = runs($dir); $r && @{ $r->{events} } == 2 && $r } 'the bytes';
    control($dir, '1');
    wait_for { (runs($dir))[0]{events}[-1] eq 'signal 10' } 'a round trip';
    is(read_state($dir)->{state}, 'starting', 'bytes without newline are not readiness');
    leave_service($dir, $pid);
}
{
    my $dir = make_service(tmp('many'), run => "exec perl writer", files => { 'notification-fd' => "3\n",
        writer => 'open my $n, ">&=", 3; syswrite $n, "x" x 4096 for 1 .. 50; syswrite $n, "yy\nzz\n\n";
            if (!fork) { syswrite $n, "more" for 1 .. 20000; exit } sleep 1000' });
    my $pid = supervise($dir);
    ok(wait_state($dir, state => 'up', ready => 1), 'many bytes before the newline, many after it: ready');
    ok(control($dir, '') && alive($pid), 'supervise goes on');
    control($dir, 'd');
    wait_state($dir, state => 'down');
    leave_service($dir, $pid);
}
{
    my $dir = make_service(tmp('eof'), run => "exec 3>&-\nexec sleep 1000", files => { 'notification-fd' => "3\n" });
    my $pid = supervise($dir);
    wait_state($dir, state => 'starting', pid => qr/^[1-9]/);
    my $s = read_state($dir);
    wait_for { !grep { /notify/ } values %{ fds_of($pid) } } 'supervise to see the end of file';
    is(read_state($dir)->{state}, 'starting', 'end of file without a newline is not readiness');
    my $before = cpu_of($pid);
    for (1 .. 3) { control($dir, 'c'); wait_for { !pending($dir) } 'it to read' }
    cmp_ok(cpu_of($pid) - $before, '<', 20, 'and does not make it spin');
    is(read_state($dir)->{pid}, $s->{pid}, 'nor is it an error');
    leave_service($dir, $pid);
}
{
    # The word of an instance that is gone is not taken for the next one's.
    my $dir = make_service(tmp('late'), run => 'if [ -e second ]; then exec sleep 1000; fi
        >second; exec 2>/dev/null; ( trap "" TERM; exec setsid sh -c "while [ ! -e go ]; do sleep 0.01; done; echo >&3; >said; exec sleep 1000" ) & exit 1',
        files => { 'notification-fd' => "3\n", 'restart-delays' => "0\n", 'timeout-kill' => "50\n" });
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'starting', starts => 2);
    write_file("$dir/go", '');
    wait_for { -e "$dir/said" } 'the late word';
    control($dir, 'c');
    wait_for { !pending($dir) } 'a round trip';
    is(read_state($dir)->{ready}, 0, 'a late word of the instance before is not heard');
    leave_service($dir, $pid);
}

# --- another supervisor, before it is ready ---

# Becomes the next one: by an upgrade in place, or killed.
sub succeed {
    my ($dir, $pid, $how) = @_;
    if ($how eq 'upgraded') {
        control($dir, 'Z');
        wait_for { process_info($pid)->{command} =~ / -r/ } 'the upgrade';
    } else {
        kill9($pid);
        wait_exit($pid);
        $pid = supervise($dir);
    }
    wait_for { control($dir, '') } 'it to supervise';
    wait_for { !pending($dir) } 'it to read';
    return $pid;
}

for my $how (qw(upgraded killed)) {
    # It had closed its descriptor without a word, and was taken for ready by the next one.
    my $dir = make_service(tmp("mute-$how"), run => "exec 3>&-\nexec sleep 1000", files => { 'notification-fd' => "3\n" });
    my $pid = supervise($dir);
    wait_state($dir, state => 'starting', pid => qr/^[1-9]/);
    wait_for { !grep { /notify/ } values %{ fds_of($pid) } } 'supervise to see the end of file';
    $pid = succeed($dir, $pid, $how);
    is(read_state($dir)->{state}, 'starting', "$how: closed without a word before is not ready");
    $pid = succeed($dir, $pid, $how);
    is(read_state($dir)->{state}, 'starting', '... nor the second time');
    leave_service($dir, $pid);

    # What the directory says by then is for the next start.
    $dir = make_service(tmp("removed-$how"), run => "while [ ! -e go ]; do sleep 0.01; done; echo >&3; exec 3>&-; exec sleep 1000",
        files => { 'notification-fd' => "3\n" });
    $pid = supervise($dir);
    wait_state($dir, state => 'starting', pid => qr/^[1-9]/);
    unlink "$dir/notification-fd" or die;
    $pid = succeed($dir, $pid, $how);
    write_file("$dir/go", '');
    ok(wait_state($dir, state => 'up', ready => 1), "$how: its word is heard, though notification-fd was removed");
    kill9(read_state($dir)->{pid});
    wait_state($dir, state => 'up', starts => 2);
    ok(!-e "$dir/supervise/notify", '... and the next instance has no descriptor');
    leave_service($dir, $pid);

    $dir = make_service(tmp("added-$how"), run => "exec sleep 1000", files => { 'notify' => "sd\n" });
    $pid = supervise($dir);
    wait_state($dir, state => 'starting', pid => qr/^[1-9]/);
    write_file("$dir/notification-fd", "3\n");
    $pid = succeed($dir, $pid, $how);
    is(read_state($dir)->{state}, 'starting', "$how: nor is it ready because notification-fd was added");
    leave_service($dir, $pid);
}
{
    # Upgraded first: who closes it later without a word has not said anything that was lost.
    my $dir = make_service(tmp('mute-later'), run => "while [ ! -e go ]; do sleep 0.01; done; exec 3>&-; exec sleep 1000",
        files => { 'notification-fd' => "3\n" });
    my $pid = supervise($dir);
    wait_state($dir, state => 'starting', pid => qr/^[1-9]/);
    $pid = succeed($dir, $pid, 'upgraded');
    wait_for { grep { /notify/ } values %{ fds_of($pid) || {} } } 'it to listen again';
    write_file("$dir/go", '');
    wait_for { !grep { /notify/ } values %{ fds_of($pid) } } 'supervise to see the end of file';
    is(read_state($dir)->{state}, 'starting', 'upgraded, then closed without a word: not ready');
    leave_service($dir, $pid);
}

# --- where readiness is declared, a good run is counted from it ---
{
    my $dir = make_service(tmp('goodrun'), run => [probe('-', 'after', 400, 'ready', 3, 'after', 20, 'exit', 1)],
        files => { 'notification-fd' => "3\n", 'restart-reset' => "300\n", 'restart-delays' => "0 100000\n" });
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'backoff');
    is("$s->{deaths} $s->{early}", '1 1', 'long on the way, short ready: not a good run');
    leave_service($dir, $pid);
}

# clock ticks a process has used
sub cpu_of {
    my ($pid) = @_;
    my @f = split ' ', (split /\) /, file_text("/proc/$pid/stat"))[1];
    return $f[11] + $f[12];
}

# are there letters it has not read?
sub pending {
    my ($dir) = @_;
    open my $fifo, '+<', "$dir/supervise/control" or die;
    my $count = pack 'i', 0;
    ioctl $fifo, 0x541B, $count or die "FIONREAD: $!";
    return unpack 'i', $count;
}
no_processes_left();
no_zombies();
done_testing;
