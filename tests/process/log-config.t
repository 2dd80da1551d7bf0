# lares-log and the file `config` of a log directory: its words, what is wrong with it, and HUP:
# other words from the next line on, nothing lost, doubled or out of order, whatever happens
# meanwhile.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use LogTest;
use Lares::KillMap ();
use Lares::Proc 'blocks_term';
use Test::More;
use POSIX ();

my $dir  = work_dir();
my $seed = $ENV{LARES_SEED} // time;
srand $seed;
diag("seed $seed");
my $holds = qr/the script was read again and holds/;

sub config {
  my ($text, $of) = @_;
  $of //= 'main';
  mkdir $of, 0755;
  write_file("$of/config.new", $text);
  chmod 0644, "$of/config.new";
  rename "$of/config.new", "$of/config" or die;
}

# (exit code, messages)
sub run {
  my ($words, $in) = @_;
  my $code = finish(start($words, in => $in, out => "$dir/out", err => "$dir/err")) >> 8;
  return ($code, content("$dir/err"));
}

sub said { my ($what) = @_; return scalar(() = content("$dir/err") =~ /$what/g) }

# HUP, and until it holds.
sub renew {
  my ($run) = @_;
  my $before = said($holds);
  kill 'HUP', $run->{pid};
  return until_true(sub { said($holds) > $before }) || (diag(content("$dir/err")), 0);
}

