# lares-log as a program: usage, what it shares with multilog (and byte for byte the same output),
# signals, other writers, a current that vanishes, idleness.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use LogTest;
use Test::More;
use Fcntl;
use POSIX ();
use Time::HiRes ();

my $dir = work_dir();

sub refused {
  my ($words, $code, $message, $name) = @_;
  my $run = start($words, in => '', err => "$dir/err");
  is(finish($run), $code << 8, "$name: exit $code");
  like(content("$dir/err"), $message, "$name: says why");
}

# Goes on with these words and this input, and says just that.
sub warned {
  my ($words, $in, $name, @said) = @_;
  my $run = start($words, in => $in, err => "$dir/err");
  is(finish($run), 0, $name);
  is(content("$dir/err"), join('', map { "lares-log: warning: $_\n" } @said), 'and said');
}

sub test_refusals {
  chdir fresh('refusals') or die;
  refused([], 100, qr/^lares-log: usage: .*DIRECTORY/s, 'no script');
  refused(['t', 'k', './main'], 100, qr/word 2, "k": expected one of t, T, pPREFIX/, 'unknown word');
  refused(['sbig', './main'], 100, qr/word 1, "sbig": expected a decimal number/, 'bad number');
  refused(['t'], 100, qr/missing an action: a directory, 1, 2/, 'no action');
  ok(!-e 'main', 'and nothing was made');
  refused(['./no/where'], 111, qr{unable to create directory ./no/where: No such file}, 'no parent');
  write_file('file', 'x');
  refused(['./file'], 111, qr{unable to open directory ./file: Not a directory}, 'a file');
  # It said that another log writer uses it.
  refused(['./a', './a'], 100, qr{script: ./a and ./a are the same directory}, 'one directory twice');
  symlink 'a', 'b' or die;
  refused(['./a', './b'], 100, qr{script: ./a and ./b are the same directory}, 'a link to it');
  my ($fifo, $feed) = fifo('fifo');
  my $first = start(['./c'], fd => $fifo);
  ok(until_true(sub { -e 'c/current' }), 'a log writer runs');
  refused(['./a', './c'], 111, qr{unable to lock directory ./c: another log writer}, 'the directory of another');
  kill 'TERM', $first->{pid};
  finish($first);
  # It named neither the position nor the number used, and of l1000000 nothing was said.
  warned(['s10', './clamped'], "x\n", 'a size that is too small is moved', 'script word 1, "s10": number out of range, 4096 is used');
  warned(['t', 'l1000000', 'n1', './clamped'], "x\n", 'an l that is larger than half of s is moved',
    'script word 3, "n1": number out of range, 2 is used', 'script word 2, "l1000000": number out of range, 49999 is used');
  write_file('clamped/config', "# mine\ns7\n");
  warned(['./clamped'], "x\n", 'in a config too', './clamped/config line 2, "s7": number out of range, 4096 is used');
  # They held for nothing, without a word.
  warned(['t', './behind', 's5000', '-a*'], "ab\n", 'words behind the last action are accepted',
    'script word 3, "s5000": no action follows, it holds for nothing', 'script word 4, "-a*": no action follows, it holds for nothing');
  is(masked('behind/current'), "@ ab\n", 'they hold for nothing');
SKIP: {
    skip 'not root: nobody to become', 2 if $>;
    mkdir 'readonly' or die;
    chmod 0555, 'readonly';
    my $other = start(['./readonly'], in => '', err => "$dir/err", uid => 65534);
    is(finish($other), 111 << 8, 'a directory that may not be written');
    like(content("$dir/err"), qr/unable to lock directory .\/readonly: Permission denied/, 'is said');
  }
}

