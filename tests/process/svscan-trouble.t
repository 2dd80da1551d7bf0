# lares-svscan: wrong arguments, a bad start in life, no descriptors, no room, no directory, and
# supervisors that do not stay.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Test::More;
use File::Temp ();
use IO::Handle ();
use Time::HiRes ();

# A directory with a lares-supervise of our own: a shell script.
my $stubs = 0;
sub stub {
    my ($text) = @_;
    my $dir = tmp('stub' . ++$stubs);
    write_file("$dir/lares-supervise", "#!/bin/sh\n$text\n", 0755);
    return $dir;
}

subtest 'usage' => sub {
    my ($scan, $def) = new_scan();
    my %wrong = (
        'an empty name'     => [[''], 100, qr/unable to use scan directory '': No such file/],
        'no such directory' => [["$scan/none"], 100, qr/unable to use scan directory \S+: No such file/],
        'a file'            => [[write_file(tmp('file'), '')], 100, qr/unable to use scan directory \S+: Not a dir/],
        'unknown option'    => [['-z', $scan], 100, qr/usage: lares-svscan/],
        'two directories'   => [[$scan, $scan], 100, qr/usage/],
        'bad time'          => [['-T', 'soon', $scan], 100, qr/-T: `soon' is not a number of milliseconds/],
        'short time'        => [['-T', '999', $scan], 100, qr/-T/],
        'no supervise'      => [['-b', '/', $scan], 111, qr{find lares-supervise in /: No such file}],
    );
    for my $what (sort keys %wrong) {
        my ($arguments, $exit, $text) = @{ $wrong{$what} };
        my $r = run([bin('svscan'), @$arguments]);
        is($r->{exit}, $exit, "$what: exit $exit");
        like($r->{err}, $text, "$what: text");
    }
    my $r = run([bin('svscan'), '-h']);
    is($r->{exit}, 0, '-h: exit 0');
    like($r->{out}, qr/^usage: lares-svscan \[ -b dir \].*\n  -b dir\tfind/s, '-h: the text');
    SKIP: {
        skip 'not root: cannot become somebody else', 2 if $>;
        chmod 0700, "$scan/..";
        $r = run([bin('svscan'), $scan], uid => 65534, gid => 65534);
        is($r->{exit}, 111, 'not searchable: 111');
        chmod 0755, "$scan/..";
        chmod 0711, $scan;
        $r = run([bin('svscan'), $scan], uid => 65534, gid => 65534);
        like($r->{err}, qr/unable to list scan directory .*: Permission denied/, 'not readable');
    }
};

# It said only that it ignores `run', and ran log/ as a service.
subtest 'the directory of a service' => sub {
    my ($scan, $def) = new_scan();
    write_file("$scan/README", '');
    my $scanner = scanner($scan);
    wait_for { said($scan, qr/ignoring `README'/) } 'begun';
    is(said($scan, qr/looks like/), 0, 'a file in a scan directory is no reason');
    is(stop_scanner($scanner), 0, 'stopped');
    $scan = "$def/web";
    sleeper($scan, log => 'exec sleep 1000'); # as a service it has nothing to read
    $scanner = scanner($scan);
    wait_for { said($scan, qr/ignoring `run'/) } 'begun';
    is(said($scan, qr/warning svscan \Q$scan\E looks like the directory of a service, not of services/), 1, 'of that of a service it is said');
    up("$scan/log");
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'what a supervisor is born with' => sub {
    my ($scan, $def) = new_scan();
    my $report = tmp('born');
    my $bin = tmp('born-bin');
    mkdir $bin;
    symlink +(probe($report))[0], "$bin/lares-supervise";
    # The probe reports to its first argument, which is -s here: a file in the scan directory.
    link_service($scan, $def, 'web');
    my $scanner = spawn(['sh', '-c', 'ulimit -S -n 100; exec "$@"', 'sh', bin('svscan'), '-b', $bin, $scan],
        ignore => ['CHLD', 'PIPE', 'HUP'], block => ['TERM', 'USR1'], close => [0],
        stdout => "$scan/../out", stderr => "$scan/../said", cwd => '/',
        env => { NOTIFY_SOCKET => '/nowhere', LARES_SCANDIR => 'old', KEPT => 'yes' });
    my @runs = wait_for {
        my @r = probe_runs("$scan/-s");
        my %name = map { $_->{argv}[2] => 1 } @r;
        keys %name > 1 ? @r : ()
    } 'two supervisors';
    my ($run) = grep { $_->{argv}[2] eq 'web' } @runs;
    is_deeply($run->{argv}, ['lares-supervise', '-s', 'web'], 'arguments for the service');
    ok((grep { "@{$_->{argv}}" eq 'lares-supervise -s web/log' } @runs), 'and for the log');
    clean_signals($run);
    same_fds($run, [0, 1, 2]);
    is($run->{fds}{0}, '/dev/null', 'input is /dev/null');
    is($run->{env}{LARES_SCANDIR}, $scan, 'LARES_SCANDIR');
    is($run->{env}{KEPT}, 'yes', 'the environment');
    ok(!exists $run->{env}{NOTIFY_SOCKET}, 'without NOTIFY_SOCKET');
    is($run->{cwd}, $scan, 'in the scan directory');
    is($run->{sid}, $run->{pid}, 'in a session of its own') if exists $run->{sid};
    # Lowered for the instant of each start.
    ok((wait_for {
            my ($soft, $hard) = file_text("/proc/$scanner/limits") =~ /open files\s+(\d+)\s+(\d+)/;
            $soft == $hard;
        } 'its limit'), 'the scanner raised its own');
    is(stop_scanner($scanner), 0, 'TERM works although it was blocked');
    no_processes_left();
    my $limit = tmp('limit');
    $scanner = spawn(['sh', '-c', 'ulimit -S -n 100; exec "$@"', 'sh', bin('svscan'), '-b',
            stub("ulimit -S -n >$limit; exec sleep 1000"), $scan]);
    wait_for { -s $limit } 'limit';
    is(file_text($limit), "100\n", 'the limit of descriptors is the one the scanner was given');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# A socket to tell, and what comes next on it.
sub told_socket {
    require Socket;
    # A path of a socket has 107 bytes at most; tmp() may be longer.
    my $path = File::Temp::tempdir(CLEANUP => 1) . '/n';
    socket my $listen, Socket::PF_UNIX(), Socket::SOCK_DGRAM(), 0 or die "socket: $!\n";
    bind $listen, Socket::pack_sockaddr_un($path) or die "bind: $!\n";
    $listen->blocking(0);
    return ($listen, $path);
}
sub told {
    my ($listen) = @_;
    my $text;
    wait_for { defined recv $listen, $text, 1000, 0 } 'a message';
    return $text;
}

subtest 'NOTIFY_SOCKET' => sub {
    my ($scan, $def) = new_scan();
    link_service($scan, $def, "s$_") for 1 .. 3;
    my ($listen, $path) = told_socket();
    my $scanner = scanner($scan, { env => { NOTIFY_SOCKET => $path, WATCHDOG_USEC => 100000, WATCHDOG_PID => 1 } });
    is(told($listen), "READY=1\nSTATUS=supervising 3 services", 'READY=1 when everything was started');
    is(scalar keys %{ supervisors() }, 6, '... and not before');
    both_up("$scan/s$_") for 1 .. 3;
    signal($scanner, 'HUP');
    like(told($listen), qr/^RELOADING=1\nMONOTONIC_USEC=\d+$/, 'RELOADING=1 when told to look again');
    is(told($listen), "READY=1\nSTATUS=supervising 3 services", 'and READY=1 when it has');
    open my $control, '+<', "$scan/.lares/control" or die;
    syswrite $control, 'Z';
    like(told($listen), qr/^RELOADING=1\n/, 'RELOADING=1 in an upgrade');
    is(told($listen), "READY=1\nSTATUS=supervising 3 services", 'and READY=1 after it');
    signal($scanner, 'TERM');
    is(told($listen), "STOPPING=1\nSTATUS=stopping 3 services", 'STOPPING=1');
    is(wait_exit($scanner)->{exit}, 0, 'stopped');
    is(told($listen), "STATUS=everything has stopped\nEXIT_STATUS=0", 'and how it has ended');
    ok(!defined recv($listen, my $text, 100, 0), 'no other message, and no sign of life for another process');
    no_processes_left();
};

subtest 'WATCHDOG_USEC' => sub {
    my ($scan, $def) = new_scan();
    my ($listen, $path) = told_socket();
    make_service("$scan/env", run => 'env >env; exec sleep 1000');
    my $scanner = scanner($scan, { env => { NOTIFY_SOCKET => $path, WATCHDOG_USEC => 100000 } });
    wait_for { told($listen) eq 'WATCHDOG=1' } "sign of life $_" for 1 .. 4;
    pass('it says again and again that it lives');
    up("$scan/env");
    wait_for { (file_text("$scan/env/env") || '') =~ /LARES_NAME/ } 'its environment';
    unlike(file_text("$scan/env/env"), qr/NOTIFY_SOCKET|WATCHDOG/, 'none of that is given to services');
    is(stop_scanner($scanner), 0, 'stopped');
};

subtest 'nobody reads what it says' => sub {
    my ($scan, $def) = new_scan();
    my ($listen, $path) = told_socket();
    link_service($scan, $def, 's');
    1 while defined send $listen, 'x', Socket::MSG_DONTWAIT(), Socket::pack_sockaddr_un($path);
    my $scanner = scanner($scan, { env => { NOTIFY_SOCKET => $path } });
    both_up("$scan/s");
    is(stop_scanner($scanner), 0, 'that keeps it from nothing');
    is(said($scan, qr/unable to tell \Q$path\E how far we are: /), 1, 'said once');
};

subtest 'closed descriptors, SIGCHLD ignored' => sub {
    my ($scan, $def) = new_scan();
    link_service($scan, $def, 'web');
    my $scanner = scanner($scan, { close => [0, 1, 2], ignore => ['CHLD'] });
    my ($pid) = both_up("$scan/web");
    my $old = supervisor('web');
    kill9($old);
    wait_for { my $p = supervisor('web'); $p && $p != $old } 'another supervisor';
    is(service_pid("$scan/web"), $pid, 'works');
    no_zombies();
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# Alerts never came, and `svscanctl rescan` was content.
subtest 'hooks without the x bit are named' => sub {
    my ($scan, $def) = new_scan();
    my @idle = ('.lares/notify', '.lares/finish', '.lares/SIGUSR1');
    mkdir "$scan/.lares", 0711;
    write_file("$scan/$_", "#!/bin/sh\n", 0644) for @idle;
    my $scanner = scanner($scan);
    wait_for { said($scan, qr{\.lares/SIGUSR1 is}) } 'the scanner to look';
    is(said($scan, qr{warning svscan \Q$_\E is no executable file; it is not run$}), 1, "$_ at the start") for @idle;
    write_file("$scan/.lares/SIGUSR2", "#!/bin/sh\n", 0644);
    signal($scanner, 'USR2') for 1 .. 2;
    signal($scanner, 'USR1');
    wait_for { said($scan, qr{\.lares/SIGUSR2 is no executable file}) } 'it to be missed';
    chmod 0755, "$scan/.lares/SIGUSR2";
    my $r = run([bin('svscanctl'), 'rescan', $scan], timeout => 70);
    is($r->{exit}, 1, 'rescan: exit 1');
    is($r->{err}, join('', map { "lares-svscanctl: warning: $_ is not run: it is no executable file\n" } @idle), '... and all are named');
    is(said($scan, qr{\.lares/SIGUSR2 is no executable file}), 1, 'not said twice, nor once it is mended');
    is(said($scan, qr{\.lares/notify is no executable file}), 2, 'said again when told to look anew');
    chmod 0755, map { "$scan/$_" } @idle;
    $r = run([bin('svscanctl'), 'rescan', $scan], timeout => 70);
    is("$r->{exit} $r->{err}", '0 ', 'mended: rescan is content');
    is(said($scan, qr{\.lares/notify is no executable file}), 2, '... and so is the scanner');
    stop_scanner($scanner);
    no_processes_left();
};

subtest 'supervisors that do not stay' => sub {
    my ($scan, $def) = new_scan();
    my $ran = tmp('ran');
    my $scanner = scanner($scan, '-b', stub("echo \"\$2 \$(date +%s%N)\" >>$ran; exit 111"));
    make_service("$def/web", run => 'exec sleep 1000');
    symlink '../def/web', "$scan/web";
    my @times = wait_for {
        my @t = (file_text($ran) || '') =~ /(\d{10,})$/mg;
        @t >= 4 ? @t : ();
    } 'four starts';
    my @gaps = map { ($times[$_] - $times[ $_ - 1 ]) / 1e9 } 1 .. 3;
    cmp_ok($gaps[1], '>=', 0.99, 'the second death costs a second');
    cmp_ok($gaps[2], '>=', 0.99, 'and the third');
    is(said($scan, qr/exited 111; starting another at once/), 1, 'the first is replaced at once');
    is(said($scan, qr/exited 111/), 2, 'it is not told for ever');
    is(said($scan, qr/in 1000 ms \(no more messages/), 1, '... which is told');
    is(stop_scanner($scanner), 0, 'a stop is not kept waiting by it');
    no_processes_left();

    # A program that cannot be run at all.
    my $dir = stub('exit 0');
    write_file("$dir/lares-supervise", "#!/nonexistent/interpreter\n", 0755);
    $scanner = scanner($scan, '-b', $dir);
    wait_for { said($scan, qr/unable to run \S+lares-supervise: No such file/) } 'said';
    wait_for { said($scan, qr/exited 127/) >= 2 } 'tried again';
    is(said($scan, qr/unable to run/), 1, 'a supervise that cannot be run is told of once');
    # It can be from now on.
    write_file("$dir/.new", "#!/bin/sh\nexec sleep 1000\n", 0755);
    rename "$dir/.new", "$dir/lares-supervise";
    wait_for { grep { $_->{name} eq 'sleep' } descendants($scanner) } 'it runs';
    pass('and tried again');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'no descriptors' => sub {
    my ($scan, $def) = new_scan();
    link_service($scan, $def, 'web');
    my $scanner = scanner($scan);
    my ($pid) = both_up("$scan/web");
    my $fds = scalar keys %{ resting_fds($scanner) };
    my $have = (run(['prlimit', '--version'])->{exit} // 1) == 0;
    SKIP: {
        skip 'no prlimit', 7 if !$have;
        run(['prlimit', '--pid', $scanner, "--nofile=$fds:"]);
        my $cpu = sub { my @f = split ' ', file_text("/proc/$scanner/stat"); $f[13] + $f[14] };
        my $before = $cpu->();
        link_service($scan, $def, 'other');
        wait_for { service_pid("$scan/other") || said($scan, qr/Too many open files/) } 'noticed';
        pass('a new entry with no descriptor left: started, or told why not');
        signal($scanner, 'HUP');
        wait_for { said($scan, qr/unable to list the scan directory: Too many open files/) } 'said';
        kill9(supervisor('web'));
        my $again = wait_for { said($scan, qr/pid \d+, was killed by signal 9/) } 'death seen';
        ok($again, 'deaths are seen');
        # Two of its retries, one a second each.
        select undef, undef, undef, 2.2;
        is(said($scan, qr/unable to list/), 1, 'told once');
        cmp_ok($cpu->() - $before, '<', 20, 'and it does not spin');
        run(['prlimit', '--pid', $scanner, '--nofile=1024:']);
        wait_for { service_pid("$scan/other") && supervisor('web') } 'all well again';
        is(service_pid("$scan/web"), $pid, 'with descriptors again all is well, nothing was restarted');
        # Not even one.
        run(['prlimit', '--pid', $scanner, '--nofile=1:']);
        signal($scanner, 'HUP');
        wait_for { said($scan, qr/unable to wait for events/) } 'said';
        run(['prlimit', '--pid', $scanner, '--nofile=1024:']);
        link_service($scan, $def, 'third');
        ok(up("$scan/third"), 'less than it needs to wait: survived');
    }
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'no processes' => sub {
    my ($scan, $def) = new_scan();
    SKIP: {
        skip 'not root: cannot become somebody else', 4 if $>;
        my $uid = 41000 + $$ % 20000;
        chown $uid, $uid, $scan, $def;
        my $bin = tmp('bin');
        my $scanner = scanner($scan, { uid => $uid, gid => $uid });
        wait_for { -e "$scan/.lares/run" } 'begun';
        my @as = (uid => $uid, gid => $uid);
        is(run(['prlimit', '--pid', $scanner, '--nproc=1:'], @as)->{exit}, 0, 'one process');
        sleeper("$def/web");
        run(['chown', '-R', "$uid:$uid", "$def/web"]);
        symlink '../def/web', "$scan/web";
        wait_for { said($scan, qr/unable to start supervisors: Resource temporarily/) } 'said';
        ok(!supervisor('web'), 'no more processes allowed: nothing started');
        run(['prlimit', '--pid', $scanner, '--nproc=1000:'], @as);
        ok(up("$scan/web"), 'tried again until it works');
        is(said($scan, qr/unable to start/), 1, 'told once');
        is(stop_scanner($scanner), 0, 'stopped');
    }
    no_processes_left();
};

subtest 'not ours to write' => sub {
    SKIP: {
        skip 'not root: cannot become somebody else', 4 if $>;
        my ($scan, $def) = new_scan();
        my $uid = 41000 + $$ % 20000;
        link_service($scan, $def, 'web');
        run(['chown', '-R', "$uid:$uid", "$def/web"]);
        my $scanner = scanner($scan, { uid => $uid, gid => $uid });
        both_up("$scan/web");
        is(said($scan, qr/unable to use .lares, so that .*: Permission denied/), 1,
            'a scan directory we cannot write to: told, and it works');
        ok(!-e "$scan/.lares", 'nothing was made');
        is(stop_scanner($scanner), 0, 'stopped');
        mkdir "$scan/.lares";
        $scanner = scanner($scan, { uid => $uid, gid => $uid });
        both_up("$scan/web");
        is(said($scan, qr/unable to use .lares, so that .*: Operation not permitted/), 1, 'nor one with another\'s .lares');
        is(stop_scanner($scanner), 0, 'stopped');
    }
    no_processes_left();
};

subtest 'the scan directory goes' => sub {
    my ($scan, $def) = new_scan();
    link_service($scan, $def, $_) for qw(a b);
    my $scanner = scanner($scan);
    my ($pid) = both_up("$scan/a");
    both_up("$scan/b");
    rename $scan, "$scan.away";
    wait_for { said($scan, qr/the scan directory \Q$scan\E is gone/) } 'said';
    is(service_pid("$def/a"), $pid, 'moved away: services run on');
    kill9(supervisor('b'));
    wait_for { supervisor('b') && run([bin('svok'), "$def/b"])->{exit} == 0 } 'b';
    ok(1, 'and are looked after');
    rename "$scan.away", $scan;
    wait_for { said($scan, qr/is there again$/) } 'back';
    is(service_pid("$def/a"), $pid, 'back: nothing was restarted');
    link_service($scan, $def, 'c');
    ok(up("$scan/c"), 'and new entries are seen');

    rename $scan, "$scan.away";
    wait_for { said($scan, qr/is gone/) == 2 } 'said';
    mkdir $scan;
    symlink "../def/$_", "$scan/$_" for qw(a c);
    signal($scanner, 'HUP');
    wait_for { said($scan, qr/is there again: it is a new one/) } 'new one';
    wait_for { !supervisor('b') } 'b gone';
    is(service_pid("$def/a"), $pid, 'another directory in its place: the same entries are the same services');
    ok(!supervisor('b'), 'what is not in it is stopped');
    wait_for { recorded($scan) eq 'a c' } 'a and c, and no b, to be recorded there';

    run(['rm', '-rf', "$scan/.lares"]);
    wait_for { recorded($scan) eq 'a c' } 'made again';
    is(run([bin('svscan'), $scan])->{exit}, 100, '.lares is made again, and the lock taken');

    # rm -rf: the entries vanish one by one, so they are stopped; then there is nothing.
    run(['rm', '-rf', $scan]);
    wait_for { !supervisor('a') && !supervisor('c') && said($scan, qr/is gone/) == 3 } 'all gone';
    ok(alive($scanner), 'removed altogether: the scanner stays');
    mkdir $scan;
    link_service($scan, $def, 'd');
    signal($scanner, 'HUP');
    ok(up("$scan/d"), 'and goes on when it is there again');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'too many changes at once' => sub {
    my ($scan, $def) = new_scan();
    link_service($scan, $def, 'web');
    my $scanner = scanner($scan);
    up("$scan/web");
    # More than inotify queues while the scanner does not look.
    my $most = file_text('/proc/sys/fs/inotify/max_queued_events');
    SKIP: {
        skip 'no limit known, or too large a one', 2 if !$most || $most > 50000;
        signal($scanner, 'STOP');
        for my $i (0 .. $most / 2 + 100) { # each is created and removed: two events
            open my $f, '>', "$scan/.x" or die;
            close $f;
            unlink "$scan/.x";
        }
        unlink "$scan/web";
        link_service($scan, $def, 'after');
        signal($scanner, 'CONT');
        ok(up("$scan/after"), 'an overflow leads to a full look');
        wait_for { !supervisor('web') } 'web gone';
        is(said($scan, qr/too many changes/) ? 1 : 0, 1, '... and is told');
    }
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'no inotify' => sub {
    SKIP: {
        skip 'not root: cannot become somebody else', 4 if $>;
        skip 'the number of the system call is not known here', 4 if (POSIX::uname())[4] ne 'x86_64';
        my ($scan, $def) = new_scan();
        my $uid = 41000 + $$ % 20000;
        chown $uid, $uid, $scan, $def;
        # All instances this user may have are taken by somebody else.
        my $greedy = spawn([$^X, '-e', '$| = 1; 1 while syscall(294, 0) >= 0; print "all\n"; sleep 1000'],
            stdout => tmp('greedy'), uid => $uid, gid => $uid);
        wait_for { -s tmp('greedy') } 'all taken';
        my $scanner = scanner($scan, { uid => $uid, gid => $uid });
        wait_for { said($scan, qr/looking at the scan directory every 5 seconds: no inotify/) } 'said';
        sleeper("$def/a");
        run(['chown', '-R', "$uid:$uid", "$def/a"]);
        symlink '../def/a', "$scan/a";
        ok((wait_for { service_pid("$scan/a") } 'a up', 20), 'without inotify: told, and looked for every 5 s');
        unlink "$scan/a";
        wait_for { !supervisor('a') } 'a gone';
        is(said($scan, qr/every 5 seconds/), 1, 'told once');
        signal($greedy, 'TERM');
        wait_exit($greedy);
        signal($scanner, 'HUP');
        symlink '../def/a', "$scan/a";
        ok(up("$scan/a"), 'HUP tries inotify again');
        is(stop_scanner($scanner), 0, 'stopped');
    }
    no_processes_left();
};

subtest 'idle' => sub {
    my ($scan, $def) = new_scan();
    link_service($scan, $def, $_) for qw(a b);
    my $scanner = scanner($scan);
    my ($pid) = both_up("$scan/a");
    both_up("$scan/b");
    symlink '../def/a', "$scan/alias";
    mkdir "$scan/empty";
    wait_for { said($scan, qr/alias|another name/) && said($scan, qr/`empty'/) } 'all seen';
    ok(eval { sleeps_for($scanner, 3) }, 'three seconds without a single wake-up') or diag($@);
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# Root's and somebody's ran side by side, and whose supervisor a service had was left to chance.
subtest 'a scanner of another user runs there, or has' => sub {
    plan skip_all => 'not root: cannot become somebody else' if $>;
    my @theirs = (uid => 65534, gid => 65534);
    for my $case (['theirs, then ours', \@theirs, []], ['ours, then theirs', [], \@theirs]) {
        my ($what, $first, $second) = @$case;
        my ($scan) = new_scan();
        sleeper("$scan/web");
        run(['chown', '-R', '65534:65534', $scan]);
        my $scanner = scanner($scan, {@$first});
        both_up("$scan/web");
        for my $then ('runs', 'has run') {
            my $other = run([bin('svscan'), $scan], @$second);
            is($other->{exit}, 100, "$what, $then: refused");
            like($other->{err}, qr{/scan/\.lares is that of a scanner of user \d+, and only one of the same user}, 'with the reason');
            is(stop_scanner($scanner), 0, 'stopped') if $then eq 'runs';
        }
    }
    no_processes_left();
};

# It said "it has no `run'", which sends the reader the wrong way.
subtest 'a directory that the scanner may not search' => sub {
    plan skip_all => 'not root: nobody else' if $>;
    my ($scan, $def) = new_scan();
    sleeper("$def/closed");
    chmod 0, "$def/closed";
    chown 65534, 65534, $scan;
    symlink '../def/closed', "$scan/closed";
    my $scanner = scanner($scan, { uid => 65534, gid => 65534 });
    wait_for { said($scan, qr/waiting for `closed'/) } 'complaint';
    is(said($scan, qr/waiting for `closed': it cannot be searched/), 1, 'is said to be that');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

done_testing();
