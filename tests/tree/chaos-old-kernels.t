# The campaign of chaos.t on kernels that lack something; the statuses are known all the same, as
# lares-init lives (and is not killed). Without a subreaper it cannot know, and they are counted.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Chaos;
use Lares::Verdict;
use Test::More;

diag('seed ' . chaos_seed());
for my $without ('exit-info', 'pidfs', 'pidfd', 'pidfd,subreaper', 'inotify') {
    chaos("without $without", seconds => 3, sorts => \@everybody, init => 1, scanner_every => 1.1, without => $without);
}
chaos_report();
done_testing();
