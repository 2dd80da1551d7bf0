# Loggers of other suites below log/, unchanged: daemontools' multilog, runit's svlogd, s6-log.
# Lines arrive while all runs, and a stop hands over everything: each line that a service wrote
# is in the log once, though the loggers know nothing of lares.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Test::More;

my $root = $ENV{LARES_PEERS} || source_dir() . '/build/peers/root';
my %logger = (
    multilog => ['daemontools', 'exec multilog s1000000 n100 ./main'],
    svlogd   => ['runit',       "mkdir -p main\nprintf 's1000000\\nn100\\n' >main/config\nexec svlogd main"],
    's6-log' => ['s6',          'exec s6-log s1000000 n100 ./main'],
    ours     => [undef,         'exec lares-log s1000000 n100 ./main'],
);
my $env = peer_env();
my $setup = join '', map { "export $_='$env->{$_}'\n" } sort keys %$env;
my %why;
for my $name (sort keys %logger) {
    my ($have, $reason) = $logger{$name}[0] ? unpacked_peer($logger{$name}[0]) : 1;
    $why{$name} = $reason if !$have;
}
my @names = grep { !$why{$_} } sort keys %logger;
my $tally = (probe('-'))[0] =~ s{[^/]*\z}{tally}r;

sub log_text {
    my ($dir) = @_;
    return join '', map { file_text($_) // '' } glob "$dir/main/{\@*,current}";
}

# The numbers of a life's lines, as logged.
sub numbers {
    my ($dir, $name, $life) = @_;
    my @found = log_text($dir) =~ /^\Q$name\E $life (\d+)$/mg;
    return @found;
}

sub written {
    my ($dir, $life) = @_;
    return unpack 'x' . 8 * $life . ' Q', file_text("$dir.tally");
}

# The loggers stand still until their services have ended with as much behind them as a pipe holds.
sub stop_with_full_pipes {
    my ($scan, $scanner) = @_;
    wait_for { @names * 2 == grep { service_pid("$scan/$_") } map { $_, "$_/log" } @names } 'services and loggers';
    my @services = map { service_pid("$scan/$_") } @names;
    my @loggers  = map { service_pid("$scan/$_/log") } @names;
    signal($_, 'STOP') for @loggers;
    for my $pid (@services) {
        wait_for { (file_text("/proc/$pid/wchan") || '') =~ /pipe/ } 'a full pipe';
    }
    signal($scanner, 'TERM');
    wait_for { !grep { alive($_) } @services } 'the services to end';
    # Their supervisors let them go on.
    is(wait_exit($scanner)->{exit}, 0, 'TERM of the scanner: exit 0');
    no_processes_left();
}

sub check {
    my ($scan, $how, @lives) = @_;
    for my $name (@names) {
        for my $life (@lives) {
            my @have  = numbers("$scan/$name/log", $name, $life);
            my $wrong = grep { $have[$_] != $_ } 0 .. $#have;
            is(@have . " lines, $wrong out of place", written("$scan/../$name", $life) . ' lines, 0 out of place',
                "$name, $how: every line of life $life, in order");
        }
    }
    my @said = split /\n/, file_text("$scan/../said") =~ s/^svlogd: info: .*\n//mgr;
    my @odd = grep { !/ info svscan (?:stopping everything|everything has stopped)$/ } @said;
    is(join("; ", @odd), '', 'nothing is said that should not be');
}

for my $case (['now and then', 10, 20], ['with a full pipe', 0, 1]) {
    my ($how, $pause, $some) = @$case;
    my ($scan) = new_scan();
    my $own = "$scan/..";
    for my $name (@names) {
        make_service("$scan/$name", run => [$tally, $own, $name, 0, $pause], log => "$setup$logger{$name}[1]");
    }
    my $scanner = scanner($scan);
    up("$scan/$_") for @names;
    for my $name (sort keys %logger) {
    SKIP: {
            skip $why{$name}, 1 if $why{$name};
            my $dir = "$scan/$name/log";
            wait_for { $pause ? numbers($dir, $name, 0) >= $some : -s "$dir/main/current" } "lines in the log of $name";
            pass("$name, $how: lines arrive");
        }
    }
    if (!$pause) {
        stop_with_full_pipes($scan, $scanner);
        check($scan, $how, 0);
        next;
    }
    my $old = join ' ', map { service_pid("$scan/$_/log") } @names;
    is(run([bin('svc'), '-wR', '-T', 10000, '-r', map { "$scan/$_" } @names])->{exit}, 0, 'services restarted');
    is(join(' ', map { service_pid("$scan/$_/log") } @names), $old, 'loggers are not');
    for my $name (@names) {
        wait_for { numbers("$scan/$name/log", $name, 1) >= $some } "lines of the second life of $name";
    }
    is(stop_scanner($scanner), 0, 'TERM of the scanner: exit 0');
    no_processes_left();
    check($scan, $how, 0, 1);
}

SKIP: {
    skip 'only the loggers of lares to test', 1 if @names == 1;
    pass('tested with ' . join ' ', @names);
}
done_testing();
