# A log directory, or what is in it, that is removed under the log writer: it is made again, lines are
# neither lost nor doubled, what cannot be told any more is said; and outputs that fail are not asked
# without end.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares::Mounts;
use LogTest;
use POSIX ();
use Socket;
use Test::More;

my $dir = work_dir();

# A directory that was removed held the logger for ever, also when it was there again.
sub test_removed_directory {
  for my $how ('', 'killed') {
    chdir fresh('removed') or die;
    mkdir 'above';
    my ($fifo, $feed) = fifo('fifo');
    sysopen my $buffer, 'buffer', POSIX::O_RDWR | POSIX::O_CREAT or die;
    truncate $buffer, 40960;
    my @script = (['s4096', 'n20', 'r10', './above/main', './other'], fd => $fifo, err => "$dir/err", keep => $buffer, env => { LARES_LOGBUF => fileno $buffer });
    my $run = start(@script);
    my $number = 0;
    my $more = sub { $number++; print {$feed} "$number\n" };
    $more->();
    ok(until_true(sub { -s 'above/main/current' }), 'it runs');
    system 'rm', '-rf', 'above/main';
    ok(until_true(sub { $more->(); -s 'above/main/current' }), 'the directory is made again');
    ok(until_true(sub { content("$dir/err") =~ /main was removed/ }), 'and that is said');
    isnt(finish(start(['./above/main'], in => '', err => "$dir/err2")), 0, 'it is locked');
    system 'rm', '-rf', 'above';
    ok(until_true(sub { $more->(); content("$dir/err") =~ /bytes are held/ }), 'it cannot be made: lines are held');
    my $held = $number;
    $more->() for 1 .. 300;
    if ($how) {
      kill 'KILL', $run->{pid};
      finish($run);
    }
    mkdir 'above';
    $run = start(@script) if $how;
    ok(until_true(sub { content('above/main/current') =~ /^$number$/m }), "$how: everything is there when it can be");
    close $feed;
    is(finish($run), 0, 'it ends');
    my ($first) = whole('above/main') =~ /^(\d+)/;
    cmp_ok($first, '<=', $held, 'from what was held on');
    is(whole('above/main'), join('', map { "$_\n" } $first .. $number), 'nothing lost or doubled');
    is(whole('other'), join('', map { "$_\n" } 1 .. $number), 'nor elsewhere');
  }
}

# A process that writes such numbered lines, 100 bytes each, until it has.
sub writer {
  my ($feed, $from, $to) = @_;
  my $pid = fork // die;
  return $pid if $pid;
  print {$feed} sprintf("%d %s\n", $_, 'x' x (98 - length)) for $from .. $to;
  POSIX::_exit(0);
}

sub numbers { return join ' ', $_[0] =~ /^(\d+)/mg }

# All from one on that is not above `most`, to the last.
sub follows {
  my ($text, $most, $last) = @_;
  my ($first) = $text =~ /^(\d+)/;
  return defined $first && $first <= $most && numbers($text) eq join ' ', $first .. $last;
}

sub on_tmpfs {
  my ($name, $size, $test) = @_;
SKIP: {
    my $mount = fresh($name);
    skip $Lares::Mounts::why, 1 if !mount_tmpfs($mount, "size=$size");
    eval { chdir $dir or die; $test->($mount); 1 } or fail("$name: $@");
    chdir $dir;
    ok(unmount($mount), 'unmounted');
  }
}

# The disk is full of what is removed then, which a descriptor kept.
# (A chunk of up to 288 KiB that was written in part is written again as a whole: that has to fit, too.)
sub test_removed_on_full_disk {
  for my $what ('main', 'main/current') {
    on_tmpfs('full', '400k', sub {
      my ($mount) = @_;
      my ($fifo, $feed) = fifo("$mount/fifo");
      unlink "$dir/err";
      my $run = start(['s1000000', 'r20', "$mount/main"], fd => $fifo, err => "$dir/err");
      my $writer = writer($feed, 1, 4500);
      ok(until_true(sub { content("$dir/err") =~ /bytes are held/ }), 'a disk is full of logs');
      my ($last) = whole("$mount/main") =~ /^(\d+) x*\n[^\n]*\z/m;
      system 'rm', '-rf', "$mount/$what";
      ok(until_true(sub { waitpid($writer, POSIX::WNOHANG) == $writer }), "$what is removed: it goes on") or kill 'KILL', $writer;
      close $feed;
      close $fifo;
      is(finish($run), 0, 'it ends');
      ok(follows(whole("$mount/main"), $last + 1, 4500), "$what: nothing lost or doubled behind what was removed");
      unlink "$mount/fifo";
    });
  }
}

