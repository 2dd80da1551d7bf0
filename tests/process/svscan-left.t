# lares-svscan: what is left without supervisors is taken over, wherever and in whatever state its
# directory is, and nothing else is taken for it.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State ();
use Test::More;

# One service with a logger under a scanner; the scanner and all supervisors are killed.
sub left_alone {
    my ($scan, $scanner, @names) = @_;
    my %before = map { ($_ => up("$scan/$_")) } @names;
    # Their shells have read `run', which is taken away next.
    for my $pid (values %before) { wait_for { process_info($pid)->{command} =~ /^(?:sleep|cat) / } 'it to be what it becomes' }
    kill9($scanner);
    wait_exit($scanner);
    my $over = supervisors();
    kill9($over->{$_}) for @names;
    wait_for { my $now = supervisors(); !grep { $now->{$_} } @names } 'no supervisor';
    return \%before;
}
sub supervised {
    my ($scan, $before) = @_;
    for my $name (sort keys %$before) {
        wait_for { run([bin('svok'), "$scan/$name"])->{exit} == 0 } "a supervisor of $name";
        is(service_pid("$scan/$name"), $before->{$name}, "$name is the same process, and supervised");
    }
}

my %without = (
    'missing'        => sub { rename "$_[0]/run", "$_[0]/away" or die },
    'not executable' => sub { chmod 0644, "$_[0]/run" or die },
    'a directory'    => sub { rename "$_[0]/run", "$_[0]/away" or die; mkdir "$_[0]/run" },
);
for my $how (sort keys %without) {
    # The new scanner waited for `run', and nobody supervised what lived.
    subtest "run is $how when scanner and supervisors are dead" => sub {
        my ($scan, $def) = new_scan();
        link_service($scan, $def, 'a');
        my $before = left_alone($scan, scanner($scan), qw(a a/log));
        $without{$how}->("$def/a");
        my $scanner = scanner($scan);
        supervised($scan, $before);
        is(said($scan, qr/waiting for/), 0, 'nothing is waited for');
        is(stop_scanner($scanner), 0, 'TERM stops it');
        no_processes_left();
    };
}

