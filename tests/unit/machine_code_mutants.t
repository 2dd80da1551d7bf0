# Are the tests of the state machine able to fail? machine_mutants.c plants faults in the table;
# here they are planted in the code around it: each is one replacement in a copy of machine.c,
# with which tests/unit/machine or tests/unit/machine_ends has to fail. Every 5th by default, all
# with LARES_LONG.

use strict;
use warnings;
use Test::More;
use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp qw(tempdir);

my @faults = (
  ['m->early = machine_early_after(m, !!(facts & FACT_EARLY));', 'm->early = 0;'],
  ['m->early == MACHINE_EARLY_MAX ? m->early : ', ''],
  ['if (!early) return 0;', 'if (!early) return m->early;'],
  ['if (facts & FACT_FINISH) m->flags |= FLAG_OWED;', 'm->flags |= FLAG_OWED;'],
  ['(FLAG_PAUSED | FLAG_READY)', '(FLAG_READY)'],
  ['(FLAG_PAUSED | FLAG_READY)', '(FLAG_PAUSED)'],
  ['m->flags &= (uint8_t)~FLAG_OWED;', ';'],
  ['m->role = ROLE_NONE;', ';'],
  ['if (m->stop != STOP_FULL) {', 'if (1) {'],
  ['if (deeds & DO_RESET) m->early = 0;', ''],
  ['if (deeds & DO_REST_KILL) m->flags |= FLAG_KILLED;', ''],
  ['if (deeds & DO_SEND_STOP) m->flags |= FLAG_PAUSED;', ''],
  ['(DO_SEND_CONT | DO_SEND_DOWN)', 'DO_SEND_CONT'],
  ['if (m->state != STATE_UP) m->flags', 'if (m->state == STATE_DOWN) m->flags'],
  ['m->stop = STOP_NONE;', ';'],
  ['~(FLAG_KILLED | FLAG_OWED)', '~FLAG_KILLED'],
  ['~(FLAG_KILLED | FLAG_OWED)', '~FLAG_OWED'],
  ['if (m->want == WANT_ONCE) word', 'if (m->want == WANT_UP) word'],
  ['if (m->role != ROLE_NONE) word', 'if (m->role == ROLE_NONE) word'],
  ['before->want != after->want ||', ''],
  ['before->role != after->role ||', ''],
  ['FLAG_PAUSED | FLAG_LEAVING | FLAG_READY;', 'FLAG_LEAVING | FLAG_READY;'],
  ['event == EVENT_FORKED ||', ''],
  ['(MACHINE_SPAWNS | DO_DEATH)', '(DO_DEATH)'],
  ['m->state == STATE_DOWN && !(m->flags & FLAG_LEAVING);', '1;'],
  ['return m->role == ROLE_START;', 'return m->role != ROLE_NONE;'],
  ['return m->role == ROLE_RUN;', 'return 1;'],
  ['m->role != ROLE_NONE && m->state != STATE_STOPPING', 'm->state != STATE_STOPPING'],
  ['m->flags & FLAG_LEAVING && m->state != STATE_DOWN && !full', '0'],
  ['m->flags & FLAG_KILLED && !full', '0'],
  ['finishing && !(m->flags & FLAG_OWED)', '0'],
  ['m->flags & FLAG_PAUSED || m->stop == STOP_NONE', 'm->stop == STOP_NONE'],
  ['if (stopping && m->role == ROLE_NONE) return full;', ''],
  ['if (stopping) return !(m->flags & FLAG_OWED);', ''],
  ['return m->want == WANT_UP;', 'return 1;'],
  ['return m->want != WANT_DOWN;', 'return 1;'],
  ['m->want > WANT_ONCE || ', ''],
  ['m->flags >= FLAG_KILLED << 1 || ', ''],
);

my $source = $ENV{LARES_SOURCE} // '.';
my $dir = tempdir('machine.XXXXXX', TMPDIR => 1, CLEANUP => 1);
my @flags = (qw(-std=c11 -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700 -O1 -w),
  qw(-Isrc/include -Itests/lib));

make_path(map { "$dir/$_" } qw(src/machine src/include/lares tests/lib tests/unit doc));
for (glob("$source/src/machine/*"), glob("$source/src/include/lares/*"),
  glob("$source/tests/lib/*.h"), glob("$source/tests/unit/machine*.c"), "$source/doc/machine.txt") {
  copy($_, $dir . substr($_, length $source)) or die "copy $_: $!";
}
chdir $dir or die;
$ENV{LARES_SOURCE} = $dir;
open my $file, '<', 'src/machine/machine.c' or die;
my $machine = do { local $/; <$file> };
close $file;

# 1: a test failed, 0: none did
sub is_noticed {
  my ($text) = @_;
  open my $out, '>', 'src/machine/machine.c' or die;
  print $out $text;
  close $out or die;
  for my $test (qw(machine machine_ends)) {
    system($ENV{LARES_CC} // 'cc', @flags, '-o', $test, "tests/unit/$test.c",
      'src/machine/machine.c', 'src/machine/print.c') == 0 or die "does not compile\n";
    # A fault may make it run for ever.
    return 1 if system("timeout 60 ./$test >out 2>&1") != 0;
  }
  return 0;
}

ok(!is_noticed($machine), 'the code as it is passes');
my $stride = $ENV{LARES_LONG} ? 1 : 5;
for my $i (0 .. $#faults) {
  my ($old, $new) = @{$faults[$i]};
  # The formatter may have broken the line at any blank.
  my $pattern = join '\s+', map { quotemeta } split ' ', $old;
  my $text = $machine;
  my $planted = $text =~ s/$pattern/$new/;
  ok($planted, "there is: $old") if !$planted || $i % $stride == 0;
  next if !$planted || $i % $stride;
  ok(is_noticed($text), "noticed: '$new' for it");
}
chdir '/';
done_testing;
