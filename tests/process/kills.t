# lares-supervise killed at random moments while its services live and die within milliseconds:
# no two runs at once, no death untold or told twice, no exit status lost, finish for each death.
# The test is the subreaper and leaves the zombies until the end, as a scanner would that is busy.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Lares::Lives;
use Test::More;
use Time::HiRes ();
use POSIX ();

srand(my $seed = $ENV{LARES_SEED} || time);
note "seed $seed (LARES_SEED)";
my $kills = $ENV{LARES_KILLS} || 80;

# Starts a supervise without the harness' care: only the kill matters.
sub quick {
    my ($dir) = @_;
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    return $pid if $pid;
    open STDIN,  '<',  '/dev/null';
    open STDOUT, '>>', "$dir.out";
    open STDERR, '>>', "$dir.messages";
    $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP ALRM);
    { no warnings 'exec'; exec bin('supervise'), $dir }
    POSIX::_exit(111);
}

for my $finish (0, 1) {
    my $dir = make_lives(tmp("kills$finish"), finish => $finish);
    # On a busy machine the service lives seldom enough between two kills: then there are more of them.
    for my $kill (1 .. 20 * $kills) {
        last if $kill > $kills && starts_of("$dir/runs") >= $kills / 8;
        my $pid = quick($dir);
        Time::HiRes::sleep(rand($kill % 3 ? 0.004 : 0.06));
        kill 'KILL', $pid;
        waitpid $pid, 0;
        is($?, 9, 'supervise lived until it was killed') or last if $? != 9;
    }
    my $pid = supervise($dir);
    check_lives($dir, $pid, least => $kills / 8);
}
done_testing;