# "No such device or address", it said, of what an earlier run left.
sub test_no_files {
  chdir fresh('kinds') or die;
  for my $name (qw(current lock)) {
    my %make = (FIFO => sub { POSIX::mkfifo($_[0], 0644) }, directory => sub { mkdir $_[0] },
      link => sub { write_file('elsewhere', "kept\n"); symlink '../elsewhere', $_[0] });
    for my $kind (sort keys %make) {
      mkdir "$name-$kind" or die;
      $make{$kind}->("$name-$kind/$name");
      refused(["./$name-$kind"], 111, qr{$name is no regular file in ./$name-$kind; remove it}, "$name is a $kind");
    }
    is(content('elsewhere'), "kept\n", 'what a link leads to is as it was');
  }
  # It said "current is no regular file" of them all, and who obeyed removed a good log.
  for my $name (qw(processed newstate compressed blocked)) {
    mkdir "in-$name" or die;
    write_file("in-$name/current", "good\n");
    chmod 0744, "in-$name/current";
    mkdir "in-$name/$name" or die;
    refused(["./in-$name"], 111, qr{: $name is no regular file in ./in-$name; remove it$}, "$name is a directory");
    is(content("in-$name/current"), "good\n", 'and current is as it was');
  }
  mkdir "in-$_" or die for qw(previous previous/previous);
  write_file('in-previous/processed', "done\n");
  chmod 0744, 'in-previous/processed';
  refused(['./in-previous'], 111, qr{: previous is no regular file in ./in-previous; remove it$}, 'previous is a directory');
  # "unable to start a program", it said, and "Is a directory", of no file.
  mkdir "in-$_" or die for qw(state state/state);
  my $run = start(['s4096', '!cat', './in-state'], in => "0123456789\n" x 1000, err => "$dir/err");
  is(finish($run), 0, 'state is a directory');
  like(content("$dir/err"), qr{error log state is no regular file in ./in-state, finished files are not worked on until it is removed$}m, 'is said');
  is(whole('in-state'), "0123456789\n" x 1000, 'and costs no line');
  mkdir 'lock-read' or die;
  my ($fifo, $feed) = fifo('lock-read/lock');
  refused(['./lock-read'], 111, qr{lock is no regular file in ./lock-read; remove it}, 'lock is a FIFO that somebody reads');
}

sub test_input_kinds {
  chdir fresh('input') or die;
  open my $here, '<', '.' or die;
  my $run = start(['./main'], fd => $here, err => "$dir/err");
  is(finish($run), 100 << 8, 'standard input is a directory: exit 100');
  like(content("$dir/err"), qr/standard input is a directory; lines are expected/, 'and said');
  open my $null, '>', '/dev/null' or die;
  $run = start(['./main'], fd => $null, err => "$dir/err");
  is(finish($run), 100 << 8, 'standard input cannot be read: exit 100');
  like(content("$dir/err"), qr/standard input is open for writing only/, 'and said');
}

sub test_files {
  chdir fresh('files') or die;
  is(finish(start(['t', './main'], in => "hello\nworld\npartial")), 0, 'end of input: exit 0');
  is(masked('main/current'), "@ hello\n@ world\n@ partial\n", 'lines, and the end of the last one');
  is(mode('main'), 0700, 'mode of the directory');
  is(mode('main/current'), 0744, 'mode of a current that was closed');
  is(mode('main/lock'), 0600, 'mode of lock');
  is(join(' ', names('main')), 'current lock', 'and no other file');
  is(finish(start(['./main'], in => '')), 0, 'no input');
  is(masked('main/current'), "@ hello\n@ world\n@ partial\n", 'nothing added');
  is(finish(start(['T', './main'], in => "iso\n")), 0, 'T');
  like(content('main/current'), qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z iso$/m, 'is ISO 8601');
  chmod 0644, 'main/current';
  is(finish(start(['./main'], in => "after\n")), 0, 'after a crash');
  my ($crashed) = grep { /^\@[0-9a-f]{24}\.u$/ } names('main');
  ok($crashed, 'current becomes @....u');
  is(content('main/current'), "after\n", 'and begins anew');
  is(finish(start(['./closed'], in => undef)), 0, 'standard input closed: as if it were empty');
}

