# lares-log under fire: killed at random with and without a buffer that outlives it, its bound
# watched at every system call, disks that are full.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use LogTest;
use Test::More;
use Fcntl;
use POSIX ();

my $dir = work_dir();
my $seed = $ENV{LARES_SEED} // time;
srand $seed;
diag("seed $seed");

# Writes numbered lines until told to stop by the pipe's other end; says how many at the end.
sub writer {
  my ($feed, $lines, $pause) = @_;
  my $pid = fork // die;
  return $pid if $pid;
  $feed->autoflush(1);
  for (my $number = 0; $number < $lines;) {
    my $batch = '';
    for (1 .. 50) {
      $batch .= "$number " . 'x' x (($number * 7919) % 150) . " $number\n";
      $number++;
    }
    print {$feed} $batch;
    select undef, undef, undef, $pause;
  }
  POSIX::_exit(0);
}

# (lines seen, of these doubled or out of order, missing, damaged)
sub account {
  my ($text) = @_;
  my ($next, $wrong, $missing, $damaged, $seen) = (0, 0, 0, 0, 0);
  for my $line (split /\n/, $text) {
    my ($number, $rest, $again) = $line =~ /^(?:\@[0-9a-f]{24} )?(\d+) (x*) (\d+)$/;
    # The number twice: the end of a line, the beginning of which a killed logger has taken along,
    # is no line of a lower number.
    if (!defined $number || $number ne $again || length $rest != ($number * 7919) % 150) {
      $damaged++;
      next;
    }
    $seen++;
    $wrong++ if $number < $next;
    $missing += $number - $next if $number > $next;
    $next = $number + 1;
  }
  return ($seen, $wrong, $missing, $damaged);
}

# Numbered lines as they were before they got a format.
sub unformatted {
  my ($dir) = @_;
  return whole($dir) =~ s/^\{"time":"[^"]*".*"message":"(.*)"\}$/$1/mgr =~ s/^\S+Z web: //mgr;
}

# Kills loggers until the writer has ended; the number of kills.
sub kill_loggers {
  my ($writer, $words, %how) = @_;
  my $kills = 0;
  until (waitpid($writer, POSIX::WNOHANG) == $writer) {
    my $run = start($words, %how);
    select undef, undef, undef, rand 0.02;
    kill 'KILL', $run->{pid};
    finish($run);
    $kills++;
  }
  return $kills;
}

sub test_kill_with_buffer {
  chdir fresh('buffer') or die;
  my $lines = $ENV{LARES_LONG} ? 400000 : 60000;
  my $size = $ENV{LARES_LONG} ? 200000 : 20000; # a start lists all archives
  my @scripts = (['t', "s$size", 'n4000', './main'], ["s$size", 'n4000', './main', '-*1*', './other'],
    ["s$size", 'n4000', '-*1*', 'j', './other', '=./status', '+*', 'x', 'T', 'pweb:', 'a', 'c', './main']);
  for my $words (@scripts) {
    chdir fresh('buffer') or die;
    my ($fifo, $feed) = fifo('fifo');
    sysopen my $buffer, 'buffer', O_RDWR | O_CREAT or die;
    truncate $buffer, 40960;
    my %how = (fd => $fifo, keep => $buffer, env => { LARES_LOGBUF => fileno $buffer });
    my $kills = kill_loggers(writer($feed, $lines, 0.0005), $words, %how);
    close $feed;
    is(finish(start($words, %how, err => "$dir/err")), 0, 'the last one reaches the end');
    is(content("$dir/err"), '', 'without a complaint');
    my ($seen, $wrong, $missing, $damaged) = account(unformatted('main'));
    is("$seen lines, $wrong doubled, $missing missing, $damaged damaged",
      "$lines lines, 0 doubled, 0 missing, 0 damaged", "after $kills kills: nothing lost or doubled");
    cmp_ok($kills, '>', 20, 'it was killed');
    is(scalar(grep { /\.u$/ } names('main')), 0, 'and no file is marked as damaged');
    next if !-d 'other';
    my $others = grep { !/^\d*1/ } map { "$_ " } 0 .. $lines - 1;
    is(scalar(() = unformatted('other') =~ /^\d+ x* \d+\n/mg), $others, 'the same for the other directory');
  }
  chdir fresh('buffer') or die;
  sysopen my $garbage, 'garbage', O_RDWR | O_CREAT or die;
  syswrite $garbage, join '', map { chr rand 256 } 1 .. 20000;
  my %how = (keep => $garbage, env => { LARES_LOGBUF => fileno $garbage }, err => "$dir/err");
  is(finish(start(['./main'], in => "a\nb\n", %how)), 0, 'a buffer that holds garbage');
  like(content("$dir/err"), qr/cannot be used and is dropped/, 'is dropped with a warning');
  is(whole('main'), "a\nb\n", 'and nothing else is');
  is(finish(start(['./main'], in => "c\n", env => { LARES_LOGBUF => 99 }, err => "$dir/err")), 0, 'no buffer there');
  like(content("$dir/err"), qr/LARES_LOGBUF=99/, 'is said');
}

