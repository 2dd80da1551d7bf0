# kill -9 of the log supervisor, the logger and the service's supervisor while a logger is drained,
# in each phase and at random, and an upgrade in the middle: the drain goes on where it was, and
# every line is in its place. Loggers of other suites lose what they hold themselves, so they are
# killed only before they have read anything.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Lares::Drain;
use Time::HiRes ();
use Test::More;

my $seed = $ENV{LARES_SEED} || time ^ $$;
srand $seed;
diag("seed $seed");

my $env   = peer_env();
my $setup = join '', map { "export $_='$env->{$_}'\n" } sort keys %$env;
my %loggers = (
    ours     => 'exec lares-log s1000000 n1000 ./main',
    multilog => "${setup}exec multilog s1000000 n100 ./main",
    svlogd   => "${setup}mkdir -p main\nprintf 's1000000\\nn100\\n' >main/config\nexec svlogd main",
    's6-log' => "${setup}exec s6-log s1000000 n100 ./main",
);
my %package = (multilog => 'daemontools', svlogd => 'runit', 's6-log' => 's6');

sub counted {
    my ($dir, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($have, $want) = account($dir);
    is($have, $want, "$what: every line in its place");
    return;
}

# Supervisor and process of a logger.
my %sort = (
    'log supervisor' => sub { my ($scan, $dir) = @_; return supervisor('web/log') },
    logger           => sub { my ($scan, $dir) = @_; return service_pid("$dir/log") },
);

# Kills all of these at once and waits until there are others.
sub replace {
    my ($scan, $dir, @sorts) = @_;
    my %old = map { my $sort = $_; ($sort => scalar wait_for { $sort{$sort}->($scan, $dir) } "a $sort") } @sorts;
    kill9($_) for values %old;
    for my $sort (@sorts) {
        wait_for { my $pid = $sort{$sort}->($scan, $dir); $pid && $pid != $old{$sort} } "another $sort";
    }
    return;
}

sub begin_stop {
    my ($log, %files) = @_;
    my ($scan) = new_scan();
    my $dir     = make_pair($scan, 'web', log => $log, files => \%files);
    my $scanner = scanner($scan);
    my $service = full($dir);
    signal($scanner, 'TERM');
    wait_for { !alive($service) && draining($dir) } 'the drain';
    return ($scan, $dir, $scanner);
}

sub ended {
    my ($what, $scan, $dir, $scanner) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(wait_exit($scanner, 30)->{exit}, 0, "$what: the scanner stops everything");
    no_processes_left();
    return;
}

sub while_draining {
    my ($name, @sorts) = @_;
    my $what = "$name, kill of " . join(' and ', @sorts) . ' while it is drained';
    my ($scan, $dir, $scanner) = begin_stop(gated($loggers{$name}));
    replace($scan, $dir, @sorts);
    ok(draining($dir), "$what: the drain goes on");
    open_gate($dir);
    ended($what, $scan, $dir, $scanner);
    is(rest_of($dir), 0, "$what: nothing is left");
    counted($dir, $what);
    return;
}

for my $name (sort keys %loggers) {
SKIP: {
        my ($have, $why) = $package{$name} ? unpacked_peer($package{$name}) : 1;
        skip $why, 1 if !$have;
        while_draining($name, @$_) for ['log supervisor'], ['logger'], ['log supervisor', 'logger'];
    }
}

# The time for the end of input is over, the one for TERM is not.
{
    my $what = 'kill of the log supervisor after TERM';
    my ($scan, $dir, $scanner) = begin_stop("trap '' TERM\nread go <gate", 'log/timeout-kill' => "700\n");
    wait_state("$dir/log", state => 'stopping', leaving => 1);
    my $old = supervisor('web/log');
    my $deadline = read_state("$dir/log")->{deadline};
    kill9($old);
    wait_for { my $pid = supervisor('web/log'); $pid && $pid != $old && state_is("$dir/log", adopted => 1) } 'another one';
    is(read_state("$dir/log")->{deadline}, $deadline, "$what: the logger has no more time than it had");
    ended($what, $scan, $dir, $scanner);
    cmp_ok(rest_of($dir), '>', 60_000, "$what: what is left is kept");
    is(goes_on($scan, $dir), 0, "$what: and it goes on");
    no_processes_left();
    counted($dir, $what);
}

# All has ended, and what is left cannot be written.
{
    my $what = 'kill of the log supervisor while it keeps what is left';
    my ($scan, $dir, $scanner) = begin_stop("trap '' TERM\nread go <gate", 'log/timeout-kill' => "100\n");
    mkdir "$dir/log/supervise/rest" or die;
    wait_for { said($scan, 'unable to keep what the logger has left') } 'the complaint';
    like(run([bin('svstat'), "$dir/log"])->{out}, qr/, leaving, draining/, 'svstat tells');
    my $old = supervisor('web/log');
    kill9($old);
    wait_for { my $pid = supervisor('web/log'); $pid && $pid != $old } 'another one';
    wait_for { said($scan, 'unable to keep what the logger has left') == 2 } 'its complaint';
    ok(alive($scanner), "$what: nobody leaves");
    rmdir "$dir/log/supervise/rest" or die;
    ended($what, $scan, $dir, $scanner);
    cmp_ok(rest_of($dir), '>', 60_000, "$what: what is left is kept");
    is(goes_on($scan, $dir), 0, "$what: and it goes on");
    no_processes_left();
    counted($dir, $what);
}

# An upgrade in place in the middle; also when nobody but the supervisor and the scanner hold the pipe.
for my $with ('a logger', 'no logger') {
    my $what = "upgrade in the middle, with $with";
    my ($scan, $dir, $scanner) = begin_stop(gated($loggers{ours}), 'log/restart-delays' => "0 3000\n");
    my $supervisor = supervisor('web/log');
    if ($with eq 'no logger') {
        replace($scan, $dir, 'logger');
        kill9(service_pid("$dir/log"));
        wait_state("$dir/log", state => 'backoff');
    }
    my $before = file_text("/proc/$supervisor/stat") =~ /^.*\) (?:\S+ ){25}(\S+)/s && $1;
    control("$dir/log", 'Z');
    # The new image has another stack (field 28 of stat).
    wait_for { (file_text("/proc/$supervisor/stat") // '') =~ /^.*\) (?:\S+ ){25}(\S+)/s && $1 ne $before } 'the new image';
    wait_for { control("$dir/log", '') } 'it to begin';
    ok(draining($dir), "$what: the drain goes on");
    open_gate($dir);
    ended($what, $scan, $dir, $scanner);
    counted($dir, $what);
}

# Nobody but one supervisor holds the pipe when it is upgraded: what is in it stays.
for my $who ('web', 'web/log') {
    my ($scan) = new_scan();
    my $dir = make_pair($scan, 'web', log => $loggers{ours}, files => { 'log/down' => '', down => '' });
    my @start = (cwd => $scan, stderr => "$scan/../said", stdout => "$scan/../out");
    my %pid = map { ($_ => spawn([bin('supervise'), '-s', $_], @start)) } 'web', 'web/log';
    wait_for { control("$scan/$_", '') } "$_ to begin" for keys %pid;
    control($dir, 'u');
    my $service = full($dir);
    my ($other) = grep { $_ ne $who } keys %pid;
    kill9($pid{$other});
    wait_exit($pid{$other});
    kill9($service);
    control($dir, 'd') if $who eq 'web';
    wait_for { !alive($service) } 'the service to end';
    wait_state($dir, state => 'down') if $who eq 'web';
    my $image = sub { (file_text("/proc/$pid{$who}/stat") // '') =~ /^.*\) (?:\S+ ){25}(\S+)/s ? $1 : 0 };
    my $before = $image->();
    control("$scan/$who", 'Z');
    wait_for { $image->() ne $before } 'the new image';
    wait_for { control("$scan/$who", '') } 'it to begin';
    $pid{$other} = spawn([bin('supervise'), '-s', $other], @start);
    wait_for { control("$scan/$other", '') } "$other to begin";
    control("$scan/web/log", 'u');
    wait_for { my ($have, $want) = account($dir); $have eq $want } 'all lines of the dead service';
    pass("an upgrade of $who alone keeps what is in the pipe");
    control($dir, 'dx');
    wait_exit($pid{web});
    control("$dir/log", 'x');
    wait_exit($pid{'web/log'});
    no_processes_left();
}

# Its supervisor is killed before the service has gone: the next one is asked no earlier.
{
    my ($scan) = new_scan();
    my $dir = make_pair($scan, 'web', log => $loggers{ours}, pause => 5, files => { 'timeout-kill' => "60000\n", 'down-signal' => "CONT\n" });
    my $scanner = scanner($scan);
    my ($service) = both_up($dir);
    my $old = supervisor('web/log');
    signal($scanner, 'TERM');
    wait_state($dir, state => 'stopping');
    kill9($old);
    wait_for { my $new = supervisor('web/log'); $new && $new != $old && state_is("$dir/log", adopted => 1) } 'another supervisor of the logger';
    my $lines = log_lines($dir);
    wait_for { log_lines($dir) > $lines + 20 } 'more lines';
    ok(!draining($dir), 'the logger is not drained while its service writes');
    kill9($service);
    is(wait_exit($scanner, 30)->{exit}, 0, 'the scanner stops everything');
    no_processes_left();
    counted($dir, 'kill of the log supervisor while the service stops');
}

# A logger that is told to leave while its service writes on is not waited for.
for my $name (sort keys %loggers) {
SKIP: {
        my ($have, $why) = $package{$name} ? unpacked_peer($package{$name}) : 1;
        skip $why, 1 if !$have;
        my ($scan) = new_scan();
        my $dir = make_pair($scan, 'web', log => $loggers{$name}, pause => 20);
        my $scanner = scanner($scan);
        my ($service) = both_up($dir);
        wait_for { log_lines($dir) > 3 } 'lines';
        is(run([bin('svc'), '-wD', '-T', '5000', '-x', "$dir/log"])->{exit}, 0, "$name leaves though its service writes on");
        wait_for { !supervisor('web/log') } 'its supervisor to leave';
        signal($scanner, 'HUP');
        up("$dir/log");
        is(stop_scanner($scanner), 0, '... and comes back at HUP');
        no_processes_left();
        counted($dir, "$name, away for a while");
    }
}

# At random, while the stop goes on.
for my $round (1 .. ($ENV{LARES_LONG} ? 60 : 6)) {
    my ($scan) = new_scan();
    my @names = map { "s$_" } 1 .. 3;
    my %dir = map { ($_ => make_pair($scan, $_, log => $loggers{ours})) } @names;
    my $scanner = scanner($scan);
    wait_for { -s "$dir{$_}/log/main/current" } "lines of $_" for @names;
    signal($scanner, 'TERM');
    my $kills = 0;
    my $until = Lares::Process::now() + 0.5;
    while (alive($scanner) && Lares::Process::now() < $until) {
        my @pids = grep { $_->{pid} != $scanner && $_->{command} =~ /^lares-(?:supervise|log)/ } descendants();
        $kills++ if @pids && eval { kill9($pids[rand @pids]{pid}) };
        Time::HiRes::sleep(rand 0.01);
    }
    my $what = "round $round, $kills kills";
    is(wait_exit($scanner, 60)->{exit}, 0, "$what: the scanner stops everything");
    no_processes_left();
    counted($dir{$_}, "$what, $_") for @names;
}

done_testing();