# Below a file size limit no file ends in the middle of a line.
sub test_file_limit {
  chdir fresh('limit') or die;
  my $run = start(['s1000000', 'n100', './main'], in => join('', map { "$_\n" } 1 .. 20000), err => "$dir/err",
    before => ['sh', '-c', 'ulimit -f 16; exec "$@"', 'sh']);
  is(finish($run), 0, 'a file size limit');
  like(content("$dir/err"), qr{files of ./main are kept to the file size limit}, 'is said');
  is(scalar(grep { !/\n\z/ } map { content("main/$_") } grep { !/lock/ } names('main')), 0, 'lines are whole');
  is(whole('main'), join('', map { "$_\n" } 1 .. 20000), 'and all there');
}

# Lines of stamped files rise, and so do the files' names, which are later than their lines.
sub test_rising {
  chdir fresh('rising') or die;
  is(finish(start(['t', 's4096', 'n400', './main'], in => join('', map { "$_\n" } 1 .. 20000))), 0, 'many lines');
  my ($last, $number, $wrong) = ('', 0, 0);
  for my $name (names('main')) {
    next if $name eq 'lock';
    $wrong++ if -s "main/$name" > 4096;
    for my $line (split /\n/, content("main/$name")) {
      my ($stamp, $text) = split / /, $line;
      $wrong++ if $stamp le $last || $text != ++$number;
      $last = $stamp;
    }
    $wrong++ if $name ne 'current' && substr($name, 0, 25) lt $last;
  }
  is($wrong, 0, 'in order, stamps strictly rising, within files that are named after them');
  is($number, 20000, 'all of them');
}

# Each read begins with the time, the lines behind it are a nanosecond later each.
sub test_gathering {
  chdir fresh('gathering') or die;
  my ($fifo, $feed) = fifo('fifo');
  my $run = start(['t', 's16777215', './main'], fd => $fifo);
  close $fifo;
  ok(until_true(sub { -e 'main/current' }), 'a log writer runs');
  my $most = 50_000;
  my $began = Time::HiRes::time();
  for my $line (1 .. $most) { syswrite $feed, "$line\n" }
  my $each = (Time::HiRes::time() - $began) / $most * 1e6;
  close $feed;
  is(finish($run), 0, 'each line was written on its own');
  my ($reads, $number, $last, $wrong) = (0, 0, 0, 0);
  for my $line (split /\n/, content('main/current')) {
    my ($seconds, $ns, $text) = $line =~ /^\@4([0-9a-f]{15})([0-9a-f]{8}) (\d+)$/ or $wrong++, next;
    my $time = hex($seconds) * 1_000_000_000 + hex $ns;
    $wrong++ if $text != ++$number;
    $reads++ if $time != $last + 1;
    $last = $time;
  }
  is("$number $wrong", "$most 0", 'all are there, in order');
SKIP: {
    skip sprintf('a line took %.1f us to write, few can come within a moment', $each), 1 if $each > 5;
    cmp_ok($reads, '<', $most / 20, 'and was not read on its own') or diag("$reads reads");
  }
}

# Letters that are no digits of a stamp: otherwise a pattern would sometimes match the time.
sub random_line {
  my ($kind, $length) = (rand, int rand 80);
  $length = 900 + int rand 300 if $kind < 0.05;
  $length = 3000 + int rand 9000 if $kind < 0.01;
  my $line = join '', map { chr(119 + rand 4) } 1 .. $length;
  substr($line, rand $length, 1) = ("\0", '*', ' ', ':', "\xff", "\r")[rand 6] if $length && $kind < 0.3;
  return $line;
}

