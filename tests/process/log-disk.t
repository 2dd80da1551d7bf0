# A full disk under one of several directories of a log writer, on small file systems of their own, again and
# again. With b its writer waits, and nothing is missing anywhere. With o what was sent is what is there and what
# was counted, in lines and in bytes, in each gap and in the sum that lares-svstat shows; the others have all. A slow
# reader of standard output is the same to o.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares::Mounts;
use Lares::KillMap ();
use LogTest;
use Fcntl;
use POSIX ();
use Test::More;
use Time::HiRes ();

my $dir = work_dir();
my $seed = $ENV{LARES_SEED} // time ^ $$;
srand $seed;
diag("seed $seed (LARES_SEED)");

use constant CYCLES => $ENV{LARES_LONG} ? 12 : 3;
use constant { BUFFER => 40960, DISK_KIB => 1024 + 250 * CYCLES, DROPPED_AT => 2808, DROPPED => 'lares-log: (\d+) lines, (\d+) bytes, were dropped here: they could not be written' };

# No byte left: what is there already, and a filler.
sub fill {
  my ($disk) = @_;
  open my $out, '>>:raw', "$disk/filler" or die "$disk/filler: $!";
  for my $size (4096, 1) { 1 while syswrite $out, 'f' x $size }
}

sub no_filler { unlink "$_[0]/filler" or die "filler: $!" }

# Of the killed ones: kill points, and what to do when one has died.
my ($map, $tend, %points);
sub wait_until { my ($condition) = @_; return until_true(sub { $tend->() if $tend; $condition->() }) }

# Numbered lines of all lengths; some longer than the buffer.
my $number = 0;
sub lines {
  my ($bytes, $longest) = @_;
  my $text = '';
  while (length $text < $bytes) {
    my $length = rand() < 0.02 ? rand $longest : rand 200;
    $text .= ++$number . ' ' . chr(97 + $number % 26) x $length . "\n";
  }
  return $text;
}

# Writes all of it without waiting for more than the pipe: what does not fit yet is for the next call.
sub push_some { my ($feed, $text) = @_; my $n = syswrite $feed, $$text; substr $$text, 0, $n, '' if $n; return $n }

sub waiting { my ($fifo) = @_; my $n = pack 'i', 0; ioctl $fifo, 0x541b, $n or die; return unpack 'i', $n }

# (lines, bytes) that the buffer says were dropped in all.
sub dropped { my $text = content('buffer'); return unpack 'Q2', substr $text, DROPPED_AT, 16 }

# The same length. A line that waits for room (o) has the time of the last read in that directory.
sub unstamped { return $_[0] =~ s/^\@[0-9a-f]{24} /'@' . '0' x 24 . ' '/mger }

sub rising { my $before = ''; for (@_) { return 0 if $_ le $before; $before = $_ } return 1 }

