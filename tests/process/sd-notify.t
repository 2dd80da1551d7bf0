# lares-supervise: `notify` sd, what a service says by sd_notify(3).
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Sd;
use Lares::State;
use JSON::PP ();
use Test::More;

sub svstat { return JSON::PP->new->utf8->decode(run([bin('svstat'), '--json', $_[0]])->{out})->[0] }
sub events { return join ' ', map { $_->{event} } read_history($_[0]) }
# What it says is acted on, and what it said before.
sub heard { my ($dir, $line) = @_; sd_tell($dir, $line); sd_tell($dir, 'barrier') }

subtest 'ready, reloading, stopping' => sub {
    my $dir = sd_service(tmp('ready'), files => { 'restart-delays' => "100000\n" });
    my $pid = supervise($dir, env => { NOTIFY_SOCKET => '/elsewhere', WATCHDOG_USEC => 5, WATCHDOG_PID => 1 });
    my $main = sd_born($dir);
    my $s = wait_state($dir, state => 'starting');
    is("$s->{ready} $s->{notifies}", '0 1', 'not ready yet');
    my ($variables) = grep { /^variables / } sd_tell($dir, 'variables');
    like($variables, qr{^variables \@lares/\S+ - -$}, 'a socket of its own, and no watchdog');
    heard($dir, 'send STATUS=warming');
    is(read_state($dir)->{state}, 'starting', 'STATUS does not make it ready');
    is(svstat($dir)->{status_text}, 'warming', 'and is shown');
    heard($dir, 'send READY=1;STATUS=serving a;X_OWN=3;ERRNO=2;EXIT_STATUS=1;NOTIFYACCESS=all;FDSTOREREMOVE=1;FDNAME=x');
    $s = read_state($dir);
    is("$s->{state} $s->{ready}", 'up 1', 'READY=1: ready, whatever else is said');
    is(svstat($dir)->{status_text}, 'serving a', 'another status');
    my $ready_at = $s->{ready_at};
    heard($dir, 'send RELOADING=1;MONOTONIC_USEC=123');
    $s = read_state($dir);
    is("$s->{state} $s->{ready}", 'up 0', 'RELOADING=1: up, and not ready');
    like(run([bin('svstat'), $dir])->{out}, qr/, reloading,? /, 'svstat says so');
    heard($dir, 'send READY=1');
    $s = read_state($dir);
    is("$s->{state} $s->{ready} " . ($s->{ready_at} == $ready_at), 'up 1 1', 'and ready again, as it was since then');
    heard($dir, 'send READY=1');
    is(events($dir), 'boot ready unready ready', 'what is no news is not told');
    heard($dir, 'send STOPPING=1;READY=1');
    $s = read_state($dir);
    is("$s->{state} $s->{reason} $s->{pid}", "stopping ending $main", 'STOPPING=1: it is on its way');
    heard($dir, 'send READY=1');
    is(read_state($dir)->{state}, 'stopping', 'which it cannot take back');
    sd_tell($dir, 'exit 3', wait => 0);
    $s = wait_state($dir, state => 'backoff');
    is("$s->{reason} $s->{detail} $s->{early}", 'exited 3 1', 'then it is a death like others');
    is(svstat($dir)->{status_text}, undef, 'of which nothing is shown as its status');
    is(messages($dir) =~ /warning/ ? messages($dir) : '', '', 'nothing of that is a reason for a message');
    control($dir, 'u');
    sd_born($dir, 2);
    is(svstat($dir)->{status_text}, undef, 'the next run has said nothing yet');
    ok(-l "$dir/supervise/socket", 'its socket has a name');
    leave_service($dir, $pid);
    ok(!-l "$dir/supervise/socket", 'and none any more');
};

subtest 'it says that it ends and does not' => sub {
    my $dir = sd_service(tmp('lies'), files => { 'timeout-kill' => "50\n", 'restart-delays' => "100000\n" });
    my $pid = supervise($dir);
    sd_born($dir);
    sd_tell($dir, 'send STOPPING=1');
    my $s = wait_state($dir, state => 'backoff');
    is("$s->{wstat}", 9, 'it has timeout-kill for that');
    leave_service($dir, $pid);
};