# Past its beginning. (While perl forks, signals are blocked, too.)
sub begun {
  my ($run) = @_;
  return 0 if (readlink("/proc/$run->{pid}/exe") // '') !~ /lares-log$/; # in this order, or it may be perl's mask
  return blocks_term($run->{pid});
}

# A live logger: (run, feed).
sub live {
  my ($words, %how) = @_;
  my ($fifo, $feed) = fifo('fifo');
  my $run = start($words, fd => $fifo, err => "$dir/err", out => "$dir/out", %how);
  ok(until_true(sub { begun($run) }), 'it runs');
  return ($run, $feed);
}

sub test_words {
  chdir fresh('words') or die;
  config("# svlogd's\n\nn5\ns5000\n-*debug*\npweb:\nt3600");
  my ($code, $err) = run(['t', './main'], "one\nxdebug\ntwo\n");
  is("$code $err", '0 ', 'a config as svlogd has it');
  is(masked('main/current'), "@ web: one\n@ web: two\n", 'its words hold, with those of the command line');
  config('');
  ($code, $err) = run(['x', './main'], "three\n");
  like(content('main/current'), qr/\nthree\n\z/, 'an empty one');
  chdir fresh('words') or die;
  config("T\nF\n+*err*\n1\n+*\n-*x*\n");
  ($code, $err) = run(['./main', './other'], "a\nx\nerr\n");
  like(content('main/current'), qr/\A\S+Z a\n\S+Z err\n\z/, 'everything in the config');
  like(content("$dir/out"), qr/\A\S+Z err\n\z/, 'an action too');
  is(content('other/current'), "a\nx\nerr\n", 'another directory has its own');
  chdir fresh('words') or die;
  config("p2\n-2*\n", 'b');
  config("pc\n+*\nf\n", 'c');
  ($code, $err) = run(['-*no*', 'p1', './a', './b', './c', './d'], "1\n2\nno\n");
  is(join('|', map { content("$_/current") } qw(a b c d)), "1 1\n1 2\n|2 1\n|c no\n|1 1\n1 2\n", 'each with its scope');
}

# What is wrong is said with file, line, word and what is expected; and svlogd's words that are not
# there are.
sub test_errors {
  chdir fresh('errors') or die;
  my @wrong = ([N5 => 'nNUM'], [s0 => 's4096'], [n0 => 'n2'], ['e*x*' => 'e alone'], ['E*x*' => 'EPATTERN'], ['u10.0.0.1' => 'UDP'],
    ['U10.0.0.1:514' => 'UDP'], [tx => 'decimal number'], [s5k => 'decimal number'], [zrar => 'zgzip'], ['' . 'k' => 'one of t, T'],
    [' t' => 'one of t, T'], ["t\r" => 'decimal number'], ["t\0" => 'NUL', 1]);
  for (@wrong) {
    my ($word, $expected, $hidden) = @$_;
    config("# here\n$word\n");
    my ($code, $err) = run(['./main'], "a\n");
    my $shown = $hidden ? '' : ", \"$word\"";
    ok($code == 100 && $err =~ m{^lares-log: fatal: \./main/config line 2\Q$shown\E: expected .*$expected}, "refused: $word") or diag("$code $err");
  }
  ok(!-e 'main/current', 'before anything is opened');
  unlink 'main/config';
  # Fifty loggers all said ./main/config, and not whose.
  for (['web', 'lares-log web'], ['web/log', 'lares-log web/log'], ["a\nb", 'lares-log a\?b']) {
    my ($name, $prefix) = @$_;
    config("s10M\n");
    finish(start(['./main'], in => '', err => "$dir/err", env => { LARES_NAME => $name }));
    like(content("$dir/err"), qr{\A$prefix: fatal: \./main/config line 1, "s10M": expected}, "it names the service: $prefix");
  }
  unlink 'main/config';
  my ($code, $err) = run(['t5', './main'], "a\n");
  like("$code $err", qr/^100 .*script word 1, "t5": expected one of/, "svlogd's words are for configs");
  my %kinds = (
    'is no regular file' => sub { POSIX::mkfifo('main/config', 0644) },
    'is no regular file; expected words' => sub { mkdir 'main/config' },
    'can be written by others' => sub { config("t\n"); chmod 0666, 'main/config' },
    'has more than 65536 bytes' => sub { config('#' x 65537) },
    'line 1001: expected at most 1000 words' => sub { config("t\n" x 1001) },
  );
  for my $text (sort keys %kinds) {
    $kinds{$text}->();
    ($code, $err) = run(['./main'], "a\n");
    ok($code == 100 && $err =~ m{\./main/config \Q$text\E}, "a config that $text") or diag("$code $err");
    rmdir 'main/config' or unlink 'main/config';
  }
  config('t' . "\n" x 65535);
  is((run(['./main'], "a\n"))[0], 0, 'as large as it may be');
  config("t\n" x 1000);
  is((run(['./main'], "a\n"))[0], 0, 'as many words');
  symlink 'loop', 'main/loop';
  unlink 'main/config';
  symlink 'loop', 'main/config';
  ($code, $err) = run(['./main'], "a\n");
  like("$code $err", qr{^111 .*unable to open \./main/config: }, 'one that cannot be read');
SKIP: {
    skip 'not root: everybody is the same', 1 if $>;
    chdir fresh('foreign') or die;
    config("t\n");
    chown 65534, -1, 'main/config';
    like(join(' ', run(['./main'], "a\n")), qr/^100 .*can be written by others/, 'one that is somebody else\'s');
  }
}

sub test_hup {
  chdir fresh('hup') or die;
  config("p1\n");
  my ($run, $feed) = live(['./main', './other']);
  print {$feed} "a\n";
  ok(until_true(sub { content('main/current') eq "1 a\n" }), 'the first words');
  for my $text ("p2\nt\ns4096\n", "j\nc\ny\n", "p3\n-*b*\nR1000\n", "p4\n./more\n=status\n1\n2\n", "p5\n") {
    config($text);
    ok(renew($run), "HUP: $text");
    print {$feed} "a\nb\n";
    ok(until_true(sub { content('other/current') =~ /b\n\z/ }), 'goes on');
  }
  config("p6\nsx\n");
  kill 'HUP', $run->{pid};
  ok(until_true(sub { said(qr{error log \./main/config line 2, "sx": expected a decimal number.*; the script that runs stays}) == 1 }), 'wrong words are said');
  print {$feed} "a\n";
  ok(until_true(sub { content('main/current') =~ /5 a\n\z/ && -s 'more/current' }), 'and those that run stay');
  config("p7\n/dev/null/x\n");
  kill 'HUP', $run->{pid};
  ok(until_true(sub { said(qr{directory /dev/null/x.*stays}) == 1 }), 'as with a directory that cannot be opened');
  config("p7\n../hup/other\n");
  kill 'HUP', $run->{pid};
  ok(until_true(sub { said(qr{names that directory twice.*stays}) == 1 }), 'or one that is there twice');
  unlink 'main/config';
  ok(renew($run), 'HUP without a config');
  print {$feed} "a\n";
  close $feed;
  is(finish($run), 0, 'the end');
  my $text = content('main/current');
  $text =~ s/^(\@[0-9a-f]{24} )/@ /mg;
  $text =~ s/"time":"[^"]*"/"time"/mg;
  is($text, join("\n", '1 a', '@ 2 a', '@ 2 b', map({ qq({"time","service":null,"stream":"stdout","message":"$_"}) } qw(a b)), '3 a', '4 a', '4 b',
    '5 a', '5 b', '5 a', 'a', ''), 'each line by the words of its moment');
  is(content('more/current'), "4 a\n4 b\n", 'a directory that came and went');
  is(mode('more/current'), 0744, 'is closed in good order');
  is(content("$dir/out"), "4 a\n4 b\n", 'standard output for a while');
  is(content('status'), "4 b" . "\n" x 998, 'a status file');
  ok(finish(start(['./more'], in => "c\n")) == 0 && content('more/current') =~ /c\n\z/, 'and can be used by another');
}