# What is wrong with a log that tells what it has dropped, beside one with everything; (lines, bytes, gaps).
sub compare {
  my ($log, $all, $stamped) = @_;
  my ($at, $lines, $bytes, $gaps) = (0, 0, 0, 0);
  my $label = $stamped ? '\@[0-9a-f]{24} ' : '';
  my @parts = split /^$label@{[DROPPED]}\n/m, $log;
  while (@parts) {
    my $part = shift @parts;
    my ($n, $m) = splice @parts, 0, 2;
    my $here = substr $all, $at, length $part;
    # A line that is there in part was ended.
    $here = substr($all, $at, length($part) - 1) . "\n" if defined $n && $here ne $part && $part =~ /\n\z/;
    if ($here ne $part) {
      ($here ^ $part) =~ /^\0*/;
      my ($is, $due) = map { substr $_, $+[0] > 30 ? $+[0] - 30 : 0, 90 } $part, $here;
      return 'at ' . ($at + $+[0]) . ": '$is' where '$due' was sent";
    }
    $at += length $part;
    $at-- if $here ne substr $all, $at - length $part, length $part;
    last if !defined $n;
    my $gap = substr $all, $at, $m;
    return "at $at: $n lines, $m bytes dropped; so many bytes have " . ($gap =~ tr/\n//) . ' lines' if $n != $gap =~ tr/\n//;
    return "at $at: a gap of $m bytes ends within a line" if $gap !~ /\n\z/;
    $at += $m;
    $lines += $n;
    $bytes += $m;
    $gaps++;
  }
  return length($all) . " bytes were sent, $at are accounted for" if $at != length $all;
  return ('', $lines, $bytes, $gaps);
}

# The disk is full, then has room again, so many times, while lines come. Returns all that was sent.
sub cycles {
  my ($disk, $fifo, $feed, $how) = @_;
  my $sent = '';
  for my $cycle (1 .. $how->{cycles}) {
    my $size = -s "$disk/main/current" // 0;
    for my $full (0, 1) {
      fill($disk) if $full;
      $how->{between}->() if $how->{between};
      my $text = lines($full ? 150_000 : 8000, 30_000);
      $sent .= $text;
      my $said = () = content("$dir/err") =~ /No space left/g;
      if ($how->{drop} || !$full) {
        ok(wait_until(sub { push_some($feed, \$text); !length $text && !waiting($fifo) }), "$how->{name}, cycle $cycle: all is read, " . ($full ? 'full' : 'with room')) or return $sent;
      } else {
        ok(wait_until(sub { push_some($feed, \$text); content("$dir/err") =~ /No space left.*\n\z/ }), "$how->{name}, cycle $cycle: it is said") or return $sent;
        # More than fits into the pipe, so its writer waits.
        ok(length $text, "$how->{name}, cycle $cycle: the writer waits");
      }
      next if !$full;
      no_filler($disk);
      ok(wait_until(sub { push_some($feed, \$text); !length $text && !waiting($fifo) }), "$how->{name}, cycle $cycle: it goes on by itself") or return $sent;
    }
  }
  return $sent;
}

sub try_disk {
  my ($disk, %how) = @_;
  chdir fresh('disk') or die;
  system 'rm', '-rf', "$disk/main";
  my ($fifo, $feed) = fifo('fifo');
  fcntl $feed, F_SETFL, O_WRONLY | O_NONBLOCK;
  sysopen my $buffer, 'buffer', O_RDWR | O_CREAT or die;
  truncate $buffer, BUFFER;
  my @format = $how{stamped} ? ('t') : ();
  my @script = ('r20', 's16000000', 'n1000', @format, './before', ($how{drop} ? 'o' : 'b'), "$disk/main", 'b', './behind');
  my %start = (fd => $fifo, keep => $buffer, err => "$dir/err", env => { LARES_LOGBUF => fileno $buffer });
  my ($run, $said) = (undef, '');
  ($tend, $map) = ();
  if ($how{kills}) {
    $map = Lares::KillMap::kill_map('map');
    $start{program} = log_program() =~ s{bin/lares-log$}{kill/a/lares-log}r;
    $start{env}{LARES_TEST_KILL_MAP} = $map->file;
    my @points = grep { $_->[1] =~ /^log(?: drop)?:/ } Lares::KillMap::kill_points();
    # At one point or another, twice as often at those of dropping.
    $how{between} = sub { $map->arm('log', $points[rand() < 0.5 ? -1 - int rand 3 : rand @points][0], 'self') for 1 .. 2 };
    $tend = sub {
      return if waitpid($run->{pid}, POSIX::WNOHANG) != $run->{pid};
      $said .= content("$dir/err");
      LogTest::forget($run);
      $said .= "a logger ended with $?\n" if $? != POSIX::SIGKILL();
      $run = start(\@script, %start);
    };
  }
  $run = start(\@script, %start);
  my $sent = cycles($disk, $fifo, $feed, \%how);
  if ($how{kills}) {
    $map->disarm;
    $points{ $_->[2] } += $_->[4] for grep { $_->[0] eq 'log' } $map->pairs;
  }
  close $feed;
  my $status = finish($run);
  # It may have been about to die of the last one.
  $status = finish(start(\@script, %start)) if $how{kills} && $status == POSIX::SIGKILL();
  close $fifo;
  is($status, 0, "$how{name}: the end");
  $said .= content("$dir/err");
  unlike($said, qr/cannot be used|ended with/, "$how{name}: nothing bad is said");
  my %log = (before => whole('before'), main => whole("$disk/main"), behind => whole('behind'));
  my $plain = $how{stamped} ? mask($log{before}) =~ s/^@ //mgr : $log{before};
  ok($plain eq $sent, "$how{name}: the directory before it has everything") or diag(length $plain, ' bytes, sent ', length $sent);
  ok($log{behind} eq $log{before}, "$how{name}: the one behind it, too");
  if (!$how{drop}) {
    ok($log{main} eq $log{before}, "$how{name}: nothing is missing on the full disk, nothing is there twice")
      or diag(length $log{main}, ' bytes of ', length $log{before});
    return;
  }
  my ($wrong, $lines, $bytes, $gaps) = compare(unstamped($log{main}), unstamped($log{before}), $how{stamped});
  is($wrong, '', "$how{name}: what was sent is what is there and what was counted");
  ok(rising($log{main} =~ /^(\@[0-9a-f]{24}) /mg), "$how{name}: stamps rise") if $how{stamped};
  return if $wrong;
  diag("$how{name}: $lines lines, $bytes bytes dropped in $gaps gaps");
  cmp_ok($bytes, '>', 100_000, "$how{name}: and that was much");
  is(join(' ', dropped()), "$lines $bytes", "$how{name}: the sum in the buffer is the sum of what was told");
}

my %disk = (
  tmpfs => sub { mount_tmpfs($_[0], 'size=' . DISK_KIB . 'k') },
  ext4 => sub { mount_image($_[0], 'ext4', DISK_KIB) },
);
for my $type (sort keys %disk) {
  SKIP: {
    my $disk = "$dir/$type";
    skip $Lares::Mounts::why, 1 if !$disk{$type}->($disk);
    my %modes = (
      'b' => [],
      'o' => [drop => 1],
      'o with t' => [drop => 1, stamped => 1],
      'b, killed' => [kills => 1],
      'o, killed' => [drop => 1, kills => 1],
    );
    for my $mode (sort keys %modes) {
      try_disk($disk, name => "$type, $mode", cycles => CYCLES, @{ $modes{$mode} });
    }
    chdir $dir;
    ok(unmount($disk), "$type: unmounted");
  }
}

# The same where a reader is slow.
sub try_reader {
  chdir fresh('reader') or die;
  my ($fifo, $feed) = fifo('fifo');
  my ($reader, $out) = fifo('out');
  fcntl $_, F_SETFL, (fcntl $_, F_GETFL, 0) | O_NONBLOCK for $feed, $reader;
  sysopen my $buffer, 'buffer', O_RDWR | O_CREAT or die;
  truncate $buffer, BUFFER;
  my $run = start(['o', '1', 'b', 's16000000', 'n1000', './all'], fd => $fifo, to => $out, keep => $buffer, err => "$dir/err",
    env => { LARES_LOGBUF => fileno $buffer });
  close $out;
  my ($sent, $got) = ('', '');
  my $take = sub { 1 while sysread $reader, $got, 65536, length $got };
  for my $cycle (1 .. CYCLES) {
    my $text = lines(300_000, 30_000);
    $sent .= $text;
    ok(until_true(sub { push_some($feed, \$text); !length $text && !waiting($fifo) }), "a slow reader, cycle $cycle: all is read");
    # Some lines while it reads; then what was dropped before is told.
    $text = lines(3000, 100);
    $sent .= $text;
    my ($last) = $text =~ /(.*\n)\z/;
    ok(until_true(sub { $take->(); push_some($feed, \$text); $got =~ /\Q$last\E\z/ }), "a slow reader, cycle $cycle: it gets what comes");
  }
  close $feed;
  close $fifo;
  is(finish($run), 0, 'a slow reader: the end');
  $take->();
  ok(whole('all') eq $sent, 'a slow reader: the directory has everything');
  my ($wrong, $lines, $bytes, $gaps) = compare($got, $sent, 0);
  is($wrong, '', 'a slow reader: what was sent is what it got and what was counted');
  return if $wrong;
  diag("a slow reader: $lines lines, $bytes bytes dropped in $gaps gaps");
  is(join(' ', dropped()), "$lines $bytes", 'a slow reader: the sum');
}

try_reader();
for my $point (sort keys %points) { note(sprintf '%-50s %4d', $point, $points{$point}) }
my @never = grep { !$points{$_} } map { $_->[1] } grep { $_->[1] =~ /^log drop:/ } Lares::KillMap::kill_points();
is("@never", '', 'killed at every point of dropping') if %points && $ENV{LARES_LONG};
ok(until_true(sub { 1 while waitpid(-1, POSIX::WNOHANG) > 0; waitpid(-1, POSIX::WNOHANG) == -1 }), 'no orphan is left');
nothing_left();
done_testing();
