# lares-supervise killed at its first system call, its second, and so on, through the start of a
# supervisor and some restarts of its service: the promise is "at any instruction". Needs strace.
# A sample by the printed seed; LARES_CALLS=all for each.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Lares::Lives;
use Test::More;
use List::Util qw(shuffle);

plan skip_all => 'sanitizers do not work under strace' if $ENV{LARES_SANITIZE};
my ($strace) = grep { (-x) } map { "$_/strace" } split /:/, $ENV{PATH};
plan skip_all => 'strace is not installed' if !$strace;
my $try = run([$strace, '-o', '/dev/null', '-e', 'inject=getppid:signal=KILL:when=1', 'sh', '-c', 'echo $PPID; exit 0']);
plan skip_all => "strace cannot trace or inject here: $try->{err}" if $try->{err} =~ /ptrace|inject|invalid/i;

srand(my $seed = $ENV{LARES_SEED} || time);
note "seed $seed (LARES_SEED)";
my $last = 400; # calls: about 100 for a beginning, 60 for each restart
my @calls = shuffle(1 .. $last);
splice @calls, 8 if ($ENV{LARES_CALLS} || '') ne 'all';

for my $finish (0, 1) {
    my $dir = make_lives(tmp("calls$finish"), finish => $finish);
    my $killed = 0;
    for my $call (@calls) {
        my $r = run([$strace, '-o', '/dev/null', '-e', "inject=all:signal=KILL:when=$call", bin('supervise'), $dir],
            stderr => "$dir.messages", timeout => 30);
        $killed++ if $r->{signal} == 9;
    }
    is($killed, scalar(@calls), 'killed each time');
    my $pid = supervise($dir);
    check_lives($dir, $pid, least => 1);
}
done_testing;
