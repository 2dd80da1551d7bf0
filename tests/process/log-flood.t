# A service that writes faster than lares-log reads: the buffer that outlives it grows, once, and a
# kill before or after its halves have grown costs no line. Where there is no room for it, and in
# a file of another size, all goes on as it is.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use LogTest;
use Lares::KillMap ();
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
  my $pid = fork // die;
  if (!$pid) {
    close $read;
    for (my $at = 0; $at < length $text;) { $at += syswrite($write, $text, 65536, $at) // POSIX::_exit(1) }
    POSIX::_exit(0);
  }
  close $write;
  sysopen my $buffer, 'buffer', POSIX::O_RDWR | POSIX::O_CREAT or die;
  truncate $buffer, $size;
  my $end = sub { waitpid $pid, 0; return $? };
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

nothing_left();
done_testing;
