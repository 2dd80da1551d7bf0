# Random lives of a log writer, each with other parameters, on a disk that is full now and then, with a clock that
# jumps and programs that do what they can: the bound is kept at every call, nothing is lost or doubled but what is
# told, archives are valid. LARES_SEED repeats the choices, not the timing; LARES_LONG plays for ten minutes.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares::Mounts;
use LogTest;
use LogTrace;
use LogChaos;
use Test::More;
use Time::HiRes ();

my $why = no_trace();
plan skip_all => $why if $why;
my $dir = work_dir();
my $seed = $ENV{LARES_SEED} // time ^ $$;
srand $seed;
diag("seed $seed (LARES_SEED)");

my @packers = grep { my $name = $_; grep { -x "$_/$name" } split /:/, $ENV{PATH} } qw(zstd gzip);
my $disk = "$dir/disk";
my $mounted = mount_tmpfs($disk, 'size=300k');
diag("no full disks: $Lares::Mounts::why") if !$mounted;
my ($lives, $calls, $near, $killed, $unpacked, $number, $failed) = (0) x 7;
my $end = Time::HiRes::time() + ($ENV{LARES_LONG} ? 600 : 18) * ($ENV{LARES_SLOW} // 1);
while ($number < 2 || Time::HiRes::time() < $end) {
  chdir fresh('round') or die;
  system 'rm', '-rf', "$disk/main";
  my $drop = $number++ % 2;
  my $r = chaos_round(disk => $disk, mounted => $mounted, packers => \@packers, lives => 10, drop => $drop);
  ok(!@{ $r->{wrong} }, "$number: $r->{lives} lives, $r->{calls} calls" . ($drop ? ', may drop' : '')) or diag(join "\n", @{ $r->{wrong} });
  $lives += $r->{lives};
  $calls += $r->{calls};
  $near += $r->{near};
  $killed += $r->{killed};
  $unpacked += $r->{unpacked};
  last if @{ $r->{wrong} } && ++$failed == 3;
}
diag("$lives lives, $killed killed, $calls calls watched, $near lives near the bound, $unpacked archives unpacked");
# In a short time there may be few.
cmp_ok($near, '>', $lives / 10, 'often near the bound') if $ENV{LARES_LONG};
cmp_ok($unpacked, '>', 20, 'archives were compressed') if $ENV{LARES_LONG} && @packers;
chdir $dir;
ok(unmount($disk), 'unmounted') if $mounted;
nothing_left();
done_testing();