sub test_kill_without {
  chdir fresh('naked') or die;
  my $lines = 60000;
  my ($fifo, $feed) = fifo('fifo');
  my $words = ['t', 's20000', 'n4000', './main'];
  my $kills = kill_loggers(writer($feed, $lines, 0.0005), $words, fd => $fifo);
  close $feed;
  is(finish(start($words, fd => $fifo)), 0, 'the last one reaches the end');
  my ($seen, $wrong, $missing, $damaged) = account(whole('main'));
  is($wrong, 0, "after $kills kills without a shared buffer: nothing doubled or out of order");
  # A kill loses at most what was read and not written, and cuts at most one line.
  cmp_ok($missing, '<=', $kills * 4000, "$missing lines missing, $damaged cut: what was in memory");
  cmp_ok($damaged, '<=', 2 * $kills, 'at most one line cut by each');

  # One that certainly had written something: at random, and where writing is slow, a logger may
  # be killed each time before the first byte of a file.
  chdir fresh('marked') or die;
  ($fifo, $feed) = fifo('fifo');
  my $run = start($words, fd => $fifo);
  print {$feed} "1 x\n";
  ok(until_true(sub { -s 'main/current' }), 'a line is written');
  kill 'KILL', $run->{pid};
  finish($run);
  close $feed;
  is(finish(start($words, fd => $fifo)), 0, 'after a kill');
  is(scalar(grep { /\.u$/ } names('main')), 1, 'such files are marked');
}

# Replays what strace saw in one directory: the sizes of its files after every call.
sub replay {
  my ($trace, $number, $size) = @_;
  my (%size, %fd, $most, $largest, $calls) = ();
  ($most, $largest, $calls) = (0, 0, 0);
  for my $line (split /\n/, $trace) {
    if ($line =~ /^openat\(\d+, "(current|\@[^"]*)", [^)]*\) = (\d+)$/) { $fd{$2} = $1; $size{$1} //= 0 }
    elsif ($line =~ /^write\((\d+), .*\) = (\d+)$/) { $size{ $fd{$1} } += $2 if $fd{$1} }
    elsif ($line =~ /^close\((\d+)\) /) { delete $fd{$1} }
    elsif ($line =~ /^renameat\(\d+, "([^"]+)", \d+, "([^"]+)"\) = 0/) { $size{$2} = delete $size{$1} }
    elsif ($line =~ /^unlinkat\(\d+, "([^"]+)", 0\) = 0/) { delete $size{$1} }
    else { next }
    $calls++;
    my $total = 0;
    for (values %size) {
      $total += $_;
      $largest = $_ if $_ > $largest;
    }
    $most = $total if $total > $most;
  }
  my $total = 0;
  $total += $_ for values %size;
  return ($most, $largest, $calls, $total);
}

