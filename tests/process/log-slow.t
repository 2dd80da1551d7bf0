# A disk that is slow, or does not answer at all, under a logger whose script may drop (o): who
# writes lines does not wait for it, and what is missing is counted to the byte. The disk is a
# file system in a file, which is frozen; and, by strace, single calls that take their time.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use LogTest;
use Lares::Mounts;
use Test::More;
use Fcntl;
use Time::HiRes ();

my $dir = work_dir();
my $seed = $ENV{LARES_SEED} // time;
srand $seed;
diag("seed $seed");

# Thaws, whatever becomes of us: it ends with the pipe.
my $freezer;
sub freeze {
  my ($where) = @_;
  open $freezer, '|-', 'sh', '-c', 'fsfreeze -f "$0" && : >frozen && read x; fsfreeze -u "$0"', $where or die "sh: $!";
  return until_true(sub { -e 'frozen' });
}
sub thaw { unlink 'frozen'; return close $freezer }

sub children_of {
  my ($pid) = @_;
  return split ' ', content("/proc/$pid/task/$pid/children");
}

# A log writer with a buffer that outlives it.
sub logger {
  my ($fifo, @words) = @_;
  sysopen my $buffer, 'buffer', O_RDWR | O_CREAT or die;
  truncate $buffer, 40960;
  return start([@words], fd => $fifo, keep => $buffer, env => { LARES_LOGBUF => fileno $buffer }, err => "$dir/err");
}

# Numbered lines, by a process of its own: that it ends says that it did not wait for ever.
my $next = 0;
sub writer {
  my ($feed, $lines) = @_;
  my $first = $next;
  $next += $lines;
  my $pid = fork // die;
  return { pid => $pid } if $pid;
  close $freezer if $freezer; # or it would not see that we are done with it
  for my $number ($first .. $next - 1) { syswrite $feed, "$number " . 'x' x ($number * 7919 % 150) . "\n" }
  POSIX::_exit(0);
}
sub ends {
  my ($writer, $name) = @_;
  ok(until_true(sub { waitpid($writer->{pid}, POSIX::WNOHANG()) == $writer->{pid} }, 60), $name);
}

# Lines that are there once, in order; those that are said to be missing are those that are not.
sub account {
  my ($where, $name) = @_;
  my ($expected, $wrong, $dropped, $bytes, $missing, $missing_bytes, $notices) = (0) x 7;
  for my $line (split /\n/, whole($where)) {
    $line =~ s/^\@[0-9a-f]{24} // or $wrong++;
    if ($line =~ /^lares-log: (\d+) lines, (\d+) bytes, were dropped here/) { $dropped += $1; $bytes += $2; $notices++; next }
    my ($number) = $line =~ /^(\d+) x*\z/ or do { $wrong++; diag("odd: $line") if $wrong < 5; next };
    $wrong++ if $number < $expected || $line ne "$number " . 'x' x ($number * 7919 % 150);
    $missing_bytes += length("$_ ") + $_ * 7919 % 150 + 1 for $expected .. $number - 1;
    $missing += $number - $expected;
    $expected = $number + 1;
  }
  is("$wrong $expected", "0 $next", "$name: lines are whole, in order, and the last is there");
  return [$dropped, $bytes, $missing, $missing_bytes, $notices];
}

sub test_frozen {
  my ($kills) = @_;
  my $name = $kills ? 'frozen, with kills' : 'frozen';
  chdir fresh('frozen') or die;
  $next = 0;
SKIP: {
    skip "$name: $Lares::Mounts::why", 4 if !mount_image("$dir/frozen/disk", 'ext4', 131072);
    my ($fifo, $feed) = fifo('fifo');
    my @words = ('t', 'o', 's1000000', 'n100', './disk/main');
    my $run = logger($fifo, @words);
    ends(writer($feed, 1000), "$name: a writer");
    ok(until_true(sub { content('disk/main/current') =~ /^\@\w+ 999 /m }), "$name: is logged");
    for my $round (1 .. ($ENV{LARES_LONG} ? 20 : 3)) {
      if (!freeze('disk')) { fail("$name: freezing"); last }
      my $writing = writer($feed, 30000);
      if ($kills) {
        my ($deputy) = children_of($run->{pid});
        select undef, undef, undef, rand 0.9; # a moment before or while it reads
        kill 'KILL', $deputy if $deputy;
      } else {
        ends($writing, "$name: a writer does not wait for the disk");
      }
      thaw();
      ends($writing, "$name: a writer ends") if $kills;
      if ($kills) {
        select undef, undef, undef, rand 0.02; # while it comes back
        kill 'KILL', $run->{pid};
        finish($run);
        $run = logger($fifo, @words);
      }
    }
    ends(writer($feed, 10), "$name: a last writer");
    my $last = $next - 1;
    ok(until_true(sub { content('disk/main/current') =~ /^\@\w+ $last /m }), "$name: and is logged");
    kill 'TERM', $run->{pid};
    is(finish($run), 0, "$name: it ends");
    my ($dropped, $bytes, $missing, $missing_bytes) = @{ account('disk/main', $name) };
    cmp_ok($dropped, '>', 1000, "$name: much was dropped") if !$kills;
    # What the buffer had and dropped itself is counted as it would have been written.
    is("$dropped lines", "$missing lines", "$name: as many as it says");
    is("$bytes bytes", "$missing_bytes bytes", "$name: to the byte") if !$kills;
    chdir $dir;
    unmount("$dir/frozen/disk");
  }
}

