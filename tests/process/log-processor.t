# Programs that work on finished files (! and z of lares-log): what they get, the same as multilog
# and svlogd, what becomes of it, those that fail, hang or write too much, kills in the middle.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use LogTest;
use Lares::KillMap ();
use Test::More;
use POSIX ();

my $dir = work_dir();

sub lines { return join '', map { "$_ line\n" } $_[0] .. $_[1] }
sub archives { return grep { /^@/ } names($_[0]) }

# With compressed ones.
sub everything {
  my ($log) = @_;
  return join '', map { /\.zst$/ ? scalar `zstd -dcq '$log/$_'` : /\.gz$/ ? scalar `gzip -dc '$log/$_'` : content("$log/$_") }
    (archives($log), 'current');
}

sub installed {
  my ($program) = @_;
  return scalar grep { -x "$_/$program" } split /:/, $ENV{PATH};
}

# A log writer on a FIFO, that has had the lines of one file and a little more.
sub feed_file {
  my ($feed, $number) = @_;
  my $text = '';
  $text .= "file $number " . 'x' x 80 . "\n" while length $text < 4000;
  print {$feed} $text, "end $number ", 'y' x 100, "\n";
}

sub test_contract {
  chdir fresh('contract') or die;
  write_file('look', <<'END');
pwd >>../seen
ls | tr '\n' ' ' >>../seen; echo >>../seen
tr -d '\n' <&4 >>../seen; echo >>../seen
for fd in 0 1 2 3 4 5 6 7 8; do test -e /proc/$$/fd/$fd && printf '%s ' $fd; done >>../seen; echo >>../seen
sed -n 's/^Sig\(Blk\|Ign\):[[:space:]]*/\1 /p' /proc/self/status >>../seen
echo "${LARES_LOGBUF-unset} $(nice)" >>../seen
echo 'state of mine' >&5
tr x X
END
  my ($fifo, $feed) = fifo('fifo');
  my $nice = `nice`;
  my $run = start(['s4096', 'n9', '!. ../look', './main'], fd => $fifo, err => "$dir/err", env => { LARES_LOGBUF => 99 });
  feed_file($feed, 1);
  ok(until_true(sub { grep { /\.s$/ } archives('main') }), 'a file is processed');
  feed_file($feed, 2);
  ok(until_true(sub { 2 == grep { /\.s$/ } archives('main') }), 'and the next');
  kill 'TERM', $run->{pid};
  is(finish($run), 0, 'it ends');
  my @seen = split /\n/, content('seen');
  is($seen[0], "$dir/contract/main", 'it runs in the directory');
  like($seen[1], qr/^\@[0-9a-f]{24}\.u current lock newstate processed state $/, 'what is there meanwhile');
  is($seen[2], '', 'no state in the beginning');
  is($seen[3], '0 1 2 4 5 ', 'its descriptors');
  my ($blocked, $ignored) = map { /^(?:Blk|Ign) ([0-9a-f]+)$/ ? hex $1 : -1 } @seen[4, 5];
  # 32 and 33 are libc's, and ignored in whatever posix_spawn() has started, as make does.
  is("$blocked " . ($ignored & ~(1 << 31 | 1 << 32)), '0 0', 'no signal blocked or ignored');
  is($seen[6], 'unset ' . ($nice + 10 > 19 ? 19 : $nice + 10), 'no buffer; low priority');
  is($seen[9], 'state of mine', 'the state it left');
  is(content('main/state'), "state of mine\n", 'which is kept');
  is(mode('main/' . (archives('main'))[0]), 0744, 'mode of what it made');
  my $text = everything('main');
  like($text, qr/^file 1 X{80}$/m, 'the output in the place of the file');
  is(scalar(() = $text =~ /^end \d/mg), 2, 'all of it');
  is(join(' ', map { s/\@.*/@/r } names('main')), '@ @ current lock state', 'nothing else is left');
  is(content("$dir/err") =~ s/.*LARES_LOGBUF.*\n//r, '', 'and nothing said');
}

# What is in the files, and the state, as the others have it. (They stop reading meanwhile, so each
# file gets time, and end files at other sizes, so they are told to. svlogd has its script in a file and
# the state under another name; s6-log runs its program by execline, and without descriptors 4 and 5
# where those were its own numbers of the files.)
sub test_peers {
  my @programs = ('tr a-z A-Z', 'tr a-z A-Z; cat <&4 >&5; echo run >&5', 'cat; cat <&4; echo more >&5', 'sed -n 1,3p', 'cat >/dev/null',
    'test -e ../again || { >../again; echo half; echo half >&5; exit 1; }; cat; cat <&4; echo whole >&5');
  for my $name (qw(multilog svlogd s6-log)) {
  SKIP: {
      my $peer = peer($name);
      skip "no $name: it is not unpacked in LARES_PEERS", 1 if !$peer;
      for my $processor (@programs) {
        next if $name eq 's6-log' && $processor =~ /&5/;
        next if $name eq 'multilog' && $processor =~ /again/ && !$ENV{LARES_LONG}; # it pauses for five seconds
        my @all;
        for my $program (undef, $peer) {
          chdir fresh('peers') or die;
          my ($fifo, $feed) = fifo('fifo');
          write_file('program', $processor);
          my @words = ('s8192', 'n9', (!$program || $name eq 's6-log' ? 'r10' : ()), '!sh ../program');
          if ($program && $name eq 'svlogd') {
            mkdir 'main';
            write_file('main/config', join '', map { "$_\n" } @words);
            @words = ();
          }
          my $run = start([@words, './main'], fd => $fifo, program => $program, err => "$dir/err", env => { PATH => ($peer =~ s{/[^/]*$}{}r) . ":$ENV{PATH}" });
          for my $number (1 .. 3) {
            print {$feed} "file $number\n", map { "line $_ of $number\n" } 1 .. 5;
            until_true(sub { content('main/current') =~ /line 5 of $number/ });
            kill 'ALRM', $run->{pid};
            until_true(sub { $number == grep { /\.s$/ } archives('main') and !-e 'main/previous' and !glob 'main/*.[tu]' });
          }
          print {$feed} "last\n";
          until_true(sub { content('main/current') =~ /last/ });
          kill 'TERM', $run->{pid};
          finish($run);
          push @all, join '|', (map { content("main/$_") } archives('main'), 'current'), ($name ne 'svlogd' ? content('main/state') : ());
        }
        is($all[0], $all[1], "$name: $processor");
      }
    }
  }
}

sub test_failures {
  my %cases = (
    'exit code 3' => ['exit 3', qr/exit code 3$/],
    'killed' => ['kill -KILL $$', qr/signal 9$/],
    'too much' => ['cat; cat /dev/zero', qr/it wrote more than there is room for$/],
    'too much, and it hides that' => ['trap "" XFSZ; cat /dev/zero 2>/dev/null; exit 0', qr/it wrote more than there is room for$/],
    'too much state' => ['cat; head -c 600 /dev/zero >&5', qr/its new state is larger than an eighth of a file$/],
    'a hang' => ['sleep 1000 & setsid sleep 1000 & sleep 1000', qr/it took too long and was killed$/, 2],
  );
  for my $name (sort keys %cases) {
    my ($program, $message, $files) = @{ $cases{$name} };
    chdir fresh('failures') or die;
    my ($fifo, $feed) = fifo('fifo');
    my $run = start(['s4096', 'n9', 'r10', "!$program", './main'], fd => $fifo, err => "$dir/err", env => { LARES_LOG_TIMEOUT => 1 });
    feed_file($feed, $_) for 1 .. 3;
    ok(until_true(sub { content('main/current') =~ /^end 3/m }), "$name: lines are written meanwhile");
    ok(until_true(sub { content("$dir/err") =~ /processor of .\/main failed with \@[0-9a-f]{24}, next try in 10 ms: (.*)/ }), "$name: said");
    my ($why) = content("$dir/err") =~ /next try in 10 ms: (.*)/;
    like($why, $message, "$name: why");
    kill 'TERM', $run->{pid};
    is(finish($run), 0, "$name: it ends");
    is(scalar(() = everything('main') =~ /^end \d/mg), 3, "$name: the files are kept");
    is(join(' ', map { s/\@.*(?=\.)/@/r } names('main')), '@.u @.u @.u current lock state', "$name: as they were, nothing else");
  }
  chdir fresh('failures') or die;
  my $run = start(['s4096', 'n9', 'r10', '!test -e ../repaired && exec cat; exit 1', './main'], in => lines(1, 500), err => "$dir/err");
  is(finish($run), 0, 'at the end of the input programs have their tries');
  like(content("$dir/err"), qr/which is kept as it is: exit code 1$/m, 'then files are given up');
  is(everything('main'), lines(1, 500), 'and kept');
  write_file('repaired', '');
  is(finish(start(['s4096', 'n9', 'r10', '!test -e ../repaired && exec cat; exit 1', './main'], in => '')), 0, 'the next log writer');
  is(scalar(grep { /\.u$/ } archives('main')), 0, 'tries again');
  is(everything('main'), lines(1, 500), 'and nothing is lost');
}

# Who is below the logger: pids, of those whose command matches.
sub below {
  my ($pid, $what) = @_;
  my @pids = split ' ', content("/proc/$pid/task/$pid/children");
  return map { ((content("/proc/$_/cmdline") =~ tr/\0/ /r) =~ $what ? $_ : (), below($_, $what)) } @pids;
}

# A stopped process between kept the logger for ever, from its next file, from other words and from its end.
sub test_stopped_worker {
  my %cases = ( # what the program does, which never ends by itself (sleep), and what the logger is told
    'its time is over' => ['kill -STOP $PPID; cat'],
    'a second TERM' => ['kill -STOP $PPID; exec sleep 12345', 'TERM', 'TERM'],
    'HUP' => ['test -e ../once && exec cat; >../once; kill -STOP $PPID; exec sleep 12345', 'HUP'],
    'stopped again and again' => ['test -e ../once && exec cat; >../once; p=$PPID; setsid sh -c "while kill -STOP $p; do :; done" & exec sleep 12345', 'HUP'],
    'again and again, a second TERM' => ['p=$PPID; setsid sh -c "while kill -STOP $p; do :; done" & exec sleep 12345', 'TERM', 'TERM'],
  );
  for my $name (sort keys %cases) {
    my ($program, @signals) = @{ $cases{$name} };
    chdir fresh('stopped') or die;
    my ($fifo, $feed) = fifo('fifo');
    my $run = start(['s4096', 'n9', 'r10', "!$program", './main'], fd => $fifo, err => "$dir/err", env => { LARES_LOG_TIMEOUT => @signals ? 300 : 1 });
    feed_file($feed, 1);
    ok(until_true(sub { grep { content("/proc/$_/stat") =~ /\) T/ } below($run->{pid}, qr/lares-log/) }), "$name: it is stopped");
    my @started = below($run->{pid}, qr/12345|STOP/);
    write_file('main/config', "r11\n");
    for my $signal (@signals) {
      kill $signal, $run->{pid};
      # Two of the same at the same time are one.
      until_true(sub { content("/proc/$run->{pid}/status") =~ /^ShdPnd:\s*0+$/m });
    }
    if (@signals < 2) {
      ok(until_true(sub { grep { /\.s$/ } archives('main') }), "$name: the file is processed") or diag(content("$dir/err"));
      kill 'TERM', $run->{pid};
    }
    is(finish($run), 0, "$name: it ends");
    is(scalar(() = everything('main') =~ /^end 1/mg), 1, "$name: the lines are there, once");
    is(join(' ', grep { !/^@/ } names('main')), 'config current lock state', "$name: nothing is left in the directory");
    ok(until_true(sub { !grep { content("/proc/$_/cmdline") =~ /12345|STOP/ } @started }), "$name: nor of processes");
  }
}