sub random_script {
  my @words = rand() < 0.5 ? ('t') : ();
  my $stamped = @words;
  for my $n (1 .. 1 + rand 3) {
    for (1 .. rand 4) {
      my $pattern = join '', map { ('*', 'w', 'x', 'y', ' ', ':', '**', '*w*')[rand 8] } 1 .. 1 + rand 4;
      $pattern = "*$pattern" if $stamped && rand() < 0.8;
      push @words, (rand() < 0.5 ? '-' : '+') . $pattern;
    }
    push @words, 's' . (4096 + int rand 9000) if rand() < 0.7;
    push @words, 'n500', "./d$n";
  }
  return @words;
}

# Where files end differs, with l2000 too (lares-log(8), NOTES): what they hold together is compared.
sub test_multilog {
  my $multilog = peer('multilog');
SKIP: {
    skip "no multilog: it is not unpacked in LARES_PEERS", 1 if !$multilog;
    my $seed = $ENV{LARES_SEED} // time;
    srand $seed;
    my $wrong = 0;
    for my $case (1 .. ($ENV{LARES_LONG} ? 600 : 60)) {
      my @words = random_script();
      my $input = join '', map { random_line() . "\n" } 1 .. rand 400;
      chomp $input if rand() < 0.3;
      my @all;
      for my $program (undef, $multilog) {
        chdir fresh('multilog') or die;
        my $status = finish(start(\@words, in => $input, program => $program));
        push @all, join "\n==\n", $status, map { mask(whole("d$_")) } grep { -d "d$_" } 1 .. 3;
      }
      next if $all[0] eq $all[1];
      $wrong++;
      diag("seed $seed, case $case: @words");
    }
    is($wrong, 0, 'the same as multilog, stamps masked');
    # Each goes on with what the other left.
    chdir fresh('shared') or die;
    finish(start(['s4096', 'n9', './main'], in => "one\n" x 2000, program => $multilog));
    finish(start(['s4096', 'n9', './main'], in => "two\n" x 2000));
    finish(start(['s4096', 'n9', './main'], in => "three\n" x 500, program => $multilog));
    is(whole('main'), "one\n" x 2000 . "two\n" x 2000 . "three\n" x 500, 'each goes on with the other one\'s directory');
  }
}

sub test_signals {
  chdir fresh('signals') or die;
  my ($fifo, $feed) = fifo('fifo');
  my $run = start(['t', './main'], fd => $fifo);
  print {$feed} "one\n";
  ok(until_true(sub { -s 'main/current' }), 'a line arrives');
  kill 'HUP', $run->{pid};
  kill 'ALRM', $run->{pid};
  ok(until_true(sub { grep { /\.s$/ } names('main') }), 'ALRM begins a new file');
  kill 'ALRM', $run->{pid};
  print {$feed} "two\npart";
  ok(until_true(sub { content('main/current') =~ /two/ }), 'HUP is ignored, the next line arrives');
  is(scalar(grep { /\.s$/ } names('main')), 1, 'ALRM on an empty current does nothing');
  is(mode('main/' . (names('main'))[0]), 0744, 'mode of an archive');
  kill 'STOP', $run->{pid};
  print {$feed} "ial\nthree\nfour";
  kill 'TERM', $run->{pid};
  kill 'CONT', $run->{pid};
  is(finish($run), 0, 'TERM: exit 0');
  is(mask(whole('main')), "@ one\n@ two\n@ partial\n@ three\n@ four\n", 'after everything that was in the pipe');
  is(mode('main/current'), 0744, 'current is closed');
  ok(!(fcntl($fifo, F_GETFL, 0) & O_NONBLOCK), 'the inherited description is still blocking');
}