# Without a config HUP costs a look for one and changes nothing.
sub test_nothing {
SKIP: {
    skip 'strace is not here or cannot trace', 2 if system("strace -o /dev/null true 2>/dev/null");
    chdir fresh('nothing') or die;
    my ($fifo, $feed) = fifo('fifo');
    my $run = start(['t', './main', './other'], fd => $fifo, err => "$dir/err", env => { ASAN_OPTIONS => 'detect_leaks=0' },
      before => ['strace', '-s', '64', '-o', "$dir/trace"]);
    print {$feed} "a\n";
    ok(until_true(sub { -s 'main/current' && -s 'other/current' }), 'it runs');
    my ($logger) = content("/proc/$run->{pid}/task/$run->{pid}/children") =~ /(\d+)/;
    kill 'HUP', $logger;
    ok(until_true(sub { content("$dir/trace") =~ /SIGHUP.*other\/config/s }), 'HUP');
    print {$feed} "b\n";
    ok(until_true(sub { content('main/current') =~ /b\n\z/ }), 'goes on');
    close $feed;
    is(finish($run), 0, 'the end');
    my ($calls) = content("$dir/trace") =~ /(read\(\d+, "\\1\\0.*other\/config"[^\n]*)/s;
    is(join(' ', $calls =~ /^(\w+)\(/mg) =~ s/\bfutex |rt_sig\w+ |read |poll |ppoll |brk |mmap |munmap //gr, 'openat openat', 'two files were looked for, and that was all') or diag($calls);
    is(content("$dir/err"), '', 'nothing is said');
  }
}

# HUP or ALRM while a directory was opened, which takes long if it is large, ended the logger.
sub test_signals_at_the_start {
SKIP: {
    skip 'strace is not here or cannot trace', 1 if system("strace -o /dev/null true 2>/dev/null");
    for my $signal (qw(HUP ALRM)) {
      chdir fresh('start') or die;
      is((run(['./main'], "a\n"))[0], 0, 'a directory');
      my ($fifo, $feed) = fifo('fifo');
      my $run = start(['./main'], fd => $fifo, err => "$dir/err", env => { ASAN_OPTIONS => 'detect_leaks=0' },
        before => ['strace', '-o', "$dir/trace", '-e', 'trace=flock,openat', '-e', "inject=flock:signal=SIG$signal"]);
      print {$feed} "b\n";
      close $feed;
      is(finish($run), 0, "$signal when it locks the directory does not end it") or diag(content("$dir/trace"));
      is(whole('main'), "a\nb\n", 'the lines');
      is(scalar(grep { /^\@/ } names('main')), $signal eq 'ALRM' ? 1 : 0, "$signal: whether there is an archive");
      is(scalar(() = content("$dir/trace") =~ m{main/config"}g), $signal eq 'HUP' ? 2 : 1, "$signal: how often the config was looked for");
    }
    my $run = start(['./main'], in => "c\n", err => "$dir/err", before => ['strace', '-o', "$dir/trace", '-e', 'inject=flock:signal=SIGTERM']);
    is(finish($run), POSIX::SIGTERM, 'TERM does end it, before it reads');
  }
}

sub lines { my ($from, $to) = @_; return join '', map { "$_ " . 'x' x ($_ * 7919 % 150) . "\n" } $from .. $to }

# Numbers in order, without the stamps and prefixes.
sub bare { my ($text) = @_; return $text =~ s/^(?:\@[0-9a-f]{24} )?(?:\S+Z )?(?:p: )?//mgr =~ s/^\{.*"message":"(.*)"\}$/$1/mgr }

my @formats = ("t\n", "T\n", "pp:\n", "j\n", "t\nT\npp:\n", "c\n", "a\ny5\n", '');

# Random scripts at random moments, under load.
sub test_load {
  for my $shared (0, 1) {
    chdir fresh('load') or die;
    my ($most, $number, $hups) = (2000000, 0, 0);
    config('');
    sysopen my $buffer, 'buffer', POSIX::O_RDWR | POSIX::O_CREAT or die;
    truncate $buffer, 40960;
    my %how = $shared ? (keep => $buffer, env => { LARES_LOGBUF => fileno $buffer }) : ();
    my ($run, $feed) = live(['n4000', './main'], %how);
    for my $round (1 .. ($ENV{LARES_LONG} ? 400 : 40)) {
      print {$feed} lines($number + 1, $number + 300);
      config($formats[rand @formats] . 's' . (4096 + int rand 20000) . "\n" . (rand() < 0.3 ? "./more\n" : '') . (rand() < 0.3 ? "R1\n" : '') . "# $round\nr" . ($round + 100) . "\n");
      $hups += renew($run) if rand() < 0.5;
      print {$feed} lines($number + 301, $number + 600);
      $number += 600;
    }
    close $feed;
    is(finish($run), 0, 'the end');
    cmp_ok($hups, '>', 8, 'words changed');
    ok(bare(whole('main')) eq lines(1, $number), ($shared ? 'with' : 'without') . ' a buffer: nothing lost, doubled or out of order') or diag("seed $seed");
    is(said(qr/error/), 0, 'without a complaint') or diag(content("$dir/err"));
    my %of = map { $_ => content("main/$_") } grep { /^\@|^current/ } names('main');
    is(scalar(grep { length && !/\n\z/ } values %of), 0, 'files end with lines');
  }
}

# A smaller bound holds before the next line is written.
sub test_bound {
  chdir fresh('bound') or die;
  config("s20000\nn10\n");
  my ($run, $feed) = live(['./main']);
  print {$feed} lines(1, 4000);
  my $last = substr lines(4000, 4000), 0, -1;
  ok(until_true(sub { content('main/current') =~ /^$last$/m }), 'full');
  my $size = sub { my $sum = 0; $sum += -s "main/$_" // 0 for grep { /^\@|^current/ } names('main'); $sum };
  cmp_ok($size->(), '>', 150000, 'to the bound');
  for (['s5000', 'n4', 20000], ['s4096', 'n2', 8192], ['s30000', 'n8', 240000]) {
    my ($s, $n, $bound) = @$_;
    config("$s\n$n\n");
    ok(renew($run), "$s $n");
    ok(until_true(sub { $size->() <= $bound }), 'is obeyed without another line');
    print {$feed} lines(1, 3000);
    my $over = 0;
    $last = substr lines(3000, 3000), 0, -1;
    ok(until_true(sub { $over++ if $size->() > $bound; content('main/current') =~ /^$last$/m }), 'written');
    # Files are looked at one after the other: one that was renamed meanwhile is seen twice.
    cmp_ok($size->(), '<=', $bound, 'and holds');
  }
  close $feed;
  is(finish($run), 0, 'the end');
}

# The same watched at each system call, for a chosen sequence.
sub test_bound_traced {
SKIP: {
    skip 'strace is not here or cannot trace', 2 if system("strace -o /dev/null true 2>/dev/null");
    chdir fresh('traced') or die;
    config("s20000\nn10\n");
    my ($fifo, $feed) = fifo('fifo');
    my $run = start(['./main'], fd => $fifo, err => "$dir/err", env => { ASAN_OPTIONS => 'detect_leaks=0' },
      before => ['strace', '-s', '120', '-o', "$dir/trace", '-e', 'trace=openat,write,close,renameat,unlinkat,ftruncate']);
    print {$feed} lines(1, 3000);
    my $last = substr lines(3000, 3000), 0, -1;
    ok(until_true(sub { content('main/current') =~ /^$last$/m }), 'full');
    my ($logger) = content("/proc/$run->{pid}/task/$run->{pid}/children") =~ /(\d+)/;
    config("s5000\nn4\n");
    ok(renew({ pid => $logger }), 'a smaller bound');
    print {$feed} lines(1, 600);
    close $feed;
    is(finish($run), 0, 'the end');
    my (%size, %fd, $bound, $over, $most);
    ($bound, $over, $most) = (200000, 0, 0);
    for my $line (split /\n/, content("$dir/trace")) {
      $bound = 20000 if $line =~ /^write\(2, .*holds/ || $line =~ /^write\(\d+, "[^"]*read again and holds/;
      if ($line =~ /^openat\(\d+, "(current|\@[^"]*)", [^)]*\) = (\d+)$/) { $fd{$2} = $1; $size{$1} //= 0 }
      elsif ($line =~ /^write\((\d+), .*\) = (\d+)$/) { next if !$fd{$1}; $size{ $fd{$1} } += $2; my $all = 0; $all += $_ for values %size; $over++ if $all > $bound; $most = $all if $bound == 20000 && $all > $most }
      elsif ($line =~ /^close\((\d+)\) /) { delete $fd{$1} }
      elsif ($line =~ /^renameat\(\d+, "([^"]+)", \d+, "([^"]+)"\) = 0/) { $size{$2} = delete $size{$1} }
      elsif ($line =~ /^unlinkat\(\d+, "([^"]+)", 0\) = 0/) { delete $size{$1} }
    }
    is($over, 0, 'no byte is written while there are too many');
    cmp_ok($most, '>', 15000, 'and the new bound is used');
  }
}

# Programs at work on finished files begin anew by the new words; nothing is lost.
sub test_programs {
  chdir fresh('programs') or die;
  config("s4096\n!sleep 100\n");
  my ($run, $feed) = live(['n2000', 'r10', './main']);
  print {$feed} lines(1, 400);
  ok(until_true(sub { -e 'main/processed' }), 'a program runs');
  config("s4096\n!sed s/x/y/g\nzgzip\n");
  ok(renew($run), 'another program');
  print {$feed} lines(401, 800);
  my $all = sub {
    return join '', map { /\.gz$/ ? `gzip -dc main/$_` : content("main/$_") } grep { /^\@|^current/ } names('main');
  };
  close $feed;
  is(finish($run, 60), 0, 'the end');
  ok($all->() =~ tr/y/x/r eq lines(1, 800), 'nothing lost or doubled');
  is(scalar(grep { /\.u$/ } names('main')), 0, 'every file is processed');
  is(scalar(grep { !/\.s\.gz$/ } grep { /^\@/ } names('main')), 0, 'and compressed');
  is(said(qr/failed/), 0, 'what was ended has not failed') or diag(content("$dir/err"));
  is(join(' ', grep { !/^\@/ } names('main')), 'config current lock state', 'nothing else is left');
}

# A disk that is full: the new words are what helps.
sub test_full_disk {
SKIP: {
    my $mount = fresh('disk');
    skip 'not root: no small file system to be had', 1 if $>;
    skip 'mounting is refused', 1 if system("mount -t tmpfs -o size=160k,mode=755 none '$mount' 2>/dev/null");
    eval {
      chdir $dir or die;
      unlink 'fifo';
      my ($fifo, $feed) = fifo('fifo');
      mkdir "$mount/main";
      config("s8192\nn100\n", "$mount/main");
      my $run = start(["$mount/main"], fd => $fifo, err => "$dir/err");
      print {$feed} lines(1, 2000);
      ok(until_true(sub { said(qr/bytes are held/) }), 'the disk is full');
      mkdir 'config.d';
      config("s8192\nn4\n", 'config.d'); # there is no room for another file
      is(system("cat config.d/config >'$mount/main/config'"), 0, 'words that want less') ;
      ok(renew($run), 'hold');
      my $last = substr lines(2000, 2000), 0, -1;
      ok(until_true(sub { content("$mount/main/current") =~ /^$last$/m }), 'and make room');
      close $feed;
      is(finish($run), 0, 'the end');
      my $text = whole("$mount/main");
      ok($text eq substr(lines(1, 2000), -length $text), 'nothing lost in between');
    };
    my $died = $@;
    chdir $dir;
    system 'umount', $mount;
    die $died if $died;
  }
}

# A stream that is slow or a directory that cannot be written keeps its lines when it goes.
sub test_slow {
  chdir fresh('slow') or die;
  config("F\n1\n+*\n", 'main');
  pipe my $read, my $write or die;
  my ($fifo, $feed) = fifo('fifo');
  config("t\n1\nx\n");
  my $run = start(['./main'], fd => $fifo, to => $write, err => "$dir/err");
  close $write;
  my $pid = fork // die;
  if (!$pid) { print {$feed} lines(1, 3000); POSIX::_exit(0) }
  ok(until_true(sub { whole('main') =~ /^400 /m }), 'a reader who does not read');
  config('');
  kill 'HUP', $run->{pid};
  my $got = '';
  # Behind the last line for it there is nothing more to wait for.
  ok(until_true(sub {
    vec(my $ready = '', fileno $read, 1) = 1;
    sysread $read, $got, 4096, length $got if select $ready, undef, undef, 0;
    return said($holds);
  }), 'who reads on sees other words hold');
  waitpid $pid, 0;
  close $feed;
  is(finish($run), 0, 'the end');
  1 while sysread $read, $got, 65536, length $got;
  like($got, qr/\n\z/, 'gets whole lines');
  $got = bare($got);
  ok($got eq substr(lines(1, 3000), 0, length $got), 'and all of them, until the words hold');
  ok(whole('main') eq lines(1, 3000), 'the directory has everything');
}

# Killed at each step of a change, and at random while words change.
sub test_kills {
  my $program = log_program() =~ s{bin/lares-log$}{kill/a/lares-log}r;
  my @cases = -x $program ? qw(SCRIPT_OPENED SCRIPT SCRIPT_HOLDS) : ();
  diag("no $program: not killed at its points") if !@cases;
  for my $case (@cases, 'at random') {
    chdir fresh('kills') or die;
    my ($fifo, $feed) = fifo('fifo');
    sysopen my $buffer, 'buffer', POSIX::O_RDWR | POSIX::O_CREAT or die;
    truncate $buffer, 40960;
    my $map = Lares::KillMap::kill_map("$dir/kills/map");
    my $at_point = $case ne 'at random';
    my %how = (fd => $fifo, keep => $buffer, env => { LARES_LOGBUF => fileno $buffer, $at_point ? (LARES_TEST_KILL_MAP => $map->file) : () },
      $at_point ? (program => $program) : (), err => "$dir/err");
    config('');
    my $words = ['n4000', './main'];
    my $run = start($words, %how);
    my ($number, $kills) = (0, 0);
    for my $round (1 .. ($ENV{LARES_LONG} ? 200 : 20)) {
      # Where it was killed each time before it read the pipe would be full one day.
      my $last = lines($number, $number);
      ok(until_true(sub { begun($run) && (!$number || substr(bare(whole('main')), -length $last) eq $last) }), "$case: runs") or last;
      $map->arm('log', $case, 'self') if $at_point;
      print {$feed} lines($number + 1, $number + 100);
      config($formats[rand @formats] . 's' . (4096 + int rand 20000) . "\n" . (rand() < 0.4 ? "./more\n" : '') . "r" . ($round + 100) . "\n");
      kill 'HUP', $run->{pid};
      print {$feed} lines($number + 101, $number + 200);
      $number += 200;
      if (!$at_point) {
        select undef, undef, undef, rand 0.01;
        kill 'KILL', $run->{pid};
      }
      my $end = finish($run);
      is($end, POSIX::SIGKILL, "$case: killed") if $at_point;
      $kills++ if $end == POSIX::SIGKILL || !$at_point;
      $run = start($words, %how);
    }
    close $feed;
    is(finish($run), 0, "$case: the last one reaches the end");
    ok(bare(whole('main')) eq lines(1, $number), "$case: nothing lost or doubled in $kills kills") or diag("seed $seed");
    is(scalar(grep { /\.u$/ } names('main')), 0, "$case: no file is marked as damaged");
  }
}

sub letters { return join '', map { ('w' .. 'z')[rand 4] } 1 .. 1 + rand $_[0] }

# The same config, the same input: what svlogd writes. Its prefix has no blank of its own, and a plus
# within a pattern is special to it.
sub test_svlogd {
  my $svlogd = peer('svlogd');
SKIP: {
    skip 'no svlogd: it is not unpacked in LARES_PEERS', 1 if !$svlogd;
    my $wrong = 0;
    for my $case (1 .. ($ENV{LARES_LONG} ? 600 : 50)) {
      my @lines = map { (rand() < 0.5 ? '-' : '+') . (rand() < 0.7 ? '*' : '') . letters(2) . (rand() < 0.7 ? '*' : '') } 1 .. rand 6;
      splice @lines, rand @lines, 0, ('# comment', '', 's1000000', 'n7', 't1000000')[rand 5] for 1 .. 3;
      my $prefix = rand() < 0.3 ? letters(3) : '';
      my $stamp  = rand() < 0.5;
      my $input  = join '', map { letters(40) . "\n" } 1 .. rand 60;
      my @all;
      for my $program (undef, $svlogd) {
        chdir fresh('svlogd') or die;
        config(join "\n", @lines, $prefix ? ("p$prefix" . ($program ? ' ' : '')) : (), '');
        my $code = finish(start([$stamp ? ($program ? '-t' : 't') : (), './main'], in => $input, program => $program, err => "$dir/err"));
        push @all, "$code\n" . masked('main/current');
      }
      next if $all[0] eq $all[1];
      $wrong++;
      diag("seed $seed, case $case: @lines\n$all[0]\n$all[1]");
    }
    is($wrong, 0, 'configs as svlogd, stamps masked');
  }
}

test_words();
test_errors();
test_hup();
test_nothing();
test_signals_at_the_start();
test_load();
test_bound();
test_bound_traced();
test_programs();
test_full_disk();
test_slow();
test_kills();
test_svlogd();
nothing_left();
done_testing();
