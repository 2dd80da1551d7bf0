# lares-supervise: how a service is born, dies and comes back.
use Fcntl ':flock';
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;

my $n = 0;

# A service whose run is a probe writing to DIR.report.
sub probe_service {
    my ($name, $actions, %files) = @_;
    my $dir = tmp($name);
    return make_service($dir, run => [probe("$dir.report", @$actions)], files => \%files);
}
sub runs { return probe_runs("$_[0].report") }

# --- what a service is born with ---
{
    my $dir = probe_service('born', ['sleep']);
    my $pid = supervise($dir, ignore => ['CHLD', 'PIPE', 'HUP'], block => ['TERM', 'USR1'],
        fds => {}, env => { LARES_NAME => 'other', LARES_ID => 'other', KEPT => 'yes' });
    my ($run) = wait_for { runs($dir) } 'the service';
    is_deeply([@{ $run->{argv} }[-2, -1]], ["$dir.report", 'sleep'], 'run runs');
    is($run->{ppid}, $pid, 'it is the child of supervise');
    clean_signals($run);
    same_fds($run, [0, 1, 2], 'no descriptor of supervise is leaked');
    is($run->{cwd}, $dir, 'it runs in the service directory');
    is("$run->{pgid} $run->{sid}", "$run->{pid} $run->{pid}", 'it has a session of its own');
    is($run->{env}{LARES_NAME}, 'born', 'LARES_NAME');
    like($run->{env}{LARES_ID}, qr/^[0-9a-f]{16}-[0-9a-f]{16}-[0-9a-f]{16}$/, 'LARES_ID');
    is($run->{env}{KEPT}, 'yes', 'the rest of the environment is kept');
    is_deeply([grep { !exists $ENV{$_} && !/^(KEPT|LARES_NAME|LARES_ID)$/ } sort keys %{ $run->{env} }], [], 'and nothing added');
    my $s = wait_state($dir, state => 'up');
    is_deeply([@$s{qw(pid want starts deaths)}], [$run->{pid}, 'up', 1, 0], 'state says so');
    my $c = read_child($dir);
    is_deeply([@$c{qw(state role pid)}], ['running', 'run', $run->{pid}], 'so does child');
    is($run->{env}{LARES_ID} =~ /-0*([0-9a-f]+)-/ && hex $1, $c->{inode} || $c->{start}, 'LARES_ID is its identity');
    my $status = shown_status($dir);
    is_deeply([@$status{qw(pid paused want got_term state)}], [$run->{pid}, 0, 'u', 0, 1], 'and status');
    is(sprintf('%o', (stat "$dir/supervise")[2] & 07777), '700', 'supervise/ is closed to others');
    signal($run->{pid}, 'KILL');
    my @both = wait_for { my @r = runs($dir); @r == 2 && @r } 'a second run: deaths are seen though CHLD was ignored';
    is_deeply([@{ wait_state($dir, state => 'up', starts => 2) }{qw(deaths wstat reason detail)}],
        [1, 9, 'killed', 9], 'the death is known');
    isnt($both[1]{env}{LARES_ID}, $both[0]{env}{LARES_ID}, 'each run has an id of its own');
    is(leave_service($dir, $pid), 0, 'x: it stops and leaves, exit 0');
    is(shown_status($dir)->{pid}, 0, 'status: down');
    is(read_state($dir)->{left}, 1, 'state: left');
    no_stray_files($dir);
    no_processes_left();
}

# --- argument 1, the name ---
{
    my $dir = make_service(tmp('named'), run => qq(echo "\$# \$1 \$LARES_NAME" >>got; exec sleep 1000));
    for my $how ([$dir, undef, 'named'], ["$dir/", undef, 'named'], ['.', $dir, 'named'], ['named', tmp(), 'named']) {
        unlink "$dir/got";
        my $pid = spawn([bin('supervise'), $how->[0]], cwd => $how->[1]);
        wait_for { file_text("$dir/got") } 'it to run';
        is(file_text("$dir/got"), "1 named named\n", "name of a service called $how->[0]");
        leave_service($dir, $pid);
    }
    my $pid = spawn([bin('supervise'), '-s', 'named'], cwd => tmp());
    wait_for { read_state($dir) && control($dir, '') } 'it with -s';
    leave_service($dir, $pid);
}