# A program runs in the directory, and can put what it was to write elsewhere. That file is tried again, and no other
# has to wait; what is in its place instead does not count.
sub test_misplaced {
  my %cases = (
    'its output renamed' => 'mv processed ../mine',
    'its output exchanged' => 'head -c 4000 /dev/zero >../mine; mv ../mine processed',
    'its new state renamed' => 'mv newstate ../mine',
    'its new state exchanged' => 'head -c 4000 /dev/zero >../mine; mv ../mine newstate',
  );
  for my $name (sort keys %cases) {
    chdir fresh('misplaced') or die;
    my ($fifo, $feed) = fifo('fifo');
    my $run = start(['s4096', 'n9', 'r10', "!cat; cat <&4 >&5; echo run >&5; test -e ../again || { $cases{$name}; >../again; }", './main'], fd => $fifo, err => "$dir/err");
    feed_file($feed, $_) for 1 .. 3;
    ok(until_true(sub { 3 == grep { /\.s$/ } archives('main') }), "$name: all files are processed");
    close $feed;
    is(finish($run), 0, "$name: it ends");
    is(join('', content("$dir/err") =~ / processor of .*, next try in 10 ms: (.*\n)/g), "what it wrote is no longer in its place\n", "$name: said once");
    is(scalar(() = everything('main') =~ /^file/mg), 3 * (1 + int(4000 / 88)), "$name: the lines");
    is(content('main/state'), "run\nrun\nrun\n", "$name: the state");
    is(join(' ', grep { !/^@/ } names('main')), 'current lock state', "$name: nothing else is left");
  }
}

