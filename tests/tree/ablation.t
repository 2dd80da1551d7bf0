# The campaign of chaos.t sees what it looks for: with one of the rules R1, R2, R3 of doc/DESIGN.md
# section 6 taken away it fails, in the way that the rule is there to prevent. (That it passes with
# all of them is chaos.t.)
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::Chaos;
use Lares::Campaign;
use Test::More;

diag('seed ' . chaos_seed());
my @sorts = ('supervisor', 'service');
my @in_flight = map { ['supervise', $_, 'parent'] } qw(SIGN_IN SIGNED_IN EXEC);
my %without = (
    R1 => ['a lock that a child does not inherit', [@in_flight], sub { doubles() }, 'two instances at once'],
    R2 => ['a record that the parent writes', [@in_flight, ['service', 'BORN', 'parent']], sub { doubles() }, 'two instances at once'],
    R3 => ['reaped before recorded', [['supervise', 'RECORDED', 'self']], sub { unknown_so_far() }, 'a status that nobody knows'],
);
# With the rules none of it is seen, however often the same points are hit.
{
    my ($scan) = new_scan();
    my $c = campaign($scan, seconds => 4, sorts => \@sorts, points => 1, arms => [map { @{ $_->[1] } } values %without],
        stop => sub { doubles() || unknown_so_far() });
    is(join(' ', doubles(), unknown_so_far()), 0, 'with all rules: nothing of that kind in ' . Lares::Campaign::total($c) . ' kills');
    Lares::Process::end_everything();
    alarm time_limit(240);
}
for my $rule (sort keys %without) {
    my ($what, $arms, $seen, $expected) = @{ $without{$rule} };
    my ($scan) = new_scan();
    my $c = campaign($scan, seconds => 40, sorts => \@sorts, points => 1, arms => $arms, ablate => $rule, stop => sub { $seen->() });
    ok($seen->(), "without $rule ($what): $expected") or diag(Lares::Campaign::total($c) . " kills");
    note(sprintf '%d kills in %.1f s', Lares::Campaign::total($c), $c->{took});
    # Stopped in no order: what is left is no tree any more.
    Lares::Process::end_everything();
    alarm time_limit(240);
}
done_testing;