# Restarted again and again under a writer that never stops: no line is cut, none lost.
sub test_handover {
  chdir fresh('handover') or die;
  my ($fifo, $feed) = fifo('fifo');
  my $writer = fork // die;
  if (!$writer) {
    my $number = 0;
    $feed->autoflush(1);
    for my $batch (1 .. 4000) {
      print {$feed} join '', map { $number++ . ' ' . 'x' x ($number % 97) . "\n" } 1 .. 10;
      select undef, undef, undef, 0.001 if $batch % 10 == 0;
    }
    POSIX::_exit(0);
  }
  my ($run, $restarts, $good) = (undef, 0, 1);
  do {
    $run = start(['s100000', 'n100', './main'], fd => $fifo);
    select undef, undef, undef, 0.002 * ($restarts % 5);
    kill 'TERM', $run->{pid};
    # Also before it can trap it: a death by TERM then is as good.
    my $status = finish($run);
    $good = 0 if $status != 0 && $status != POSIX::SIGTERM;
    $restarts++;
  } until (waitpid($writer, POSIX::WNOHANG) == $writer);
  close $feed;
  finish(start(['s100000', 'n100', './main'], fd => $fifo));
  my ($number, $wrong) = (0, 0);
  for my $line (split /\n/, whole('main')) {
    my $want = "$number " . 'x' x (($number + 1) % 97);
    $wrong++ if $line ne $want;
    $number++;
  }
  ok($good && $restarts > 10, 'all left in order');
  is($wrong, 0, "lines whole and in order over $restarts loggers");
  is($number, 40000, 'all of them');
}

sub test_vanished {
  chdir fresh('vanished') or die;
  my ($fifo, $feed) = fifo('fifo');
  my $run = start(['./main'], fd => $fifo);
  print {$feed} "first\n";
  ok(until_true(sub { -s 'main/current' }), 'a line arrives');
  unlink 'main/current' or die;
  ok(until_true(sub { print {$feed} "more\n"; -e 'main/current' }), 'a current that was removed comes back');
  rename 'main/current', 'main/current.1' or die;
  ok(until_true(sub { print {$feed} "more\n"; -e 'main/current' }), 'and one that was renamed');
  close $feed;
  close $fifo;
  is(finish($run), 0, 'exit 0 at the end');
}

sub test_replaced {
  chdir fresh('replaced') or die;
  my ($fifo, $feed) = fifo('fifo');
  my $run = start(['./main'], fd => $fifo, err => "$dir/err");
  print {$feed} "first\n";
  ok(until_true(sub { -s 'main/current' }), 'a line arrives');
  unlink 'main/current' or die;
  POSIX::mkfifo('main/current', 0644) or die;
  my $written = 0;
  ok(until_true(sub { print {$feed} $written++, "\n"; content("$dir/err") =~ /current is no regular file in .\/main, \d+ bytes are held.*it is to be removed$/m }),
    'current is replaced by a FIFO: said');
  unlink 'main/current' or die;
  close $feed;
  close $fifo;
  is(finish($run), 0, 'it goes on when that is removed');
  like(content('main/current'), qr/^(\d+\n)+\z/, 'lines are there');
  like(content('main/current'), qr/^@{[$written - 1]}\n\z/m, 'to the last');
}

sub test_idle {
  chdir fresh('idle') or die;
  my ($fifo, $feed) = fifo('fifo');
  my $run = start(['./main'], fd => $fifo);
  print {$feed} "first\n";
  ok(until_true(sub { -s 'main/current' }), 'a line arrives');
SKIP: {
    my $status = "/proc/$run->{pid}/status";
    skip 'no /proc', 1 if !-r $status;
    until_true(sub { content($status) =~ /^State:\s+S/m });
    my $switches = sub { join ' ', content($status) =~ /ctxt_switches:\s+(\d+)/g };
    my $before = $switches->();
    sleep 2;
    is($switches->(), $before, 'no wake-up while nothing comes');
  }
  kill 'INT', $run->{pid};
  is(finish($run), 0, 'INT is as TERM');
}

test_refusals();
test_no_files();
test_input_kinds();
test_files();
test_rising();
test_file_limit();
test_gathering();
test_multilog();
test_signals();
test_handover();
test_vanished();
test_replaced();
test_idle();
nothing_left();
done_testing();