subtest 'the logger alone is left, and run is missing' => sub {
    my ($scan, $def) = new_scan();
    # One that reads would end when nobody has the other end of its pipe.
    sleeper("$def/a", log => 'exec sleep 1000');
    write_file("$def/a/log/timeout-kill", "100\n");
    symlink "$def/a", "$scan/a";
    my $first = scanner($scan);
    both_up("$scan/a");
    run([bin('svc'), '-wD', '-d', "$scan/a"]);
    kill9($first);
    wait_exit($first);
    run([bin('svc'), '-x', "$scan/a"]);
    wait_for { !supervisors()->{a} } 'the supervisor of a left';
    my %before = ('a/log' => up("$scan/a/log"));
    kill9(supervisors()->{'a/log'});
    wait_for { !supervisors()->{'a/log'} } 'no supervisor';
    $without{missing}->("$def/a");
    my $scanner = scanner($scan);
    supervised($scan, \%before);
    is(said($scan, qr/waiting for `a': it has no `run'/), 1, 'the service is waited for');
    rename "$def/a/away", "$def/a/run" or die;
    up("$scan/a");
    is(service_pid("$scan/a/log"), $before{'a/log'}, 'it begins, and the logger is the same');
    is(stop_scanner($scanner), 0, 'TERM stops both');
    no_processes_left();
};

subtest 'the definition loses its run when scanner and supervisors are dead' => sub {
    my ($scan, $def) = new_scan();
    sleeper("$def/a");
    my $before = left_alone($scan, scanner($scan, '-d', $def), qw(a a/log));
    unlink "$def/a/run" or die;
    my $scanner = scanner($scan, '-d', $def);
    supervised($scan, $before);
    is(stop_scanner($scanner), 0, 'TERM stops it');
    no_processes_left();
};

# Stopping one service ended the supervisors of all others: they bore its mark.
subtest 'a scanner started from within a service, whose scan directory was renamed' => sub {
    my ($scan, $def) = new_scan();
    # By absolute paths: the directory gets another place.
    sleeper("$def/$_") && symlink "$def/$_", "$scan/$_" for qw(a b);
    my $before = left_alone($scan, scanner($scan), qw(a a/log b b/log));
    my %mark = map { /^(LARES_(?:ID|NAME|SCANDIR))=(.*)/s ? ($1 => $2) : () } split /\0/, file_text("/proc/$before->{a}/environ");
    ok($mark{LARES_ID}, 'a service has its mark');
    rename $scan, "$scan.new" or die;
    $scan .= '.new';
    my $scanner = scanner($scan, { env => \%mark });
    supervised($scan, $before);
    my $over = supervisors();
    is(run([bin('svc'), '-wD', '-d', "$scan/a"], timeout => 20)->{exit}, 0, 'that service is stopped');
    is(supervisors()->{b}, $over->{b}, 'the supervisor of the other one is as it was');
    is(stop_scanner($scanner), 0, 'TERM stops all');
    is(said($scan, qr/supervisor of `b/), 0, 'and nothing was said of the other one');
    no_processes_left();
};

# The record said where the directory had been: the next image knew nothing of it, and the logger's
# supervisor stayed for ever.
for my $how (qw(upgraded killed)) {
    subtest "a directory is moved away, and while its service stops the scanner is $how" => sub {
        my ($scan, $def) = new_scan();
        my $gate = make_fifo(tmp("gate-$how"));
        make_service("$scan/a", run => "end() { trap '' TERM; read x <$gate; exit; }\ntrap end TERM; : >ready; while :; do sleep 0.01; done",
            log => 'exec cat >/dev/null', files => { 'timeout-kill' => "0\n" });
        my $scanner = scanner($scan);
        my ($service, $logger) = both_up("$scan/a");
        wait_for { -e "$scan/a/ready" } 'the service to listen';
        rename "$scan/a", "$def/moved" or die;
        wait_for { said($scan, qr/`a' has vanished: stopping it/) } 'the stop to begin';
        if ($how eq 'killed') {
            kill9($scanner);
            wait_exit($scanner);
            $scanner = scanner($scan);
        } else {
            is(run([bin('svscanctl'), 'upgrade', $scan], timeout => 70)->{exit}, 0, 'upgraded');
        }
        wait_for { said($scan, qr/`a' has vanished while no scanner ran: stopping it/) } 'it is known';
        append_file($gate, "\n");
        wait_for { !alive($service) && !alive($logger) && !%{ supervisors() } } 'service, logger and supervisors to end';
        wait_for { said($scan, qr/`a' has gone/) && recorded($scan) eq '' } 'no record of it';
        is(stop_scanner($scanner), 0, 'TERM ends the scanner');
        no_processes_left();
    };
}

# Nobody looked for a supervisor in a log/ that is not there: it stayed, and the logger.
my %taken = (
    'moved away' => sub { rename "$_[0]/log", "$_[0]/log.old" or die },
    'removed'    => sub { File::Path::remove_tree("$_[0]/log") },
);
for my $what (sort keys %taken) {
    for my $how (qw(upgraded killed)) {
        subtest "log is $what, then the scanner is $how" => sub {
            my ($scan, $def) = new_scan();
            # The same name elsewhere is another one's.
            my ($other) = new_scan();
            sleeper("$_/a") for $def, "$other.def";
            symlink "$def/a", "$scan/a";
            symlink "$other.def/a", "$other/a";
            my ($scanner, $others) = (scanner($scan), scanner($other));
            my ($service, $logger) = both_up("$scan/a");
            my @others = both_up("$other/a");
            # A shell that has not opened `run' yet would not find it any more.
            for my $pid ($logger, $others[1]) {
                wait_for { (process_info($pid) // { command => '' })->{command} =~ /^cat / } 'the logger proper';
            }
            $taken{$what}->($_) for "$def/a", "$other.def/a";
            if ($how eq 'killed') {
                kill9($_), wait_exit($_) for $scanner, $others;
                $scanner = scanner($scan);
            } else {
                run([bin('svscanctl'), 'upgrade', $scan], timeout => 70);
            }
            wait_for { listens($scan) } 'the scanner that follows';
            is_deeply([alive($service), alive($logger)], [1, 1], 'service and logger go on');
            is(stop_scanner($scanner), 0, 'TERM stops everything');
            ok(!alive($service) && !alive($logger), '... both have ended');
            is_deeply([map { alive($_) } @others], [1, 1], 'those of another scan directory go on');
            $others = scanner($other) if $how eq 'killed';
            wait_for { listens($other) } 'the scanner of those';
            is(stop_scanner($others), 0, 'TERM stops them');
            no_processes_left();
        };
    }
}

done_testing();
