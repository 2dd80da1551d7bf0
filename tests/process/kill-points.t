# Each kill point of supervisor, scanner and logger, one at a time, each way: the process dies there,
# or its parent, or both. Afterwards the service runs once, under one supervisor, and each of its
# deaths is told. (tests/tree/chaos.t does this at random and with all at once.) As many as fit the
# time, in an order drawn by the printed seed; with LARES_LONG all.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Broken;
use Lares::KillMap;
use Lares::Scan;
use Lares::State;
use Test::More;
use POSIX qw(WNOHANG);
use List::Util 'shuffle';

srand(my $seed = $ENV{LARES_SEED} || time);
my $until = Lares::Process::now() + ($ENV{LARES_LONG} ? 200 : 15);

my $programs = build_dir() . '/kill/a';
my ($scan)   = new_scan();
my $map      = kill_map(tmp('map'));
my $dir      = make_service("$scan/s", run => 'trap "" HUP; while :; do echo line; sleep 0.01 & wait; done',
    log => ["$programs/lares-log", 's4096', 'n3', './main'], files => { 'restart-delays' => "0\n", 'timeout-kill' => "500\n", 'log/restart-delays' => "0\n" });
my ($scanner, $scanners) = (0, 0);

sub start {
    $scanner = scanner($scan, { program => "$programs/lares-svscan", quiet => 1, env => { LARES_TEST_KILL_MAP => $map->file } });
    $scanners++;
}

# As whoever started the scanner would do.
sub reap {
    while ((my $pid = waitpid -1, WNOHANG) > 0) {
        Lares::Process::was_reaped($pid, $?);
        $scanner = 0 if $pid == $scanner;
    }
    start() if !$scanner;
}

# Something happens to everything: a death, a rotation, an upgrade, a scan.
sub stir {
    my ($round) = @_;
    my $pid = service_pid($dir);
    my $what = $round % 6; # twice a death: of an adopted service, and of the one after that
    kill 'KILL', $pid if $pid && $what < 2;
    control($dir, 'Z') if $what == 2;
    my $log = service_pid("$dir/log");
    kill 'ALRM', $log if $log && $what == 3;
    my $supervisor = supervisor('s');
    kill 'KILL', $supervisor if $supervisor && $what == 4;
    if ($what == 5 && sysopen my $fifo, "$scan/.lares/control", POSIX::O_WRONLY() | POSIX::O_NONBLOCK()) { syswrite $fifo, 'Z' }
}

# Up, with one process, which the supervisor knows.
sub is_well {
    my $supervisors = supervisors();
    my @runs        = grep { $_->{command} =~ m{^/bin/sh \./run s $} } descendants();
    my $pid         = service_pid($dir);
    return keys %$supervisors == 2 && @runs == 1 && $pid && $pid == $runs[0]{pid} && service_pid("$dir/log") && $scanner;
}

start();
wait_for { reap(); is_well() } 'the beginning';
# Let each be passed that is going to be.
for my $round (0 .. 11) { stir($round); wait_for { reap(); is_well() } "round $round" }
my (@missed, $tried);
my $hit = 0;
my @ways = shuffle(map { my $pair = $_; map { [@$pair[0, 1], $_] } qw(self parent both) } $map->pairs);
for my $way (@ways) {
    # On a busy machine few are met in that time: more is taken then, not less asked for.
    my $late = Lares::Process::now() - $until;
    last if $late > ($hit >= 5 ? 0 : 120);
    my ($program, $point, $how) = @$way;
    $map->arm($program, $point, $how);
    my $round = 0;
    my $was_hit = eval {
        wait_for { reap(); stir($round++) if is_well() || $round > 40; !$map->is_armed($program, $point) } "$program, $point, $how", 5;
    };
    $map->disarm($program, $point);
    $tried++;
    $was_hit ? $hit++ : push @missed, "$program $point $how";
    next if eval { wait_for { reap(); is_well() } 'all to be well', 15 };
    fail("well after $program $point $how");
    diag($@);
    last;
}
note(sprintf 'seed %s: %d of %d hit, %d scanners; not passed in time: %s', $seed, $hit, scalar @ways, $scanners, "@missed");
cmp_ok($hit, '>=', 5, "enough of $tried ways to die at a point were met: $hit");
# A start that was killed before it signed in left a supervisor that believed in a process with the
# number 0; an orphan that was seen before the end of its supervisor was taken for a stray.
is(scalar(grep { $_->{pid} == 0 && $_->{state} eq 'up' } read_history($dir)), 0, 'never up without a process');
is(join(' ', doubled_numbers(read_history($dir))), '', 'the journal has no gap');
sub doubled_numbers { my $n = $_[0]{sequence}; return grep { $_ } map { $_->{sequence} == $n++ ? () : $_->{sequence} } @_ }
$map->disarm;
wait_for { reap(); is_well() } 'the end';
# A scanner that was killed while it tried programs which cannot be run was followed by one that
# believed it had them: no supervisor could be started any more.
{
    my ($broken) = grep { /supervise-truncated/ } broken_builds();
    $map->arm('svscan', 'PROBED', 'self');
    my ($ctl, $asked);
    wait_for {
        reap();
        # One that was asked for before may still be going on, and then this one is refused.
        if (!$ctl || !alive($ctl)) {
            note('asked again: ' . (file_text(tmp('ctl.err')) // '')) if $asked++;
            $ctl = spawn([bin('svscanctl'), '-b', $broken, 'upgrade', $scan], stderr => tmp('ctl.err'), quiet => 1);
        }
        !$map->is_armed('svscan', 'PROBED') && $scanner
    } 'a scanner that dies while it upgrades';
    wait_for { reap(); is_well() } 'another one';
    my $old = supervisor('s');
    kill 'KILL', $old;
    wait_for { reap(); is_well() && supervisor('s') != $old } 'another supervisor';
    ok(!-e "$scan/.lares/bindir" && !-e "$scan/.lares/bindir.next", 'a scanner killed during an upgrade to a broken program leaves no trace of it');
    wait_for { reap(); !alive($ctl) } 'svscanctl';
}
is(stop_scanner($scanner), 0, 'TERM');
no_processes_left();
done_testing;
