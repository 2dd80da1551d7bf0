# Daemons that go into the background, and each kill point that their supervisors and the scanner
# pass, each way: the process dies there, or its parent, or both. Each daemon holds a lock while it
# lives: one that finds it held has come while another lived. As many points as fit the time, in
# an order drawn by the printed seed; with LARES_LONG all, and on kernels of before.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::KillMap;
use Lares::Scan;
use Lares::State;
use Test::More;
use POSIX qw(WNOHANG);
use List::Util 'shuffle';

srand(my $seed = $ENV{LARES_SEED} || time);
my $programs = build_dir() . '/kill/a';
my $map      = kill_map(tmp('map'));
my %act = (
    double => [ qw(launch 0 detach launch 0) ],
    named  => [ qw(launch 0 detach launch 0 pidfile run.pid) ],
    slow   => [ qw(hand 5 detach after 5 launch 0 after 5 pidfile run.pid) ],
    wiping => [ qw(wipe hand 5 detach after 5 launch 0 after 5 pidfile run.pid) ],
);
my ($scan, $scanner, $without, %dir, %report);

sub make_daemons {
    for my $name (sort keys %act) {
        my $place = "$scan/$name";
        $report{$name} = tmp("$name.report");
        unlink $report{$name};
        $dir{$name} = make_service($place, run => [ probe($report{$name}, @{ $act{$name} }, 'single', tmp("$name.lock"), 'sleep') ],
            files => { type => "forking\n", 'restart-delays' => "0\n", 'timeout-kill' => "500\n", 'timeout-start' => "5000\n",
                $name eq 'double' ? () : ('pid-file' => "run.pid\n") });
    }
}

sub start {
    $scanner = scanner($scan, { program => "$programs/lares-svscan", quiet => 1,
        env => { LARES_TEST_KILL_MAP => $map->file, LARES_TEST_WITHOUT => $without } });
}

# As whoever started the scanner would do.
sub reap {
    while ((my $pid = waitpid -1, WNOHANG) > 0) { $scanner = 0 if $pid == $scanner }
    start() if !$scanner;
}

# Something happens to each: its death, an upgrade, the end of its supervisor, a restart.
sub stir {
    my ($round) = @_;
    my $supervisors = supervisors();
    for my $name (keys %dir) {
        my $what = $round++ % 5;
        my $pid  = service_pid($dir{$name});
        kill 'KILL', $pid if $pid && $what < 2;
        control($dir{$name}, 'Z') if $what == 2;
        kill 'KILL', $supervisors->{$name} if $what == 3 && $supervisors->{$name};
        control($dir{$name}, 'r') if $what == 4;
    }
}

sub living {
    my %living;
    for my $p (descendants()) { push @{ $living{$1} }, $p->{pid} if $p->{command} =~ m{/probe \S*/(\w+)\.report } }
    return \%living;
}

# Each up as the one process it has, which its supervisor knows.
sub is_well {
    return 0 if !$scanner || keys %{ supervisors() } != keys %dir;
    my $living = living();
    for my $name (keys %dir) {
        my $s = read_state($dir{$name}) or return 0;
        my @is = @{ $living->{$name} || [] };
        return 0 if $s->{state} ne 'up' || @is != 1 || $s->{pid} != $is[0];
    }
    return 1;
}

# How it came to that.
sub tell_lives {
    for my $name (@_) {
        my @h = read_history($dir{$name});
        diag(join ' ', $name, map { $_ // '-' } @{$_}{qw(sequence at event state stop reason pid wstat)}) for @h > 25 ? @h[-25 .. -1] : @h;
        diag($_) for (split /\n/, (said_text($scan) =~ s/^(?!.* $name ).*\n//mgr))[-15 .. -1];
        diag($_) for grep { / event (?:launched|double)|ppid| start/ } (split /\n/, file_text($report{$name}))[-120 .. -1];
    }
}

sub doubles { return join ' ', grep { (file_text($report{$_}) // '') =~ /event double/ } sort keys %dir }

sub all_ways {
    my $seconds = shift;
    my $until = Lares::Process::now() + $seconds;
    ($scan) = new_scan();
    make_daemons();
    start();
    wait_for { reap(); is_well() } 'the beginning';
    for my $round (0 .. 9) { stir($round); wait_for { reap(); is_well() } "round $round", 20 }
    my (@missed, $hit, $tried);
    my @ways = shuffle(map { my $pair = $_; map { [@$pair[0, 1], $_] } qw(self parent both) } grep { $_->[0] ne 'log' } $map->pairs);
    for my $way (@ways) {
        last if Lares::Process::now() > $until;
        my ($program, $point, $how) = @$way;
        $map->arm($program, $point, $how);
        my $round = int rand 100;
        my $was_hit = eval {
            wait_for { reap(); stir($round++) if is_well(); !$map->is_armed($program, $point) } "$program, $point, $how", 5;
        };
        $map->disarm($program, $point);
        $tried++;
        $was_hit ? $hit++ : push @missed, "$program $point $how";
        next if eval { wait_for { reap(); is_well() } 'all to be well', 20 };
        fail("well after $program $point $how");
        diag($@);
        last;
    }
    note(sprintf 'seed %s: %d of %d hit; not passed in time: %s', $seed, $hit, scalar @ways, "@missed");
    # Without a subreaper no daemon is a child of its supervisor, which sees few ends then.
    cmp_ok($hit, '>', $tried * ($without =~ /subreaper/ ? 0.5 : 0.8), "of $tried ways to die at a point most were hit: $hit");
    is(doubles(), '', 'never a second daemon') or tell_lives(split ' ', doubles());
    for my $name (sort keys %dir) {
        my ($n, @gaps) = undef;
        for my $r (read_history($dir{$name})) {
            push @gaps, $r->{sequence} if defined $n && $r->{sequence} != $n + 1;
            $n = $r->{sequence};
        }
        is("@gaps", '', "$name: the journal has no gap");
    }
    $map->disarm;
    wait_for { reap(); is_well() } 'the end';
    is(said($scan, qr/impossible/), 0, 'nothing impossible happened');
    is(stop_scanner($scanner), 0, 'TERM');
    no_processes_left();
}

alarm time_limit(1800) if $ENV{LARES_LONG};
for my $kernel ('', $ENV{LARES_LONG} ? ('pidfs', 'pidfd', 'pidfd,subreaper') : ()) {
    $without = $kernel;
    subtest $kernel ? "without $kernel" : 'this kernel' => sub { all_ways($ENV{LARES_LONG} ? 80 : 20) };
}
done_testing;