# --- restart ---
{
    my $dir = probe_service('good', ['after', 20, 'exit', 3], 'restart-reset' => "1\n", 'restart-delays' => "0 100000\n");
    my $pid = supervise($dir);
    wait_for { runs($dir) >= 10 } 'ten runs at once after good ones';
    pass('a service that ran well is restarted at once');
    my @died = grep { $_->{event} eq 'run-died' } read_history($dir);
    is(scalar(grep { $_->{state} ne 'up' || $_->{wstat} != 3 << 8 || $_->{early} } @died), 0,
        'each death is one record that leads to up, no early death');
    is(read_state($dir)->{early}, 0, 'none counts as early');
    leave_service($dir, $pid);
    my @all = read_history($dir);
    is_deeply([map { $_->{sequence} } @all], [1 .. @all], 'the journal has no gap');
    no_processes_left();
}
{
    my $dir = probe_service('early', ['exit', 1], 'restart-delays' => "10 20*2 40 100000\n");
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'backoff', early => 4);
    ok($s->{next_in} > 50 && $s->{next_in} <= 100, 'the last delay is waited for') or diag $s->{next_in};
    is($s->{starts}, 4, 'four runs');
    my @history = read_history($dir);
    my @delay;
    for my $i (0 .. $#history - 1) {
        push @delay, $history[$i + 1]{at} - $history[$i]{at} if $history[$i]{state} eq 'backoff';
    }
    is(scalar(@delay), 3, 'three delays before');
    ok($delay[0] >= 0.019 && $delay[1] >= 0.019 && $delay[2] >= 0.039, 'none shorter than it says')
        or diag "@delay";
    is(shown_status($dir)->{want}, 'u', 'status: wanted up');
    control($dir, 'u');
    $s = wait_state($dir, state => 'backoff', starts => qr/^[5-9]/, early => 4);
    pass('u starts at once and the delays begin again');
    leave_service($dir, $pid);
    no_processes_left();
}
{
    my $dir = probe_service('default', ['exit', 1]);
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'backoff', early => 1);
    is(($s->{deadline} - $s->{died}) / 1e9, 1, 'by default an early death is followed by a second of rest');
    leave_service($dir, $pid);
}
{
    my $dir = probe_service('never', ['exit', 2], restart => "never\n");
    my $pid = supervise($dir);
    is(wait_state($dir, state => 'failed')->{starts}, 1, 'restart never: failed after a failure');
    is(shown_status($dir)->{want}, 'd', 'status: not wanted, for sv');
    control($dir, 'u');
    wait_state($dir, state => 'failed', starts => 2);
    leave_service($dir, $pid);
    $dir = probe_service('onfail', ['exit', 0], restart => "on-failure\n");
    $pid = supervise($dir);
    is(wait_state($dir, state => 'done')->{starts}, 1, 'restart on-failure: done after a success');
    leave_service($dir, $pid);
    $dir = make_service(tmp('oneshot'), run => 'echo start >>r; exit 0', files => { type => "oneshot\n" });
    $pid = supervise($dir);
    is(wait_state($dir, state => 'done')->{starts}, 1, 'a oneshot that succeeded is done');
    is(leave_service($dir, $pid), 0, '... and leaves');
    no_processes_left();
}

# --- down ---
{
    my $dir = probe_service('down', ['sleep'], down => '');
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'down', reason => 'down-file');
    is_deeply([@$s{qw(starts normally_down)}], [0, 1], 'a file down: not started by itself');
    control($dir, 'o');
    wait_state($dir, state => 'up', want => 'once');
    is(shown_status($dir)->{want}, 'd', 'once: status says d');
    control($dir, 'u');
    wait_state($dir, state => 'up', want => 'up', starts => 1);
    control($dir, 'd');
    wait_state($dir, state => 'down', want => 'down');
    control($dir, 'U');
    wait_state($dir, state => 'up');
    ok(!-e "$dir/down", 'U removes the file down');
    control($dir, 'Q');
    wait_state($dir, state => 'up', want => 'down');
    ok(-e "$dir/down", 'Q makes it and stops nothing');
    signal(read_state($dir)->{pid}, 'KILL');
    wait_state($dir, state => 'down');
    control($dir, 'U');
    wait_state($dir, state => 'up', want => 'up');
    control($dir, 'D');
    wait_state($dir, state => 'down');
    ok(-e "$dir/down", 'D makes it');
    control($dir, 'o');
    my $once = wait_state($dir, state => 'up', want => 'once');
    signal($once->{pid}, 'KILL');
    wait_state($dir, state => 'down', deaths => $once->{deaths} + 1);
    pass('once: not restarted');
    leave_service($dir, $pid);
    no_processes_left();
}

# "already supervised by pid N", said of one that was killed just now and not quite dead: its lock is still held.
{
    my $dir = probe_service('dying', ['sleep'], down => '');
    my $dying = supervise($dir);
    wait_state($dir, state => 'down');
    kill9($dying);
    wait_for { !alive($dying) } 'its end'; # nobody has reaped it
    open my $lock, '<', "$dir/supervise/lock" or die "lock: $!\n";
    flock $lock, LOCK_EX | LOCK_NB or die "flock: $!\n";
    my $next = supervise($dir, wait => 0);
    wait_for { !alive($next) || messages($dir) =~ /waiting for a process that is stuck/ } 'it to wait';
    ok(alive($next), 'the next one waits for the lock of a dead one') or diag(messages($dir));
    close $lock;
    ok(eval { wait_for { control($dir, '') } 'it to begin' }, '... and supervises') or diag(messages($dir));
    wait_exit($dying);
    is(leave_service($dir, $next), 0, '... until it is told to leave');
    no_processes_left();
}
done_testing;
