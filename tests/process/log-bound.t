# The bound of lares-log watched from outside, at every system call of the log writer and of all that it
# starts: from the first byte read on the files of a directory never have more than n times s bytes
# together, what programs are writing included. Needs strace.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use LogTest;
use LogTrace;
use Test::More;
use List::Util 'shuffle';
use POSIX ();

my $dir = work_dir();
my $why = no_trace();
plan skip_all => $why if $why;

# A pipe into which the text comes bit by bit, so that programs work while lines are written.
sub trickle {
  my ($text) = @_;
  pipe my $read, my $write or die;
  my $pid = fork // die;
  return ($read, $pid) if $pid;
  close $read;
  while (length $text) {
    syswrite $write, substr($text, 0, 700, '');
    select undef, undef, undef, 0.002; # the pace of the input
  }
  POSIX::_exit(0);
}

# One life of a log writer in ./main. how: in, killed: somebody who writes is, spare: a reason why it stays far below.
sub life {
  my ($name, $words, $bound, %how) = @_;
  my $log = "$dir/bound/main";
  my $before = sizes($log);
  my ($in, $writer) = trickle($how{in});
  my $run = start([@$words, './main'], fd => $in, err => "$dir/err",
    before => [trace_words("$dir/trace")]);
  close $in;
  is(finish($run, 60), 0, "$name: it ends");
  waitpid $writer, 0;
  my $seen = replay(content("$dir/trace"), $log, $before);
  my $real = LogTrace::total(sizes($log));
  # What somebody wrote while he was killed is not told: nothing can be compared then.
  is($seen->{total}, $real, "$name: the trace tells all") if !$how{killed};
  cmp_ok($seen->{most}, '<=', $bound, "$name: never over the bound");
  diag("$name: most $seen->{most} of $bound, $seen->{calls} calls") if $ENV{LARES_LONG} || $seen->{most} > $bound;
  cmp_ok($seen->{most}, '>', $bound / 3, "$name: near it") if !$how{spare};
}

# Numbered lines of all lengths; about as many bytes.
sub numbered {
  my ($bytes, $from) = @_;
  my ($text, $number) = ('', $from // 0);
  $text .= ++$number . ' ' . 'x' x (rand() < 0.02 ? rand 5000 : rand 200) . "\n" while length $text < $bytes;
  return $text;
}

# What one program writes that is not to end, it writes behind each file, where a line that is longer than a
# file may have been divided. Points are in no line of ours.
sub newest {
  my ($text) = @_;
  my $kept = join '', map { content("main/$_") =~ s/\.\n//gr } (grep { /^@/ } names('main')), 'current';
  return substr($text, -2000) eq substr($kept, -2000);
}

# A sample by the printed seed.
sub some { my ($count, @all) = @_; return $ENV{LARES_LONG} ? @all : (shuffle @all)[0 .. $count - 1] }

my $seed = $ENV{LARES_SEED} // time;
srand $seed;
note "seed $seed (LARES_SEED)";
chomp(my $zstd = `sh -c 'command -v zstd'` // '');

for my $case ([4096, 2], [4096, 3], [5000, 4], [20000, 6]) {
  my ($size, $number) = @$case;
  my @script = ('t', "s$size", "n$number", 'r10');
  my $bytes = 6 * $size * ($size < 9000 ? 2 : 1) + 3000;
  fresh('bound');
  chdir "$dir/bound" or die;
  my $input = numbered($bytes);
  my %words = (
    'a processor' => ['!cat; cat <&4 >/dev/null; echo state >&5'],
    'one that makes lines longer' => ['!sed "s/^/again /"; head -c 500 /dev/zero >&5'],
    $zstd ? (compression => ['z'], both => ['!tr x X', 'z']) : (),
  );
  for my $name (some(2, sort keys %words)) {
    life("s$size n$number, $name", [@script, @{ $words{$name} }], $size * $number, in => $input, spare => scalar $name =~ /^[cb]/);
  }
  chdir $dir;
}

# Programs that do what they can.
my %hostile = (
  'never ends its output' => 'cat; exec cat /dev/zero',
  'never ends its state' => 'cat; cat /dev/zero >&5',
  'ignores its limit' => 'trap "" XFSZ; cat; cat /dev/zero 2>/dev/null; cat /dev/zero >&5 2>/dev/null; exit 0',
  # Not cat, which uses copy_file_range(): that takes and sets the place in the file without the kernel's lock for
  # it, and what two processes write to one description then lands on one place.
  'writes on when it has ended' => 'for i in 1 2 3; do setsid sh -c "trap \"\" TERM HUP; while echo .; do :; done" & done; sed ""; exit 0',
  # Made anew by the program when it had been taken away, its file had room that was given to lines already.
  'writes to its file by name' => 'cat; for i in 1 2 3; do cat /dev/zero >>processed; done; exit 1',
  'makes its file again and again' => 'trap "" TERM; cat; for i in $(seq 30); do cat /dev/zero >>processed; done 2>/dev/null; exit 1',
  'is slow' => 'cat; sleep 0.1; exit 1',
);
my $ghost = 'writes on when it has ended';
my @always = ($ghost, 'makes its file again and again');
for my $name (@always, some(2, grep { my $one = $_; !grep { $_ eq $one } @always } sort keys %hostile)) {
  fresh('bound');
  chdir "$dir/bound" or die;
  my $input = numbered(25000);
  $input .= 'long ' . 'x' x 5000 . "\n" if $name eq $ghost;
  life("one that $name", ['s4096', 'n5', 'r10', "!$hostile{$name}"], 5 * 4096, in => $input, killed => scalar $name =~ /writes on/);
  ok(newest($input), "one that $name: the newest lines are there");
}

# What an earlier one has left is within the new bound before the first byte is read.
fresh('bound');
chdir "$dir/bound" or die;
is(finish(start(['s20000', 'n9', '!cat; head -c 2000 /dev/zero >&5', './main'], in => numbered(100000))), 0, 'a larger bound');
write_file("main/$_", 'x' x 7000) for qw(processed newstate compressed);
life('a smaller bound', ['s4096', 'n4', 'r10', '!cat'], 4 * 4096, in => numbered(20000));
ok(!-s 'main/state', 'a state that is too large is gone');
like(content("$dir/err"), qr/the state of the processor of .\/main was larger than an eighth of a file and is dropped/, 'and said');
write_file('main/@4fffffffffffffff00000000.s', "from the future\n");
write_file('main/previous', "of a multilog\n" x 200);
chmod 0744, 'main/previous';
my $input = numbered(20000);
life('a clock that was ahead, a multilog that died', ['s5000', 'n5', 'r10', '!cat'], 5 * 5000, in => $input);
ok(newest($input), 'the newest lines are last');
life('archives in fewer bytes', ['s5000', 'n5', 'S9000', 'r10', '!cat'], 5 * 5000, in => $input, spare => 1);
my %left = %{ sizes('main') };
my $archives = 0;
$archives += $left{$_} for grep { /^@/ } keys %left;
cmp_ok($archives, '<=', 9000, 'archives in fewer bytes: they are');
ok(newest($input), 'archives in fewer bytes: the newest lines are there');
life('no programs any more', ['s4096', 'n3'], 3 * 4096, in => $input);
chdir $dir;

nothing_left();
done_testing();