subtest 'who speaks' => sub {
    my $dir = sd_service(tmp('who'));
    my $pid = supervise($dir);
    my $main = sd_born($dir);
    my ($name) = (grep { /^variables / } sd_tell($dir, 'variables'))[0] =~ /^variables (\S+)/;
    my $other = sd_service(tmp('other'), before => "NOTIFY_SOCKET=$name; export NOTIFY_SOCKET\n", files => { notify => undef });
    my $other_pid = supervise($other);
    my $stranger = sd_born($other);
    sd_tell($other, 'send READY=1;MAINPID=1');
    sd_tell($dir, 'barrier');
    is(read_state($dir)->{state}, 'starting', 'a stranger is not heard');
    like(messages($dir), qr/warning .* notification of pid $stranger, which is not, or not any more, of this service: ignored/, 'and named');
    sd_tell($other, "send READY=1");
    sd_tell($dir, 'barrier');
    is(scalar(() = messages($dir) =~ /notification of pid/g), 1, 'once');
    sd_tell($dir, 'child STATUS=from a child;READY=1');
    wait_state($dir, state => 'up', ready => 1);
    is(svstat($dir)->{status_text}, 'from a child', 'a child is');
    sd_tell($dir, 'stranger RELOADING=1');
    wait_for { grep { $_->[1] eq 'strange' } sd_said($dir) } 'the stray';
    sd_tell($dir, 'barrier');
    my $cgroup = read_state($dir)->{ready};
    is($cgroup, 1, 'who has left its session and wiped its environment is not');
    leave_service($other, $other_pid);
    leave_service($dir, $pid);
};

subtest 'whatever comes' => sub {
    my $dir = sd_service(tmp('garbage'));
    my $pid = supervise($dir);
    my $main = sd_born($dir);
    sd_tell($dir, 'barrier');
    my $fds;
    wait_for { my $now = keys %{ fds_of($pid) }; my $same = defined $fds && $now == $fds; $fds = $now; $same } 'it to rest';
    sd_tell($dir, 'large 0');
    sd_tell($dir, 'large 5000');
    sd_tell($dir, 'large 60000');
    sd_tell($dir, 'raw 52454144593d310052');
    sd_tell($dir, 'raw ff00fe');
    sd_tell($dir, 'send =;;;READY;ready=1;READY=2;READY =1');
    sd_tell($dir, 'send MAINPID=0;WATCHDOG_USEC=-1;EXTEND_TIMEOUT_USEC=x');
    sd_tell($dir, 'fds 1 FDSTORE=1;FDNAME=x');
    sd_tell($dir, 'fds 200 FDSTORE=1');
    sd_tell($dir, 'fds 3 READY=0');
    sd_tell($dir, 'barrier');
    is(read_state($dir)->{state}, 'starting', 'none of that makes it ready');
    ok(wait_for(sub { $fds == keys %{ fds_of($pid) } }, 'no other descriptors'), 'no descriptor stays');
    my $m = messages($dir);
    like($m, qr/warning .* longer than 4096 bytes or holds a NUL: ignored/, 'oversized: said');
    like($m, qr/warning .* notification: READY has no value that is known: ignored/, 'malformed: said');
    like($m, qr/warning .* \(FDSTORE\): lares keeps none, they are closed/, 'FDSTORE: refused');
    is(scalar(() = $m =~ /warning/g), 3, 'each once');
    # The queue holds ten or so; what does not fit is the sender's loss.
    sd_tell($dir, 'flood 20000');
    control($dir, 'p') && control($dir, 'c');
    sd_tell($dir, 'send READY=1');
    ok(wait_state($dir, state => 'up', ready => 1), 'after a flood it still hears');
    leave_service($dir, $pid);
};