# Calls that take long. The disk is what it is: one call in a hundred takes two seconds.
sub test_slow_calls {
  my ($strace) = grep { -x } map { "$_/strace" } split /:/, $ENV{PATH};
SKIP: {
    skip 'strace is not installed', 4 if !$strace;
    chdir fresh('slow') or die;
    skip 'tracing is refused', 4 if system("$strace -o /dev/null true 2>/dev/null") != 0;
    $next = 0;
    my ($fifo, $feed) = fifo('fifo');
    my @words = ('t', 'o', 's1000000', 'n9', './main');
    my $run = start([@words], fd => $fifo, err => "$dir/err", before => [$strace, '-o', 'trace', '-e', 'trace=write',
        '-P', "$dir/slow/main/current", '-e', 'inject=write:delay_enter=2000000:when=3+20']);
    ok(until_true(sub { children_of($run->{pid}) && -e 'main/current' }), 'slow calls: it runs');
    ends(writer($feed, 1), 'slow calls: a writer') for 1 .. 2;
    ends(writer($feed, 60000), 'slow calls: a writer does not wait');
    my ($logger) = children_of($run->{pid});
    until_true(sub { my $last = $next - 1; whole('main') =~ /were dropped here/ }, 30);
    ends(writer($feed, 1), 'slow calls: a last writer');
    my $last = $next - 1;
    ok(until_true(sub { whole('main') =~ /^\@\w+ $last /m }, 60), 'slow calls: and is logged');
    kill 'TERM', $logger;
    is(finish($run), 0, 'slow calls: it ends');
    my ($dropped, $bytes, $missing, $missing_bytes, $notices) = @{ account('main', 'slow calls') };
    cmp_ok($notices, '>=', 1, 'slow calls: something was dropped');
    is("$dropped lines, $bytes bytes", "$missing lines, $missing_bytes bytes", 'slow calls: as many as it says');
  }
}

# A second process is there where all may be dropped, and only there; it ends with the first.
sub test_who_has_one {
  chdir fresh('who') or die;
  my ($fifo, $feed) = fifo('fifo');
  for my $case ([1, 'o', './main'], [1, 'o', './main', './other', '2'], [0, './main'], [0, 'o', './main', 'b', './other'], [0, 'o', '2']) {
    my ($wanted, @words) = @$case;
    my $run = start([@words], fd => $fifo, err => "$dir/err");
    print {$feed} "line\n";
    ok(until_true(sub { $words[-1] eq '2' ? content("$dir/err") =~ /line/ : content($words[-1] . '/current') =~ /line/ }), "@words: a line");
    my @children = children_of($run->{pid});
    is(scalar @children, $wanted, "@words: a deputy or none");
    if ($wanted) {
      kill 'KILL', @children;
      ok(until_true(sub { my @now = children_of($run->{pid}); @now == 1 && $now[0] != $children[0] }), "@words: another for one that was killed");
      @children = children_of($run->{pid});
    }
    kill $wanted && @words == 2 ? 'KILL' : 'TERM', $run->{pid};
    finish($run);
    ok(until_true(sub { !grep { -e "/proc/$_" } @children }), "@words: it ends with the log writer");
    unlink glob '*/current';
  }
}

# Other words at HUP.
sub test_renewed {
  chdir fresh('renewed') or die;
  mkdir 'main' or die;
  write_file('main/config', "o\n");
  my ($fifo, $feed) = fifo('fifo');
  my $run = start(['./main'], fd => $fifo, err => "$dir/err");
  for my $case ([1, 'o'], [0, 'b'], [1, 'o']) {
    my ($wanted, $word) = @$case;
    if (content('main/config') ne "$word\n") {
      write_file('main/config', "$word\n");
      kill 'HUP', $run->{pid};
    }
    ok(until_true(sub { my @now = children_of($run->{pid}); @now == $wanted }), "config says $word: a deputy or none");
  }
  kill 'TERM', $run->{pid};
  is(finish($run), 0, 'it ends');
}

test_who_has_one();
test_renewed();
test_frozen(0);
test_frozen(1);
test_slow_calls();
thaw() if $freezer && -e 'frozen';
nothing_left();
done_testing;
