# A service that writes faster than lares-log reads: the buffer that outlives it grows, once, and a
# kill before or after its halves have grown costs no line. Where there is no room for it, and in
# a file of another size, all goes on as it is.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use LogTest;
use Lares::KillMap ();
use Lares::Mounts;
use POSIX ();
use Test::More;

use constant { USUAL => 4096 + 2 * 65536, GROWN => 4096 + 2 * 262144, LINES => 60_000 };

my $dir    = work_dir();
my $logger = log_program() =~ s{bin/lares-log$}{kill/a/lares-log}r;
plan skip_all => "no $logger: run make tests" if !-x $logger;
my $map  = Lares::KillMap::kill_map("$dir/map");
my $text = join '', map { sprintf "%d %s\n", $_, 'x' x ($_ % 150) } 1 .. LINES;

# A pipe that is always full, and the buffer's file: (run's words, what ends the writer).
sub flood {
  my ($size) = @_;
  chdir fresh('round') or die;
  pipe my $read, my $write or die;
  # Of one that holds sixteen pieces each of the first sixteen is whole, however busy the machine is.
  my $much = fcntl $write, 1031, 1 << 20; # F_SETPIPE_SZ
  my $pid = fork // die;
  if (!$pid) {
    close $read;
    for (my $at = 0; $at < length $text;) { $at += syswrite($write, $text, 65536, $at) // POSIX::_exit(1) }
    POSIX::_exit(0);
  }
  close $write;
  until_true(sub { # FIONREAD
    my $waiting = pack 'i', 0;
    ioctl($read, 0x541B, $waiting) and unpack('i', $waiting) >= ($much ? 1 << 20 : 1) - 4096;
  }, 10);
  sysopen my $buffer, 'buffer', POSIX::O_RDWR | POSIX::O_CREAT or die;
  truncate $buffer, $size;
  my $end = sub { # nobody may have read what it writes
    my $status;
    until_true(sub { waitpid($pid, POSIX::WNOHANG) == $pid and defined($status = $?) }, 10);
    kill 'KILL', $pid if !defined $status;
    waitpid $pid, 0   if !defined $status;
    return $status // 'did not end';
  };
  return ($end, fd => $read, keep => $buffer, program => $logger, err => 'err',
    env => { LARES_LOGBUF => fileno $buffer, LARES_TEST_KILL_MAP => $map->file });
}

sub is_all {
  my ($what) = @_;
  my $got = join '', map { content("main/$_") } grep { /^\@/ } names('main');
  $got .= content('main/current');
  ok($got eq $text, "$what: every line, once, in its place") or diag(length($got) . ' bytes of ' . length $text);
}

sub size_is { my ($size, $what) = @_; is(-s 'buffer', $size, "$what: the buffer's size") }

{
  my ($end, %how) = flood(USUAL);
  is(finish(start(['s1000000', 'n20', './main'], %how)), 0, 'a flood: ends with its input');
  is($end->(), 0, 'a flood: all was taken');
  size_is(GROWN, 'a flood');
  is_all('a flood');
}

for my $point (qw(ENLARGED GROWN)) {
  my ($end, %how) = flood(USUAL);
  $map->arm('log', $point, 'self');
  is(finish(start(['s1000000', 'n20', './main'], %how)), POSIX::SIGKILL(), "$point: killed");
  size_is(GROWN, $point);
  is(finish(start(['s1000000', 'n20', './main'], %how)), 0, "$point: the next one goes on");
  is($end->(), 0, "$point: all was taken");
  size_is(GROWN, $point);
  is_all($point);
}

for my $case (['a file of another size', 65536], ['no room', USUAL, before => ['prlimit', '--fsize=' . USUAL, '--']]) {
  my ($what, $size, @how) = @$case;
  my ($end, %how) = flood($size);
  # Files of 100000 bytes are below that limit, and a flood of this length fits into 120.
  is(finish(start(['s100000', 'n120', './main'], %how, @how)), 0, "$what: ends with its input");
  $end->();
  size_is($size, $what);
  is_all($what);
}

# The room that was left is not taken for nothing.
SKIP: {
  mkdir "$dir/small";
  skip "a full disk: $Lares::Mounts::why", 6 if !mount_image("$dir/small", 'ext4', 8192);
  my ($end, %how) = flood(USUAL);
  sysopen my $buffer, "$dir/small/buffer", POSIX::O_RDWR | POSIX::O_CREAT or die;
  syswrite $buffer, "\0" x USUAL;
  open my $filler, '>', "$dir/small/filler" or die;
  my $left = sub { my @st = split ' ', qx(stat -f -c '%f %S' $dir/small); return $st[0] * $st[1] };
  for (my $much; ($much = $left->() - 200_000) > 0;) { syswrite($filler, 'f' x $much) or last }
  system 'sync', '-f', "$dir/small";
  my $before = $left->();
  %how = (%how, keep => $buffer, env => { LARES_LOGBUF => fileno $buffer });
  is(finish(start(['s1000000', 'n20', './main'], %how)), 0, 'a disk that is nearly full: ends with its input');
  is($end->(), 0, 'a disk that is nearly full: all was taken');
  is_all('a disk that is nearly full');
  is(-s "$dir/small/buffer", USUAL, 'a disk that is nearly full: the buffer is as it was');
  system 'sync', '-f', "$dir/small";
  is($left->(), $before, 'a disk that is nearly full: and the room that was left');
  close $filler;
  close $buffer;
  ok(unmount("$dir/small"), 'unmounted');
}

# An address space with no room for what the buffer might become.
SKIP: {
  skip 'sanitizers take all address space', 4 if $ENV{LARES_SANITIZE};
  my ($end, %how) = flood(USUAL);
  my ($least, @fails);
  # From what it needs at least on it works, with a larger buffer or not.
  for (my $kib = 2800; $kib <= 4400; $kib += 80) {
    write_file('input', "line\n");
    open my $input, '<', 'input' or die;
    my $status = finish(start(['s1000000', 'n20', './few'], %how, fd => $input, before => ['prlimit', "--as=" . $kib * 1024, '--']));
    if    (defined $least && $status) { push @fails, $kib }
    elsif (!$status)                  { $least //= $kib }
  }
  is("@fails", '', "an address space of $least KiB is enough, and so is more");
  my $status = finish(start(['s1000000', 'n20', './main'], %how, before => ['prlimit', '--as=' . $least * 1024, '--']));
  is($status, 0, 'a small address space: ends with its input');
  $end->();
  size_is(USUAL, 'a small address space');
  is_all('a small address space');
}

nothing_left();
done_testing;
