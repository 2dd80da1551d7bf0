# kill -9 at random and at every kill point of everything the suite runs: no service runs twice, none
# is forgotten, the one that nobody kills keeps its pid, each death is told once with its status, no
# line is lost or doubled, no journal has a gap. With upgrades between two builds, and to broken ones,
# all the time. LARES_SEED repeats the choices of a run (not its timing). LARES_LONG: 20,000 kills, and
# every kernel of chaos-old-kernels.t, too.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Broken;
use Lares::Chaos;
use Lares::Verdict;
use Test::More;

my $seed = chaos_seed();
diag("seed $seed");
my @builds = map { build_dir() . "/kill/$_" } qw(a b);
my %upgrading   = (upgrades => \@builds, broken => [broken_builds()]);
my %below_init  = (init => 1, scanner_every => 1.3); # which puts a scanner off that dies again and again
my @but_scanner = grep { $_ ne 'scanner' } @everybody;
my @but_loggers = grep { $_ ne 'logger' } @everybody; # nobody but the suite itself holds a pipe then
my $long        = $ENV{LARES_LONG};

my @campaigns = (
    ['everything', seconds => $long ? 60 : 7, sorts => \@everybody],
    ['everything below lares-init, with upgrades', seconds => $long ? 60 : 8, sorts => \@everybody, %below_init, %upgrading],
    ['everything but loggers', seconds => $long ? 60 : 5, sorts => \@but_loggers],
);
push @campaigns, ['below a scanner, with upgrades', seconds => 30, sorts => \@but_scanner, %upgrading], map {
    ["everything below lares-init, without $_, with upgrades", seconds => 30, sorts => \@everybody, %below_init, %upgrading, without => $_]
} 'exit-info', 'pidfs', 'pidfd', 'pidfd,subreaper', 'inotify' if $long;

alarm time_limit(7200) if $long;
my $number = 0;
while ($number < @campaigns || $long && chaos_total() < 20_000) {
    my ($name, @how) = @{ $campaigns[$number++ % @campaigns] };
    chaos("$number: $name", @how);
}
chaos_report();
is(join(' ', points_not_hit()), '', 'every kill point was hit') if $long;
done_testing();