# It must not take what was held for the deleted file.
sub test_removed_and_room {
  on_tmpfs('room', '300k', sub {
    my ($mount) = @_;
    my ($fifo, $feed) = fifo("$mount/fifo");
    unlink "$dir/err";
    my $run = start(['s1000000', 'r20', "$mount/main"], fd => $fifo, err => "$dir/err");
    print {$feed} "1 first\n";
    ok(until_true(sub { -s "$mount/main/current" }), 'it runs');
    fill_disk("$mount/filler");
    my $writer = writer($feed, 2, 200);
    ok(until_true(sub { content("$dir/err") =~ /bytes are held/ }), 'others have filled the disk');
    my ($last) = whole("$mount/main") =~ /^(\d+) x*\n[^\n]*\z/m;
    system 'rm', '-rf', "$mount/main";
    fill_disk("$mount/filler");
    waitpid $writer, 0;
    unlink "$mount/filler";
    close $feed;
    close $fifo;
    is(finish($run), 0, 'it ends');
    ok(follows(whole("$mount/main"), ($last // 1) + 1, 200), 'what was held is in the new directory');
    unlink "$mount/fifo";
  });
}

# There a directory that was removed has a link still.
sub test_removed_on_overlay {
  on_tmpfs('overlay', '2m', sub {
    my ($mount) = @_;
  SKIP: {
      mkdir "$mount/$_" for qw(lower upper work all lower/main);
      skip 'no overlayfs', 1 if system("mount -t overlay -o lowerdir='$mount/lower',upperdir='$mount/upper',workdir='$mount/work' none '$mount/all' 2>/dev/null");
      my ($fifo, $feed) = fifo("$dir/overlay.fifo");
      my $run = start(['r20', "$mount/all/main"], fd => $fifo, err => "$dir/err");
      print {$feed} "1\n";
      ok(until_true(sub { -s "$mount/all/main/current" }), 'it runs');
      system 'rm', '-rf', "$mount/all/main";
      my $number = 1;
      ok(until_true(sub { print {$feed} ++$number, "\n"; -s "$mount/all/main/current" }), 'on overlayfs: made again');
      close $feed;
      close $fifo;
      is(finish($run), 0, 'it ends');
      ok(follows(whole("$mount/all/main"), $number, $number), 'all is there from then on');
      is(system('umount', "$mount/all"), 0, 'unmounted');
    }
  });
}

# Its end is waited for, and then the lines can be written. (It sleeps since it has to be one that does not end.)
sub test_removed_while_a_program_runs {
  chdir fresh('program') or die;
  my ($fifo, $feed) = fifo('fifo');
  my $run = start(['s4096', 'n9', 'r20', '!sleep 1000', './main', '!', './other'], fd => $fifo, err => "$dir/err");
  my $writer = writer($feed, 1, 60);
  waitpid $writer, 0;
  ok(until_true(sub { -e 'main/processed' }), 'a program runs');
  system 'rm', '-rf', 'main';
  print {$feed} '61 ', 'x' x 3000;
  close $feed;
  close $fifo;
  is(finish($run), 0, 'the end of input comes right behind: it ends');
  ok(follows(whole('main'), 61, 61), 'with everything');
  is(numbers(whole('other')), join(' ', 1 .. 61), 'nothing is wrong elsewhere');
}

# Either the log that takes the place of the other tells it, or the log writer does.
sub test_untold {
  chdir fresh('untold') or die;
  mkdir 'above';
  my ($fifo, $feed) = fifo('fifo');
  sysopen my $buffer, 'buffer', POSIX::O_RDWR | POSIX::O_CREAT or die;
  truncate $buffer, 16384;
  unlink "$dir/err";
  my @how = (fd => $fifo, err => "$dir/err", keep => $buffer, env => { LARES_LOGBUF => fileno $buffer });
  my $run = start(['o', 'r600000', './above/main', 'b', './other'], @how);
  print {$feed} "1\n";
  ok(until_true(sub { -s 'above/main/current' }), 'it runs');
  system 'rm', '-rf', 'above';
  # Once a second it is looked for; until then the deleted file takes lines.
  my $number = 1;
  ok(until_true(sub { print {$feed} ++$number, "\n"; content("$dir/err") =~ /lines are dropped when/ }), 'it is noticed');
  my $writer = writer($feed, $number + 1, 3000);
  waitpid $writer, 0;
  ok(until_true(sub { whole('other') =~ /^3000 x*\n\z/m }), 'the directory cannot be made, the other one has all');
  kill 'KILL', $run->{pid};
  finish($run);
  # Not the number of the one before.
  mkdir $_ for qw(above above/of above/that above/main);
  close $feed;
  $run = start(['o', './above/main', 'b', './other'], @how);
  close $fifo;
  is(finish($run), 0, 'the next one');
  my $said = content("$dir/err") . whole('above/main');
  my ($dropped) = $said =~ /(\d+) lines, \d+ bytes, were dropped/;
  my $there = () = whole('above/main') =~ /^\d+(?: x*)?$/mg;
  cmp_ok($dropped // 0, '>', 1000, 'says how much was dropped');
  my $told = ($dropped // 0) + $there;
  ok($told >= 3000 - $number && $told < 3000, 'and that is what is missing') or diag("$told of 3000, noticed at $number");
}

# poll() says at once that who has gone could be written to.
sub test_reader_gone {
  chdir fresh('gone') or die;
  my ($fifo, $feed) = fifo('fifo');
  socketpair my $ours, my $theirs, AF_UNIX, SOCK_DGRAM, PF_UNSPEC or die;
  unlink "$dir/err";
  my $run = start(['r600000', '1', './main'], fd => $fifo, err => "$dir/err", to => $theirs);
  close $theirs;
  for my $number (1 .. 300) {
    print {$feed} "$number\n";
    until_true(sub { whole('main') =~ /^$number$/m }, 1) or last;
  }
  ok(rests($run->{pid}), 'a reader does not read: it waits');
  close $ours;
  ok(until_true(sub { content("$dir/err") ne '' }), 'and has gone');
  ok(rests($run->{pid}), 'it rests');
  for (1 .. 2) {
    kill 'TERM', $run->{pid};
    # Two at the same time are one.
    until_true(sub { content("/proc/$run->{pid}/status") =~ /^ShdPnd:\s*0+$/m });
  }
  is(finish($run), 111 << 8, 'told twice to end, it leaves behind what nobody takes');
}

test_removed_directory();
test_removed_on_full_disk();
test_removed_and_room();
test_removed_on_overlay();
test_removed_while_a_program_runs();
test_untold();
test_reader_gone();
nothing_left();
done_testing();