subtest 'a flood does not keep it from commands' => sub {
    my $dir = make_service(tmp('flood'), run => 'exec perl flood', files => { notify => "sd\n", 'timeout-kill' => "0\n",
        flood => 'use Socket; socket my $s, AF_UNIX, SOCK_DGRAM, 0; my $n = $ENV{NOTIFY_SOCKET}; $n =~ s/^@/\0/;
            my $to = pack "S a*", AF_UNIX, $n; open my $m, ">", "sending"; 1 while send $s, "STATUS=" . ++$i, 0, $to; die $!' });
    my $pid = supervise($dir);
    wait_for { -e "$dir/sending" && (svstat($dir)->{status_text} || 0) > 100 } 'the flood';
    control($dir, 'd');
    my $s = wait_state($dir, state => 'down');
    is($s->{wstat}, 15, 'it is stopped');
    leave_service($dir, $pid);
};

subtest 'told before its death' => sub {
    my $dir = sd_service(tmp('brief'), files => { 'restart-delays' => "100000\n" });
    my $pid = supervise($dir);
    my $main = sd_born($dir);
    kill 'STOP', $pid;
    sd_tell($dir, 'send READY=1');
    sd_tell($dir, 'exit 0', wait => 0);
    wait_for { process_info($main)->{state} eq 'Z' } 'its end';
    kill 'CONT', $pid;
    wait_state($dir, state => 'backoff');
    is(events($dir), 'boot ready run-died', 'what it said last comes before its death');
    leave_service($dir, $pid);
};

subtest 'words of a run that is over' => sub {
    my $dir = sd_service(tmp('late'), files => { 'restart-delays' => "0\n" });
    my $pid = supervise($dir);
    my $first = sd_born($dir);
    kill 'STOP', $pid;
    sd_tell($dir, 'brief READY=1'); # by a child that is gone
    kill9($first);
    kill 'CONT', $pid;
    sd_born($dir, 2);
    sd_tell($dir, 'barrier');
    my $s = read_state($dir);
    is("$s->{state} $s->{starts}", 'starting 2', 'they are not heard');
    leave_service($dir, $pid);
};

subtest 'time-outs' => sub {
    my $dir = sd_service(tmp('never'), files => { 'timeout-ready' => "100\n", 'restart-delays' => "100000\n" });
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'backoff');
    my ($late) = grep { $_->{reason} eq 'ready-timeout' } read_history($dir);
    is($late && $late->{state}, 'stopping', 'never ready: ended after timeout-ready');
    leave_service($dir, $pid);

    $dir = sd_service(tmp('extend'), files => { 'timeout-ready' => "100000\n", 'timeout-kill' => "100000\n" },
        before => "trap '' TERM\n");
    $pid = supervise($dir);
    sd_born($dir);
    my $before = wait_state($dir, state => 'starting')->{deadline};
    heard($dir, 'send EXTEND_TIMEOUT_USEC=50000000');
    is(read_state($dir)->{deadline}, $before, 'a time that is longer anyway is not made shorter');
    heard($dir, 'send EXTEND_TIMEOUT_USEC=500000000');
    cmp_ok(read_state($dir)->{deadline} - $before, '>', 300e9, 'the start may take longer, and that is on record');
    sd_tell($dir, 'send READY=1');
    wait_state($dir, state => 'up');
    heard($dir, 'send EXTEND_TIMEOUT_USEC=500000000');
    is(read_state($dir)->{next_in}, undef, 'up: there is nothing to extend');
    control($dir, 'd');
    $before = wait_state($dir, state => 'stopping')->{deadline};
    heard($dir, 'send EXTEND_TIMEOUT_USEC=500000000');
    cmp_ok(read_state($dir)->{deadline} - $before, '>', 300e9, 'a stop may, too');
    control($dir, 'k');
    wait_state($dir, state => 'down');
    leave_service($dir, $pid);
};

subtest 'notification-fd beside it, and neither' => sub {
    my $dir = sd_service(tmp('both'), before => "echo >&3\nexec 3>&-\n", files => { 'notification-fd' => "3\n" });
    my $pid = supervise($dir);
    wait_state($dir, state => 'up', ready => 1);
    sd_born($dir);
    heard($dir, 'send STATUS=by the other');
    is(svstat($dir)->{status_text}, 'by the other', 'both may be used');
    leave_service($dir, $pid);
    $dir = sd_service(tmp('none'), files => { notify => undef });
    $pid = supervise($dir);
    sd_born($dir);
    is((grep { /^variables / } sd_tell($dir, 'variables'))[0], 'variables - - -', 'without the file: no socket');
    ok(!-l "$dir/supervise/socket" && !-e "$dir/supervise/text", 'and no file');
    write_file("$dir/notify", "sd\n");
    control($dir, 'r');
    sd_born($dir, 2);
    heard($dir, 'send READY=1');
    is(read_state($dir)->{ready}, 1, 'added, it is used from the next start on');
    unlink "$dir/notify";
    control($dir, 'r');
    sd_born($dir, 3);
    is((grep { /^variables / } sd_tell($dir, 'variables'))[-1], 'variables - - -', 'and removed no more');
    ok(!-l "$dir/supervise/socket", 'nor is the name there');
    leave_service($dir, $pid);
};

for my $bad (['yes', qr/"yes" is none of none\|sd/], ['', qr/is empty/], ["sd\nsd", qr/has more than one line/]) {
    my $dir = sd_service(tmp('bad'), files => { notify => "$bad->[0]\n" });
    my $pid = supervise($dir);
    sd_born($dir);
    like(messages($dir), qr/warning .* notify: $bad->[1]; using none/, "notify `$bad->[0]': said");
    wait_state($dir, state => 'up');
    leave_service($dir, $pid);
    system 'rm', '-rf', $dir;
}

no_processes_left();
no_zombies();
done_testing;
