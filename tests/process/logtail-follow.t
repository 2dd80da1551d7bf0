# lares-logtail -f while loggers rotate as fast as they can, are killed, archives are compressed as soon
# as they are there, directories come, go and come again: each line once, in order.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use LogTest;
use Test::More;
use Fcntl;
use POSIX ();

my $dir = work_dir();
(my $logtail = log_program()) =~ s{[^/]*$}{lares-logtail};
my $seed = $ENV{LARES_SEED} // time;
srand $seed;
diag("seed $seed");

my ($follower, $out);
sub follow {
  my (@words) = @_;
  $out = "$dir/out";
  unlink $out;
  $follower = start([@words], program => $logtail, in => '', err => "$dir/err", before => ['/bin/sh', '-c', 'exec "$@" >"$0"', $out]);
}

sub unfollow {
  kill 'TERM', $follower->{pid};
  return finish($follower);
}

# Numbers the lines.
sub writer {
  my ($feed, $lines, $pause) = @_;
  my $pid = fork // die;
  return $pid if $pid;
  $feed->autoflush(1);
  for (my $number = 0; $number < $lines;) {
    print {$feed} join '', map { $number++ . ' ' . 'x' x (($number * 7919) % 150) . "\n" } 1 .. 50;
    select undef, undef, undef, $pause; # the pace of the input
  }
  POSIX::_exit(0);
}

# The end of a file that grows.
sub tail_of {
  my ($path) = @_;
  open my $file, '<:raw', $path or return '';
  seek $file, -400, 2 if -s $file > 400;
  local $/;
  return scalar(<$file>) // '';
}

