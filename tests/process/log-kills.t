# kill -9 of the log writer at each of its kill points and at random, while several processes write to its pipe
# lines of all lengths: zero lost, zero doubled, zero damaged, in their order, archives valid, the bound kept.
# LARES_LONG: 10,000 kills, and no point may be left out. LARES_SEED repeats the choices, not the timing.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use LogTest;
use LogKills;
use Lares::KillMap ();
use POSIX ();
use Test::More;
use Time::HiRes ();

my $dir = work_dir();
my $seed = $ENV{LARES_SEED} // time ^ $$;
srand $seed;
diag("seed $seed (LARES_SEED)");

my $logger = log_program() =~ s{bin/lares-log$}{kill/a/lares-log}r;
plan skip_all => "no $logger: run make tests" if !-x $logger;
my %packer = map { $_ => 1 } grep { my $name = $_; grep { -x "$_/$name" } split /:/, $ENV{PATH} } qw(zstd gzip);
diag("not installed: $_") for grep { !$packer{$_} } qw(zstd gzip);

my $map = Lares::KillMap::kill_map("$dir/map");
# Each file goes through it once, with the state of the one before.
my $program = '!n=$(($(cat <&4) + 1)); cat; printf "\001$n\001\n"; echo $n >&5';

sub one_of { return $_[rand @_] }

# What a round may have; kinds take turns, the rest is drawn.
my @kinds = (
  ['lines as they are'],
  ['a processor', program => 1],
  ($packer{zstd} ? ['compression', packed => 'zst'] : ()),
  ['lines as they are'],
  ($packer{gzip} ? ['a processor and compression', program => 1, packed => 'gz'] : ()),
);

sub play {
  my ($number, $kind, %opt) = @_;
  my $worked = $opt{program} || $opt{packed};
  # Work on many files takes long at the end.
  $opt{size}   = $worked ? one_of(5000, 20000, 20000) : one_of(4096, 5000, 20000);
  $opt{number} = int 12_000_000 / $opt{size};
  $opt{buffer} = one_of(16384, 40960, 135168);
  $opt{stamps} = rand() < 0.5;
  $opt{writers} = one_of(1, 1, 2, 4);
  $opt{longest} = one_of(2, 4) * one_of($opt{size}, 8000);
  $opt{kills}   = ($worked ? 60 : 120) * ($ENV{LARES_LONG} ? 2 : 1);
  $opt{pause}   = $worked ? 0.02 : 0.005;
  $opt{seconds} = ($worked ? 0.06 : 0.02) * ($ENV{LARES_SLOW} // 1);
  $opt{script}  = [($opt{stamps} ? 't' : ()), ($opt{program} ? $program : ()), ($opt{packed} ? { zst => 'zzstd', gz => 'zgzip' }->{ $opt{packed} } : ())];
  $opt{logger}  = $logger;
  $opt{may_stay} = $opt{packed}; # what does not get smaller
  chdir fresh('round') or die;
  my $r = kill_round($map, %opt);
  my @wrong = add_up($r, %opt);
  my $lines = $r->{text} =~ tr/\n//;
  my $what = sprintf '%s: s%d, buffer %d, %d writers, lines up to %d: %d kills, %d lines, %d archives unpacked',
    $kind, @opt{qw(size buffer writers longest)}, $r->{kills}, $lines, $r->{valid};
  ok(!@wrong, "$number: $what") or diag(join "\n", @wrong[0 .. ($#wrong < 5 ? $#wrong : 5)]);
  return ($r, !@wrong);
}

# A read whose end is NULs: how long it was stands beside it in the buffer.
for my $point (qw(READ COUNTED)) {
  chdir fresh('nuls') or die;
  my ($fifo, $feed) = fifo('fifo');
  sysopen my $buffer, 'buffer', POSIX::O_RDWR | POSIX::O_CREAT or die;
  truncate $buffer, 16384;
  my %how = (fd => $fifo, keep => $buffer, program => $logger, env => { LARES_LOGBUF => fileno $buffer, LARES_TEST_KILL_MAP => $map->file });
  print {$feed} "begun\0\0\0";
  $map->arm('log', $point, 'self');
  is(finish(start(['./main'], %how)), POSIX::SIGKILL(), "$point, NULs at the end: killed");
  print {$feed} "ended\n";
  close $feed;
  is(finish(start(['./main'], %how)), 0, "$point, NULs at the end: the next one goes on");
  is(content('main/current'), "begun\0\0\0ended\n", "$point, NULs at the end: none is lost");
}

alarm 7200 * ($ENV{LARES_SLOW} // 1) if $ENV{LARES_LONG}; # the library has set another
my ($kills, $random, $number, $lines) = (0, 0, 0, 0);
my $end = Time::HiRes::time() + 20 * ($ENV{LARES_SLOW} // 1);
my $failed = 0;
# At least each kind once, whatever the time.
while ($ENV{LARES_LONG} ? $kills < 10_000 : $number < @kinds || Time::HiRes::time() < $end) {
  my ($kind, @how) = @{ $kinds[$number++ % @kinds] };
  my ($r, $good) = play($number, $kind, @how);
  $kills += $r->{kills};
  $random += $r->{random};
  $lines += $r->{text} =~ tr/\n//;
  last if !$good && ++$failed == 3;
}

# Every point of the log writer, those that were never reached too.
my %count = map { $_->[1] => [@$_[3, 4]] } grep { $_->[0] eq 'log' } $map->pairs;
my $say = $ENV{LARES_LONG} ? \&diag : \&note;
my @never;
for my $point (log_points()) {
  my ($passed, $killed) = @{ $count{ $point->[0] } // [0, 0] };
  $say->(sprintf '%-60s %9d %6d', $point->[1], $passed, $killed);
  push @never, $point->[0] if !$killed;
}
$say->(sprintf '%-60s %9s %6d', 'at random', '', $random);
diag("$kills kills in $number rounds, $lines lines");
cmp_ok($kills, '>', 100, 'killed often enough');
is("@never", '', 'at every point') if $ENV{LARES_LONG};
cmp_ok(scalar @never, '<', 6, 'at most points') if !$ENV{LARES_LONG};

# KillMap's library makes us the parent of those who have lost theirs.
ok(until_true(sub { 1 while waitpid(-1, POSIX::WNOHANG) > 0; waitpid(-1, POSIX::WNOHANG) == -1 }), 'what killed log writers had started is gone');
nothing_left();
done_testing();