# A limit that lares-log has itself is not in the way of a program's.
sub test_own_limit {
  chdir fresh('limit') or die;
  my $run = start(['s9000', 'n9', '!tr x X', './main'], in => lines(1, 3000), err => "$dir/err",
    before => ['sh', '-c', 'ulimit -f 12; exec "$@"', 'sh']);
  is(finish($run), 0, 'with a file size limit of its own');
  is(content("$dir/err") =~ s/.*kept to the file size limit\n//r, '', 'programs can run');
}

sub test_compression {
  for my $program (qw(zstd gzip)) {
  SKIP: {
      skip "no $program installed", 4 if !installed($program);
      chdir fresh('compression') or die;
      my $ending = $program eq 'zstd' ? 'zst' : 'gz';
      is(finish(start(['s4096', 'n90', "z$program", './main'], in => lines(1, 3000), err => "$dir/err")), 0, "z$program");
      is(scalar(grep { !/\.s\.$ending$/ } archives('main')), 0, 'all finished files');
      is(everything('main'), lines(1, 3000), 'the lines');
      is(content("$dir/err"), '', 'and nothing said');
    }
  }
  chdir fresh('compression') or die;
  is(finish(start(['s4096', 'n9', 'z', './main'], in => lines(1, 1000), err => "$dir/err", env => { PATH => '/nowhere' })), 0, 'neither installed');
  is(content("$dir/err"), "lares-log: warning: no zstd or gzip in PATH: finished files of ./main are not compressed\n", 'is said once');
  is(everything('main'), lines(1, 1000), 'files stay as they are');
  my $random = join '', map { join('', map { chr(33 + rand 90) } 1 .. 60) . "\n" } 1 .. 300;
  is(finish(start(['s4096', 'n9', 'z', './random'], in => $random, err => "$dir/err")), 0, 'what hardly gets smaller');
  is(content("$dir/err"), '', 'is nothing to be said');
  ok(substr($random, -8000) eq substr(everything('random'), -8000), 'and is all there');
SKIP: {
    skip 'no zstd installed', 2 if !installed('zstd');
    is(finish(start(['s4096', 'n90', '!tr l L', 'z', './both'], in => lines(1, 1000))), 0, '! and z');
    is(everything('both') =~ s/L/l/gr, lines(1, 1000), 'processed, then compressed');
  }
}

# Killed at any moment: no line is lost or doubled, every line has been processed once at most.
sub test_kills {
  for my $words (['!tr x X'], ['z'], ['!tr x X; { cat <&4; echo 1; } >&5', 'z']) {
  SKIP: {
      skip 'no zstd installed', 2 if "@$words" =~ /z$/ && !installed('zstd');
      chdir fresh('kills') or die;
      my $input = lines(1, 4000);
      sysopen my $buffer, 'buffer', POSIX::O_RDWR | POSIX::O_CREAT or die;
      truncate $buffer, 40960;
      my ($fifo, $feed) = fifo('fifo');
      my %how = (fd => $fifo, keep => $buffer, env => { LARES_LOGBUF => fileno $buffer });
      my @script = ('s4096', 'n900', @$words, './main');
      my $kills = 0;
      for my $part (0 .. 39) {
        my $run = start(\@script, %how);
        print {$feed} lines($part * 100 + 1, $part * 100 + 100);
        select undef, undef, undef, rand 0.02; # killed at any moment
        kill 'KILL', $run->{pid};
        finish($run);
      }
      close $feed;
      is(finish(start(\@script, %how, err => "$dir/err")), 0, "@$words: the last one");
      my $all = everything('main');
      my ($number, $wrong) = (0, 0);
      for (split /\n/, $all) { $wrong++ if $_ ne ++$number . ' line' }
      is("$number lines, $wrong not in order", '4000 lines, 0 not in order', "@$words: nothing lost or doubled");
      is(scalar(grep { /\.u$/ } archives('main')), 0, "@$words: every file is finished");
      is(join(' ', grep { !/^@/ } names('main')), "@$words" =~ /!/ ? 'current lock state' : 'current lock', "@$words: nothing else left");
    }
  }
}

# Killed at each of its own steps: programs run once for each file, with the state of the one before.
sub test_kill_points {
  my $program = log_program() =~ s{bin/lares-log$}{kill/a/lares-log}r;
SKIP: {
    skip "no $program", 1 if !-x $program;
    my $count = '!n=$(($(cat <&4) + 1)); cat; echo "run $n"; echo $n >&5';
    for my $point (qw(WORK WORKED STATE_KEPT REPLACED)) {
      for my $when (1 .. 3) {
        chdir fresh('points') or die;
        my $map = Lares::KillMap::kill_map("$dir/points/map");
        my ($fifo, $feed) = fifo('fifo');
        sysopen my $buffer, 'buffer', POSIX::O_RDWR | POSIX::O_CREAT or die;
        truncate $buffer, 40960;
        my %how = (fd => $fifo, keep => $buffer, program => $program, env => { LARES_LOGBUF => fileno $buffer, LARES_TEST_KILL_MAP => $map->file });
        my @script = ('s4096', 'n90', $count, ($when == 3 ? 'z' : ()), './main');
        my $run = start(\@script, %how);
        for my $number (1 .. 4) {
          $map->arm('log', $point, 'self') if $number == $when;
          print {$feed} map { "line $_ of $number " . 'x' x 60 . "\n" } 1 .. 60;
          if ($number == $when) {
            is(finish($run), POSIX::SIGKILL, "$point: killed");
            $run = start(\@script, %how);
          }
        }
        close $feed;
        is(finish($run), 0, "$point: the next one goes on");
        my $text = everything('main');
        my @runs = $text =~ /^run (\d+)$/mg;
        is("@runs", join(' ', 1 .. @runs), "$point: each file was processed once, with the state of the one before");
        is($text =~ s/^run \d+\n//mgr, join('', map { my $n = $_; map { "line $_ of $n " . 'x' x 60 . "\n" } 1 .. 60 } 1 .. 4), "$point: nothing lost or doubled");
        is(join(' ', grep { !/^@/ } names('main')), 'current lock state', "$point: nothing else left");
      }
    }
  }
}

# The list of a directory that has neither was never found done: poll() was asked without end.
sub test_directory_without {
  chdir fresh('without') or die;
  for my $word ('!cat', 'zgzip') {
    next if $word eq 'zgzip' && !installed('gzip');
    my ($fifo, $feed) = fifo("fifo.$word");
    my $run = start(['s4096', 'n9', $word, "./main.$word", '!', 'z-', './bare'], fd => $fifo, err => "$dir/err");
    feed_file($feed, 1) for 1 .. 2;
    ok(until_true(sub { 1 < grep { /\.s(?:\.gz)?$/ } archives("main.$word") }), "$word and a directory without: files are worked on");
    ok(rests($run->{pid}), "$word and a directory without: it rests");
    close $feed;
    close $fifo;
    is(finish($run), 0, 'it ends');
  }
}

sub test_full_disk {
SKIP: {
    my $mount = fresh('disk');
    skip 'not root: no small file system to be had', 1 if $>;
    skip 'mounting is refused', 1 if system("mount -t tmpfs -o size=128k,mode=755 none '$mount' 2>/dev/null");
    eval {
      chdir $dir or die;
      my ($fifo, $feed) = fifo("$dir/disk.fifo");
      unlink "$dir/go";
      my $run = start(['s8192', 'n9', 'r100', "!until test -e '$dir/go'; do sleep 0.01; done; tr x X", 'z', "$mount/main"], fd => $fifo, err => "$dir/err");
      feed_file($feed, 1) for 1 .. 3;
      ok(until_true(sub { -e "$mount/main/processed" }), 'a program runs');
      open my $filler, '>', "$mount/filler" or die;
      1 while syswrite $filler, 'f' x 4096;
      close $filler;
      write_file("$dir/go", '');
      ok(until_true(sub { content("$dir/err") =~ /failed with \@[0-9a-f]{24}, next try in 100 ms: exit code 1/ }), 'the disk is full: said');
      unlink "$mount/filler";
      ok(until_true(sub { grep { /\.s/ } archives("$mount/main") }), 'tried again, with room');
      close $feed;
      is(finish($run), 0, 'it ends');
      is(scalar(() = everything("$mount/main") =~ /^file/mg), 3 * (1 + int(4000 / 88)), 'all lines are there');
      1;
    } or fail("full disk: $@");
    chdir $dir;
    is(system('umount', $mount), 0, 'unmounted');
  }
}

test_contract();
test_kill_points();
test_directory_without();
test_full_disk();
test_peers();
test_failures();
test_stopped_worker();
test_misplaced();
test_own_limit();
test_compression();
test_kills();
# KillMap's library makes us the parent of those who have lost theirs.
ok(until_true(sub { 1 while waitpid(-1, POSIX::WNOHANG) > 0; waitpid(-1, POSIX::WNOHANG) == -1 }), 'what killed log writers had started is gone');
nothing_left();
done_testing();