# Lines that are not those that were to come, in order; the first of them.
sub account {
  my ($lines, $name) = @_;
  my $last = $lines - 1;
  ok(until_true(sub { tail_of($out) =~ /^(?:\@\w+ )?$last x*\n\z/m }, 60), "$name: the last line comes") or diag(tail_of($out));
  my ($next, $wrong, $first) = (0, 0, '');
  for my $line (split /\n/, content($out)) {
    my $want = "$next " . 'x' x ((($next + 1) * 7919) % 150);
    $next++;
    (my $text = $line) =~ s/^\@[0-9a-f]{24} //;
    next if $text eq $want;
    $first = "$text instead of $want" if !$wrong++;
    ($next) = $text =~ /^(\d+) /;
    $next = ($next // 0) + 1;
  }
  is($wrong, 0, "$name: each line once, in order") or diag("first: $first");
}

# As whoever is eager may do it: at once, under all names there are.
sub compress {
  my ($name) = @_;
  my $kind = int rand 4;
  return if !-e $name || $name !~ /\.[su]$/;
  if ($kind == 0) { system "gzip -q $name 2>/dev/null" }
  elsif ($kind == 1) { system "zstd -q --rm $name 2>/dev/null" }
  elsif ($kind == 2) { system "gzip -qc $name >tmp.gz 2>/dev/null && mv tmp.gz $name" }
}

sub test_rotation {
  my ($name, %how) = @_;
  chdir fresh('rotation') or die;
  my $lines = $ENV{LARES_LONG} ? 400000 : 12000;
  mkdir 'main' or die;
  my ($fifo, $feed) = fifo('fifo');
  my @stamps = $how{unstamped} ? () : ('t');
  my $words = [@stamps, 's20000', 'n4000', $how{words} ? @{ $how{words} } : (), './main'];
  sysopen my $buffer, 'buffer', O_RDWR | O_CREAT or die;
  truncate $buffer, 40960;
  my %run = (fd => $fifo, keep => $buffer, env => { LARES_LOGBUF => fileno $buffer }, program => $how{program});
  follow('-aF', 'main');
  my $writer = writer($feed, $lines, 0.0005);
  my ($run, $kills, %seen) = (start($words, %run), 0);
  until (waitpid($writer, POSIX::WNOHANG) == $writer) {
    select undef, undef, undef, rand 0.02; # the next blow comes at any moment
    if ($how{kill} && $kills < ($ENV{LARES_LONG} ? 400 : 30)) {
      kill 'KILL', $run->{pid};
      finish($run);
      $run = start($words, %run);
      $kills++;
    }
    if ($how{compress}) {
      my @new = grep { /^@/ && !$seen{$_} } names('main');
      chdir 'main';
      compress($_) for @new[0 .. ($#new < 3 ? $#new : 3)];
      chdir '..';
      $seen{$_} = 1 for @new;
    }
    if ($how{stop} && rand() < 0.2) {
      kill 'STOP', $follower->{pid};
      select undef, undef, undef, rand 0.05; # how long it stands still
      kill 'CONT', $follower->{pid};
    }
  }
  kill 'TERM', $run->{pid};
  finish($run);
  close $feed;
  is(finish(start($words, %run)), 0, "$name: a last logger takes what is left");
  account($lines, $name);
  ok(scalar(my @all = names('main')) > 20, "$name: over many archives");
  is(unfollow(), 15, "$name: ended by a signal");
  is(content("$dir/err"), '', "$name: no complaint");
}

# The directory is made, removed with all that is in it, and made again.
sub test_recreation {
  chdir fresh('recreation') or die;
  follow('-aF', 'web');
  for my $round (1 .. 3) {
    mkdir 'web';
    mkdir 'web/log';
    is(finish(start(['t', './web/log/main'], in => "round $round\n")), 0, "logger $round");
    ok(until_true(sub { content($out) =~ /^\@[0-9a-f]{24} round $round\n\z/m }), "its line is shown");
    if ($round == 2) { rename 'web', 'elsewhere' or die }
    else { File::Path::remove_tree('web') }
  }
  is(mask(content($out)), "\@ round 1\n\@ round 2\n\@ round 3\n", 'each once');
  unfollow();
  is(content("$dir/err"), '', 'no complaint');
}

# Services join, each with its name.
sub test_scan {
  chdir fresh('scan') or die;
  mkdir 'a' or die;
  mkdir 'a/log' or die;
  is(finish(start(['t', './a/log/main'], in => "old\nfirst\n")), 0, 'a logger');
  follow('-fs', '-n', 1, '.');
  ok(until_true(sub { mask2() eq "a: first\n" }), 'the last line');
  is(finish(start(['t', './a/log/main'], in => "second\n")), 0, 'the logger again');
  mkdir 'b' or die;
  mkdir 'b/log' or die;
  is(finish(start(['t', './b/log/main'], in => "1\n2\n")), 0, 'a new service');
  ok(until_true(sub { mask2() =~ /^b: 2$/m }), 'joins');
  ok(until_true(sub { mask2() =~ /^a: second$/m }), 'and the other goes on');
  is(join('', sort split /^/, mask2()), "a: first\na: second\nb: 1\nb: 2\n", 'all of what is new');
  unfollow();
}
sub mask2 { return content($out) =~ s/\@[0-9a-f]{24} //gr }

# What a logger that was killed had written in part is taken back, and comes again.
sub test_shortened {
  chdir fresh('shortened') or die;
  mkdir 'main' or die;
  write_file('main/current', "one\ntwo\nthr");
  follow('-af', 'main');
  ok(until_true(sub { content($out) eq "one\ntwo\n" }), 'whole lines are shown');
  truncate 'main/current', 4;
  open my $file, '>>', 'main/current' or die;
  $file->autoflush(1);
  print {$file} "two\nthree\nfour\n";
  ok(until_true(sub { content($out) =~ /four/ }), 'the same once more, and more');
  is(content($out), "one\ntwo\nthree\nfour\n", 'nothing twice');
  truncate 'main/current', 0;
  close $file;
  open $file, '>>', 'main/current' or die;
  print {$file} "new\n";
  close $file;
  ok(until_true(sub { content($out) =~ /new/ }), 'a file that is begun anew');
  is(content($out), "one\ntwo\nthree\nfour\nnew\n", 'is read from its beginning');
  unfollow();
}

sub test_idle {
  chdir fresh('idle') or die;
  is(finish(start(['./main'], in => "x\n")), 0, 'a log');
  follow('-f', 'main');
  ok(until_true(sub { content($out) eq "x\n" }), 'is shown');
  my $status = "/proc/$follower->{pid}/status";
SKIP: {
    skip 'no /proc', 1 if !-r $status;
    until_true(sub { content($status) =~ /^State:\s+S/m });
    my $switches = sub { join ' ', content($status) =~ /ctxt_switches:\s+(\d+)/g };
    my $before = $switches->();
    sleep 1; # that time passes and nothing happens is what is tested
    is($switches->(), $before, 'no wake-up while nothing comes');
  }
  unfollow();
  # Whoever reads it has seen enough.
  pipe my $read, my $write or die;
  my $pid = fork // die;
  if (!$pid) {
    close $read;
    POSIX::dup2(fileno $write, 1);
    exec $logtail, '-f', 'main';
  }
  close $write;
  is(scalar <$read>, "x\n", 'a pipe');
  close $read;
  ok(until_true(sub { waitpid($pid, POSIX::WNOHANG) == $pid }), 'it ends when nobody reads any more, at once');
}

test_rotation('rotation');
test_rotation('a reader that is stopped', stop => 1);
test_rotation('loggers are killed', kill => 1);
test_rotation('archives are compressed', compress => 1, stop => 1);
test_rotation('everything at once', kill => 1, compress => 1, stop => 1);
test_rotation('without stamps', unstamped => 1, kill => 1, compress => 1, stop => 1);
test_rotation('lares-log compresses', words => ['zgzip'], stop => 1);
test_rotation('lares-log has a program', words => ['!cat'], kill => 1, stop => 1);
SKIP: {
  my $multilog = peer('multilog') or skip 'no multilog: it is not unpacked in LARES_PEERS', 12;
  test_rotation('multilog and its program', program => $multilog, words => ['!gzip'], stop => 1);
  test_rotation('the same without stamps', program => $multilog, words => ['!gzip'], unstamped => 1, stop => 1);
}
test_recreation();
test_scan();
test_shortened();
test_idle();
nothing_left();
done_testing();
