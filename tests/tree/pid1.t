# The scanner as pid 1 of a pid namespace: it runs services and loggers, reaps strangers, and TERM
# or INT ends everything and gives its exit code.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Test::More;

my @unshare = ('unshare', '--pid', '--fork', '--kill-child', '--mount-proc');
my $try = eval { run([@unshare, 'true']) };
plan skip_all => 'no pid namespace: ' . ($try ? $try->{err} : $@) if !$try || $try->{exit} // 1;

# The process of ours that has this pid inside the namespace.
sub outer {
    my ($inner, $scanner) = @_;
    my @found = grep { (file_text("/proc/$_->{pid}/status") // '') =~ /^NSpid:\s+\d+\s+\Q$inner\E$/m } descendants($scanner);
    return @found ? $found[0]{pid} : undef;
}

# (unshare, the scanner): pids seen from here.
sub begin {
    my ($scan) = @_;
    my $unshare = spawn([@unshare, bin('svscan'), $scan], stderr => "$scan/../said");
    my ($scanner) = wait_for { map { $_->{pid} } grep { $_->{command} =~ /lares-svscan/ && $_->{ppid} == $unshare } descendants() }
        'the scanner';
    return ($unshare, $scanner);
}

sub main_of {
    my ($dir, $scanner) = @_;
    my $status = eval { read_status($dir) };
    return $status && $status->{state} == 1 && outer($status->{pid}, $scanner) || undef;
}

for my $sig (qw(TERM INT QUIT PWR)) { # QUIT: of nginx's images; PWR: of LXC
    subtest "ended by $sig" => sub {
        my ($scan) = new_scan();
        my $stray = tmp("stray.$sig");
        sleeper("$scan/web");
        my @stray = probe($stray, 'stray', 'sleep');
        make_service("$scan/stray", run => \@stray);
        # Daemonised: its parent has gone, and it ends by itself.
        make_service("$scan/daemon", run => "(setsid sh -c 'sleep 0.2; exit 3' &)\nexec sleep 1000");
        my ($unshare, $scanner) = begin($scan);
        is((file_text("/proc/$scanner/status") =~ /^NSpid:\s+\d+\s+(\d+)$/m)[0], 1, 'the scanner is pid 1');
        my ($web, $log, $other) = map { my $dir = $_; scalar wait_for { main_of("$scan/$dir", $scanner) } "$dir up" }
            qw(web web/log stray);
        wait_for { main_of("$scan/daemon", $scanner) } 'daemon up';
        kill9($web);
        my $next = wait_for { my $p = main_of("$scan/web", $scanner); $p && $p != $web && $p } 'another web';
        ok($next, 'a service that dies is started again');
        no_zombies('strangers are reaped');
        # A supervisor that dies: found again by identity, which has the pid as the namespace sees it.
        my ($supervisor) = grep { $_->{command} =~ /^lares-supervise -q?s web $/ } descendants($scanner);
        kill9($supervisor->{pid});
        wait_for { (file_text("$scan/../said") // '') =~ /found the service running/ } 'adoption';
        is(main_of("$scan/web", $scanner), $next, 'kill -9 of a supervisor: the service keeps its pid');
        signal($scanner, $sig);
        is(wait_exit($unshare)->{exit}, 0, "$sig: exit code 0");
        no_processes_left();
        like(file_text("$scan/../said"), qr/everything has stopped$/, 'in good order');
        is(said($scan, qr/ error /), 0, 'without an error');
    };
}

# `finish` of the scanner decides about the exit code; without it a container would not learn it.
subtest 'exit code' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/web");
    write_file("$scan/.lares/finish", "#!/bin/sh\nexit 42\n", 0755);
    chmod 0700, "$scan/.lares";
    my ($unshare, $scanner) = begin($scan);
    wait_for { main_of("$scan/web", $scanner) } 'web up';
    signal($scanner, 'TERM');
    is(wait_exit($unshare)->{exit}, 42, 'that of .lares/finish');
    no_processes_left();
};

# It said that services stay as they are, and the kernel killed them all.
subtest 'pid 1 does not leave' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/web");
    my ($unshare, $scanner) = begin($scan);
    my $web = wait_for { main_of("$scan/web", $scanner) } 'web up';
    my $told = run([bin('svscanctl'), 'leave', $scan]);
    is($told->{exit}, 100, 'refused');
    like($told->{err}, qr/leave: the scanner of \S+ is pid 1, and when that ends the kernel kills everything; use stop/, 'with the reason');
    append_file("$scan/.lares/control", 'q');
    wait_for { said($scan, qr/warning .*told to leave, and staying: pid 1 takes everything with it/) } 'the complaint';
    is(main_of("$scan/web", $scanner), $web, 'the service goes on');
    signal($scanner, 'TERM');
    is(wait_exit($unshare)->{exit}, 0, 'stopped');
    no_processes_left();
};

# What is left when pid 1 is killed the kernel kills, too: nothing can be adopted there.
subtest 'started again' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/web");
    my ($unshare, $scanner) = begin($scan);
    my $web = wait_for { main_of("$scan/web", $scanner) } 'web up';
    kill9($scanner);
    wait_exit($unshare);
    wait_for { !alive($web) } 'the namespace gone';
    ($unshare, $scanner) = begin($scan);
    ok((wait_for { main_of("$scan/web", $scanner) } 'web up again'), 'another pid 1 takes no stranger for its service');
    signal($scanner, 'TERM');
    is(wait_exit($unshare)->{exit}, 0, 'exit code 0');
    no_processes_left();
};

done_testing();