sub test_bound {
SKIP: {
    chomp(my $strace = `sh -c 'command -v strace'` // '');
    skip 'no strace', 1 if !$strace;
    skip 'strace cannot trace here', 1 if system("$strace -o /dev/null true 2>/dev/null");
    for my $case ([4096, 2], [5000, 3], [70000, 4]) {
      my ($size, $number) = @$case;
      chdir fresh('bound') or die;
      my $input = join '', map { 'x' x (rand() < 0.02 ? rand 9000 : rand 200) . "\n" } 1 .. 6000;
      my $run = start(['t', "s$size", "n$number", './main'], in => $input,
        env => { ASAN_OPTIONS => 'detect_leaks=0' }, # which is for ptrace too
        before => [$strace, '-s', '40', '-o', "$dir/trace", '-e', 'trace=openat,write,close,renameat,unlinkat,rename,unlink,truncate,ftruncate']);
      is(finish($run, 60), 0, "s$size n$number under strace");
      my ($most, $largest, $calls, $total) = replay(content("$dir/trace"), $number, $size);
      my $real = 0;
      $real += -s "main/$_" for names('main');
      is($total, $real, 'the trace tells all');
      cmp_ok($calls, '>', 40, 'and much');
      cmp_ok($most, '<=', $size * $number, 'never over the bound');
      cmp_ok($most, '>', $size * $number * 0.8, 'near it');
      cmp_ok($largest, '<=', $size, 'no file too large');
      cmp_ok(scalar(grep { $_ ne 'lock' } names('main')), '<=', $number, 'nor too many');
      # The newest lines are there.
      my $kept = whole('main') =~ s/^\@[0-9a-f]{24} //mgr;
      ok(substr($input, -1000) eq substr($kept, -1000), 'the newest lines are kept');
    }
  }
}

sub test_full_disk {
SKIP: {
    my $mount = fresh('disk');
    skip 'not root: no small file system to be had', 1 if $>;
    skip 'mounting is refused', 1 if system("mount -t tmpfs -o size=64k,mode=755 none '$mount' 2>/dev/null");
    my $unmount = sub { chdir $dir; system('umount', $mount) };
    eval {
      chdir $dir or die;
      my ($fifo, $feed) = fifo("$dir/disk.fifo");
      my $run = start(['t', 's9000000', 'n10', "$mount/main"], fd => $fifo, err => "$dir/err");
      ok(until_true(sub { -e "$mount/main/current" }), 'it starts');
      write_file("$mount/filler", 'f' x 20000);
      my $writer = writer($feed, 30000, 0);
      ok(until_true(sub { content("$dir/err") =~ /No space left/ }), 'a full disk is said');
      is(waitpid($writer, POSIX::WNOHANG), 0, 'and makes the writer wait');
      select undef, undef, undef, 1.5;
      is(scalar(() = content("$dir/err") =~ /No space left/g), 1, 'said once');
      unlink "$mount/filler";
      system("mount -o remount,size=9m '$mount'");
      ok(until_true(sub { content("$dir/err") =~ /again after \d+ ms, nothing lost/ }), 'it goes on by itself');
      waitpid $writer, 0;
      ok(until_true(sub { content("$mount/main/current") =~ / 29999 x* 29999\n\z/ }), 'to the last line');
      my ($seen, $wrong, $missing, $damaged) = account(whole("$mount/main"));
      is("$seen $wrong $missing $damaged", '30000 0 0 0', 'nothing lost, doubled or cut');
      # Full again, and told to end.
      system("mount -o remount,size=64k '$mount' 2>/dev/null");
      fill_disk("$mount/filler");
      print {$feed} "30000 last\n" x 3000;
      ok(until_true(sub { content("$dir/err") =~ /No space left.*No space left/s }), 'full again');
      kill 'TERM', $run->{pid};
      select undef, undef, undef, 0.5;
      is(waitpid($run->{pid}, POSIX::WNOHANG), 0, 'TERM waits for the disk');
      kill 'TERM', $run->{pid};
      is(finish($run), 111 << 8, 'a second one does not: exit 111');
      like(content("$dir/err"), qr{told to end while \S+/main could not be written: \d+ bytes not written}, 'and says so');
      1;
    } or fail("full disk: $@");
    is($unmount->(), 0, 'unmounted');
  }
}

# What ends within a line may be compressed when the rest of that is dropped and told.
sub test_dropping_behind_compressed {
SKIP: {
    skip 'no gzip', 1 if system('gzip --version >/dev/null 2>&1');
    my $mount = fresh('packed');
    skip 'not root: no small file system to be had', 1 if $>;
    skip 'mounting is refused', 1 if system("mount -t tmpfs -o size=400k,mode=755 none '$mount' 2>/dev/null");
    for my $way (['in part', 'x' x 300_000], ['whole', 'x' x 300_000 . "\n"]) {
      my ($what, $text) = @$way;
      chdir $dir or die;
      unlink "$dir/packed.fifo", "$dir/err";
      File::Path::remove_tree("$mount/main");
      my ($fifo, $feed) = fifo("$dir/packed.fifo");
      my $run = start(['o', 'r20', 's65536', 'zgzip', "$mount/main"], fd => $fifo, err => "$dir/err");
      print {$feed} $text;
      my $rotated = until_true(sub {
        kill 'ALRM', $run->{pid};
        my @archives = grep { /^@/ } names("$mount/main");
        @archives >= 4 && !-s "$mount/main/current" && !grep { !/\.gz$/ } @archives;
      });
      ok($rotated, "a line $what: all is compressed");
      fill_disk("$mount/filler");
      my $writer = writer($feed, 30000, 0);
      waitpid $writer, 0;
      ok(until_true(sub { content("$dir/err") =~ /lines are dropped/ }), 'the disk is full, lines are dropped');
      unlink "$mount/filler";
      ok(until_true(sub { content("$dir/err") =~ /what was dropped is said there/ }), 'there is room again');
      close $feed;
      close $fifo;
      is(finish($run), 0, 'the end');
      my $all = join '', map { /gz$/ ? scalar `gzip -dc '$mount/main/$_'` : content("$mount/main/$_") } (grep { /^@/ } names("$mount/main")), 'current';
      ok($all =~ /x\nlares-log: \d+ lines, /, "behind a line $what it is told on a line of its own");
    }
    chdir $dir;
    is(system('umount', $mount), 0, 'unmounted');
  }
}

# With o a full disk costs lines, which are counted and told, and holds up nobody.
sub test_dropping {
SKIP: {
    my $mount = fresh('drops');
    skip 'not root: no small file system to be had', 1 if $>;
    skip 'mounting is refused', 1 if system("mount -t tmpfs -o size=400k,mode=755 none '$mount' 2>/dev/null");
    eval {
      chdir $dir or die;
      my ($fifo, $feed) = fifo("$dir/drops.fifo");
      my $run = start(['o', 'r20', 's9000000', "$mount/main", 'b', 'n1000', './kept'], fd => $fifo, err => "$dir/err");
      my $writer = writer($feed, 30000, 0);
      waitpid $writer, 0;
      ok(until_true(sub { whole('kept') =~ /^29999 x* 29999\n\z/m }), 'a full disk with o: the other directory gets all');
      like(content("$dir/err"), qr/lines are dropped when there is no more room for them: No space left/, 'it is said');
      system("mount -o remount,size=9m '$mount'");
      ok(until_true(sub { content("$dir/err") =~ /again after \d+ ms; what was dropped is said there/ }), 'it goes on without further input');
      like(content("$mount/main/current"), qr/^lares-log: \d+ lines, \d+ bytes, were dropped here/m, 'and tells in the log');
      print {$feed} "30000  30000\n";
      close $feed;
      close $fifo;
      is(finish($run), 0, 'the end');
      my $text = whole("$mount/main");
      my $dropped = 0;
      $dropped += $1 while $text =~ s/^lares-log: (\d+) lines, .*\n//m;
      my ($seen, $wrong, $missing, $damaged) = account($text);
      is("$missing $wrong $damaged", "$dropped 0 0", 'as many as are missing');
      cmp_ok($dropped, '>', 1000, 'and those were many');
      1;
    } or fail("dropping: $@");
    chdir $dir;
    is(system('umount', $mount), 0, 'unmounted');
  }
}

test_kill_with_buffer();
test_kill_without();
test_bound();
test_full_disk();
test_dropping();
test_dropping_behind_compressed();
nothing_left();
done_testing();
