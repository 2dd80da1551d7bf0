# lares-init without being pid 1: it keeps a scanner running, hands signals on, leaves the note of
# what it inherits, and ends when the scanner has. (As pid 1: tests/tree/init.t.)
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More;

sub init {
    my ($scan, @arguments) = @_;
    return spawn([bin('init'), @arguments, $scan], stderr => "$scan/../said", stdout => "$scan/../out");
}
# Where the kernel tells children, the thousands of processes of others need not be read.
sub children { my ($pid) = @_; return split ' ', file_text("/proc/$pid/task/$pid/children") // join ' ', map { $_->{pid} } grep { $_->{ppid} == $pid } descendants() }
sub child_of { my ($pid, $name) = @_; return grep { (file_text("/proc/$_/cmdline") // '') =~ /^lares-$name\0/ } children($pid) }
sub scanner_of { my ($init) = @_; return scalar wait_for { child_of($init, 'svscan') } 'a scanner' }
sub another { my ($init, $old) = @_; return scalar wait_for { my ($new) = child_of($init, 'svscan'); $new && $new != $old && $new } 'another scanner' }
sub listening { my ($scan) = @_; sysopen my $fifo, "$scan/.lares/control", POSIX::O_WRONLY() | POSIX::O_NONBLOCK() or return 0; return 1 }

# A directory with a script in place of lares-svscan.
my $places = 0;
sub fake_scanner {
    my ($script) = @_;
    my $dir = tmp('bin' . ++$places);
    write_file("$dir/lares-svscan", "#!/bin/sh\n$script\n", 0755);
    return $dir;
}

subtest 'a scanner that is killed' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/web");
    my $init = init($scan);
    my ($web, $log) = both_up("$scan/web");
    my $fds = resting_fds($init);
    my $scanner = scanner_of($init);
    for (1 .. 10) {
        kill9($scanner);
        $scanner = another($init, $scanner);
    }
    is(join(' ', both_up("$scan/web")), "$web $log", 'ten times: another is there, services keep their pids');
    is(scalar(my @two = child_of($init, 'svscan')), 1, 'one scanner');
    wait_for { said($scan, qr/found supervisor of `web' running/) } 'the supervisors found';
    is(join(' ', sort keys %{ resting_fds($init) }), join(' ', sort keys %$fds), 'no descriptor more or less');
    no_zombies();
    is(stop_scanner($init), 0, 'TERM stops everything, exit code 0');
    no_processes_left();
    like(said_text($scan), qr/ init the scanner, pid \d+, was killed by signal 9; starting another at once/, 'said');
};

# Nobody but us sees how these ended: the supervisor died before its service.
subtest 'a service that ends while its supervisor and the scanner are dead' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/web");
    my $init = init($scan);
    both_up("$scan/web");
    my $first = scanner_of($init);
    kill9($first);
    another($init, $first);
    for my $name ('web', 'web/log') {
        my $before = wait_state("$scan/$name", state => 'up');
        my $old    = wait_for { supervisor($name) } "a supervisor of $name";
        my $scanner = scanner_of($init);
        kill 'STOP', $scanner; # nothing comes between
        kill9($old);
        kill9($before->{pid});
        wait_for { reaped($old) && reaped($before->{pid}) } 'both reaped';
        my $note = file_text("$scan/$name/supervise/exit") // '';
        is(join(' ', unpack 'x64 x3 C x4 l> l>', $note), "2 $before->{pid} 9", "$name: the note says who and how");
        kill 'CONT', $scanner;
        my $after = wait_state("$scan/$name", state => 'up', starts => $before->{starts} + 1);
        is($after->{wstat}, 9, "$name: started again, how it ended is known");
    }
    is(stop_scanner($init), 0, 'stop');
    no_processes_left();
};

# The next scanner asked only whether the main process lives: "everything has stopped".
subtest 'in a stop, the scanner, the supervisor and the main process are killed: what that has left is ended, finish is run' => sub {
    my ($scan) = new_scan();
    my $dir = make_service("$scan/web", run => bin('setsid') . " sleep 1000 &\necho \$! >child\ntrap '' TERM\nexec sleep 1000",
        finish => "#!/bin/sh\necho \$2 >>finished\n", files => { 'timeout-kill' => "2000\n" });
    my $init = init($scan);
    my $main = up($dir);
    my $left = wait_for { (file_text("$dir/child") // '') =~ /^(\d+)$/ && $1 } 'its child';
    my $scanner = scanner_of($init);
    signal($init, 'TERM');
    wait_state($dir, state => 'stopping');
    kill 'STOP', $scanner; # nothing comes between
    kill9($_) for supervisor('web'), $main, $scanner;
    is(wait_exit($init)->{exit}, 0, 'stopped');
    is(said($scan, qr/going on with that/), 1, 'by another scanner');
    ok(!alive($left), 'a child in a session of its own is ended');
    is(file_text("$dir/finished"), "9\n", 'finish was run, once');
    ok(state_is($dir, state => 'down', left => 1), 'it is down, its supervisor has left');
    no_processes_left();
};

# Elsewhere than as pid 1 its death is nobody else's.
subtest 'init is killed' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/web");
    my $init = init($scan);
    my ($web, $log) = both_up("$scan/web");
    my $scanner = scanner_of($init);
    kill9($init);
    wait_exit($init);
    ok(alive($scanner), 'the scanner goes on');
    is(run([bin('init'), $scan])->{exit}, 100, 'another init does not begin beside it');
    is(run([bin('svscanctl'), 'leave', $scan])->{exit}, 0, 'once it has left');
    $init = init($scan);
    wait_for { said($scan, qr/found supervisor of `web' running/) } 'another one does, and finds what runs';
    is(join(' ', both_up("$scan/web")), "$web $log", 'the same processes');
    is(stop_scanner($init), 0, 'stop');
    no_processes_left();
};

# Of a directory that left the scan directory there is only the record.
subtest 'a vanished service' => sub {
    my ($scan, $def) = new_scan();
    make_service("$def/web", run => [probe("$scan/../report", 'ignore', 15, 'event', 'set', 'sleep')],
        files => { 'timeout-kill' => "0\n" });
    symlink '../def/web', "$scan/web";
    my $init = init($scan);
    wait_for { my ($run) = probe_runs("$scan/../report"); $run && @{ $run->{events} } } 'the service';
    my $web  = up("$scan/web");
    my $first = scanner_of($init);
    kill9($first);
    my $scanner = another($init, $first);
    wait_for { listening($scan) && said($scan, qr/found supervisor of `web'/) } 'the second scanner';
    unlink "$scan/web";
    wait_for { said($scan, qr/`web' has vanished: stopping it/) } 'the stop';
    wait_state("$def/web", state => 'stopping');
    kill 'STOP', $scanner;
    my $old = supervisor('web') || (grep { $_->{command} =~ m{^lares-supervise .*web $} } descendants())[0]{pid};
    kill9($old);
    kill9($web);
    wait_for { reaped($web) } 'its end';
    is(join(' ', unpack 'x64 x3 C x4 l> l>', file_text("$def/web/supervise/exit") // ''), "2 $web 9", 'the note is where it is');
    kill 'CONT', $scanner;
    wait_for { said($scan, qr/`web' has gone/) } 'it to go';
    is(stop_scanner($init), 0, 'stop');
    no_processes_left();
};

subtest 'signals' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/web");
    write_file("$scan/.lares/SIGUSR1", "#!/bin/sh\necho told >>../told\n", 0755);
    chmod 0700, "$scan/.lares";
    my $init = init($scan);
    my $web  = up("$scan/web");
    my $scanner = scanner_of($init);
    signal($init, $_) for qw(ALRM USR2 PIPE TSTP TTIN TTOU CONT WINCH IO PROF VTALRM XCPU XFSZ NUM40);
    signal($init, 'USR1');
    wait_for { (file_text("$scan/../told") // '') eq "told\n" } 'the script of USR1';
    signal($init, 'HUP');
    wait_for { said($scan, qr/looking at everything anew/) } 'HUP to be handed on';
    is(scanner_of($init), $scanner, 'no other signal has ended anything');
    signal($init, 'QUIT');
    is(wait_exit($init)->{exit}, 0, 'QUIT: the scanner leaves, and so does init');
    ok(alive($web), 'the service goes on');
    $init = init($scan);
    wait_for { said($scan, qr/found supervisor of `web' running/) } 'another init with another scanner';
    is(up("$scan/web"), $web, 'finds the service');
    signal($init, 'INT');
    is(wait_exit($init)->{exit}, 0, 'INT: stopped');
    no_processes_left();
};

# It would die of a signal that comes before it listens, and the stop would be forgotten.
subtest 'TERM while a scanner begins' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/web");
    for my $round (1 .. 6) {
        my $init = init($scan);
        wait_for { children($init) } 'its first child';
        signal($init, 'TERM');
        my $end = wait_exit($init);
        is($end->{exit}, 0, 'at the first start') or last;
    }
    no_processes_left();
    unlike(said_text($scan), qr/killed by signal/, 'no scanner died of it');
    for my $round (1 .. 6) {
        my $init = init($scan);
        up("$scan/web");
        my $scanner = scanner_of($init);
        kill9($scanner);
        signal($init, 'TERM');
        is(wait_exit($init)->{exit}, 0, 'just after a scanner was killed') or last;
    }
    no_processes_left();
    # Where nothing can be noted either: .lares is a file.
    my ($other) = new_scan();
    sleeper("$other/web");
    write_file("$other/.lares", '');
    my $init = init($other);
    up("$other/web");
    my $scanner = scanner_of($init);
    signal($init, 'TERM');
    kill9($scanner) if alive($scanner);
    is(wait_exit($init)->{exit}, 0, 'without .lares');
    no_processes_left();
};

subtest 'exit codes' => sub {
    my ($scan) = new_scan();
    for my $code (0, 1, 42, 99, 128, 255) {
        my $init = init($scan, '-b', fake_scanner("exit $code"));
        is(wait_exit($init)->{exit}, $code, "$code is ours");
    }
    for my $code (100, 126, 127) {
        my $init = init($scan, '-b', fake_scanner("exit $code"));
        is(wait_exit($init)->{exit}, $code, "$code of the first scanner is ours: nothing was begun");
    }
    my $init = init($scan, '-b', tmp('nowhere'));
    is(wait_exit($init)->{exit}, 127, 'no lares-svscan: 127');
    like(said_text($scan), qr/init unable to run \S+nowhere\/lares-svscan: No such file/, 'said');
    for my $how ('exit 101', 'exit 111', 'kill -11 $$', 'exit 102') {
        my $count = tmp("count$places");
        $init = init($scan, '-b', fake_scanner("echo >>$count; [ \$(wc -l <$count) -lt 3 ] || exit 7; $how"));
        is(wait_exit($init)->{exit}, 7, "$how: started again");
    }
    # It cannot begin any more, but what runs, runs.
    my $count = tmp('count.later');
    $init = init($scan, '-b', fake_scanner("echo >>$count; case \$(wc -l <$count) in 1) sleep 1.2; kill -9 \$\$ ;; 2) exit 100 ;; *) exit 3 ;; esac"));
    is(wait_exit($init)->{exit}, 3, '100 of a later scanner is no reason to end');
    no_processes_left();
};

# At once, then after a second: told by when they came.
subtest 'delays' => sub {
    my ($scan) = new_scan();
    my $times = tmp('times');
    my $init  = init($scan, '-b', fake_scanner("date +%s%N >>$times; [ \$(wc -l <$times) -lt 4 ] || exit 5; exit 111"));
    is(wait_exit($init)->{exit}, 5, 'four lives');
    my @at = map { $_ / 1e6 } split /\n/, file_text($times);
    cmp_ok($at[$_ + 1] - $at[$_], '>=', 990, 'then after a second') for 1, 2;
    like(said_text($scan), qr/exited 111; starting another at once\n.*exited 111; starting another in 1000 ms\n/s, 'said: at once, then after a second');
    # A stop does not wait for the delay.
    my $count = tmp('count.stop');
    $init = init($scan, '-b', fake_scanner("echo >>$count; trap 'exit 6' TERM; [ \$(wc -l <$count) -lt 33 ] || while :; do sleep 0.01; done; kill -9 \$\$"));
    wait_for { (() = (file_text($count) // '') =~ /\n/g) >= 31 } 'kills in a row';
    signal($init, 'TERM');
    wait_for { (() = (file_text($count) // '') =~ /\n/g) >= 33 } 'another one';
    is(wait_exit($init)->{exit}, 6, 'and TERM reaches it');
    no_processes_left();
};

subtest 'an upgrade' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/web");
    my $init = init($scan);
    my ($web, $log) = both_up("$scan/web");
    my $scanner = scanner_of($init);
    my $dir = tmp('upgraded');
    write_file("$dir/lares-$_", file_text(bin($_)), 0755) for qw(svscan supervise log);
    my $r = run([bin('svscanctl'), '-b', $dir, 'upgrade', $scan], timeout => 60);
    is($r->{exit}, 0, 'of scanner and supervisors') or diag($r->{err});
    is(scanner_of($init), $scanner, 'in the same process, under the same init');
    kill9($scanner);
    my $next = another($init, $scanner);
    wait_for { (readlink("/proc/$next/exe") // '') eq "$dir/lares-svscan" } 'the next scanner to be a new one too';
    is(join(' ', both_up("$scan/web")), "$web $log", 'services keep their pids');
    is(stop_scanner($init), 0, 'stop');
    no_processes_left();
};

subtest 'wrong use' => sub {
    my ($scan) = new_scan();
    my $bad = sub {
        my ($words, $pattern, $what) = @_;
        my $r = run([bin('init'), @$words]);
        is($r->{exit}, 100, "$what: exit code 100");
        like($r->{err}, $pattern, "$what: said");
    };
    $bad->([tmp('missing')], qr/unable to use scan directory \S*missing: No such file/, 'no such directory');
    $bad->(['-T', 'x', $scan], qr/option -T: `x' is not a number of milliseconds/, 'no number');
    $bad->(['-T', '10', $scan], qr/option -T: `10' is not a number of milliseconds from 1000/, 'too short');
    $bad->(['-b'], qr/option -b needs an argument/, 'no argument');
    $bad->(['-z'], qr/unknown option -z/, 'no such option');
    $bad->([$scan, $scan], qr/more than one scan directory/, 'two directories');
    my $scanner = scanner($scan);
    wait_for { listening($scan) } 'a scanner';
    $bad->([$scan], qr/another scanner, pid $scanner, runs in/, 'a directory that has a scanner');
    is(stop_scanner($scanner), 0, 'which goes on');
    my $init = init($scan, '-k', '-T', '5000');
    my $there = scanner_of($init);
    is(file_text("/proc/$there/cmdline"), join("\0", 'lares-svscan', '-k', '-T', '5000', Cwd::abs_path($scan)) . "\0", 'options are handed on');
    is(stop_scanner($init), 0, 'stop');
    # Each option keeps its own argument: the last directory once stood for all.
    my $fake = fake_scanner("printf '%s ' \"\$@\" >args; exit 3");
    is(wait_exit(init($scan, '-b', $fake, '-g', '/cgroup', '-T', '7000'))->{exit}, 3, 'a scanner that tells its options');
    is(file_text("$scan/args"), "-b $fake -g /cgroup -T 7000 $scan ", 'these');
    my $r = run([bin('svscan'), '-b', tmp('nowhere'), '-g', '/cgroup', $scan]);
    like($r->{err}, qr{unable to find lares-supervise in \S+/nowhere: }, 'nor is it so for lares-svscan');
    no_processes_left();
};

done_testing;
