# The script language of lares-log, action by action: what standard output, standard error, status
# files and directories get, the same as multilog and s6-log where they have the word; JSON and
# escape sequences; records; ages and sizes.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use LogTest;
use Test::More;
use JSON::PP ();
use POSIX ();

my $dir  = work_dir();
my $seed = $ENV{LARES_SEED} // time;
srand $seed;

# What there is when it has run: (exit status, standard output, standard error).
sub run {
  my ($words, $in, %how) = @_;
  my $run = start($words, in => $in, out => "$dir/out", err => "$dir/err", %how);
  return (finish($run), content("$dir/out"), content("$dir/err"));
}

sub test_streams {
  chdir fresh('streams') or die;
  my ($code, $out, $err) = run(['pweb:', '1', 'p', '2', './main'], "one\ntwo");
  is($code, 0, 'everywhere at once');
  is($out, "web: one\nweb: two\n", 'standard output, with a prefix');
  is($err, "one\ntwo\n", 'standard error, without');
  is(content('main/current'), "one\ntwo\n", 'and a directory');
  ($code, $out) = run(['t', './m', 'T', '1', 'x', './raw'], "line\n");
  like(content('m/current'), qr/^\@[0-9a-f]{24} line\n\z/, 't for one action');
  like($out, qr/^\d{4}-\d\d-\d\dT[\d:.]{12}Z line\n\z/, 'T in its place for the next');
  is(content('raw/current'), "line\n", 'neither behind x');
  my $long = 'x' x 300_000;
  ($code, $out) = run(['pa', '1'], "1\n$long\n2");
  ok($out eq "a 1\na $long\na 2\n", 'a line longer than the buffer');
  ($code, $out, $err) = run(['-*a*', '1', 'f', '-*b*', 'e', 'F', '+*b*', '=status'], "a\nb\nc\nab\n");
  is("$out|$err", "b\nc\n|a\n", 'f and F');
  is(content('status'), "ab" . "\n" x 999, 'a status file');
  ok(system("echo from a script | @{[log_program()]} t ./piped 1 | grep -q '^\@.* from a script\$'") == 0, 'in a pipeline');
  like(content('piped/current'), qr/ from a script$/, 'and in the file');
}

# Lines for it were lost without a word.
sub test_closed_output {
  chdir fresh('unheard') or die;
  my @closed = (before => ['sh', '-c', 'exec "$@" >&-', 'sh']);
  my ($code, undef, $err) = run(['1', './main'], "one\n", @closed);
  is($code, 0, 'standard output is closed');
  is($err, "lares-log: warning: standard output is closed; lines for it are left out\n", 'and said');
  is(content('main/current'), "one\n", 'which costs the file nothing');
  ($code, undef, $err) = run(['./main'], "two\n", @closed);
  is("$code $err", '0 ', 'who wants nothing there hears nothing');
  my ($fifo, $feed) = fifo('fifo');
  write_file('main/config', "s5000\n");
  my $run = start(['./main'], fd => $fifo, err => "$dir/err", @closed);
  print {$feed} "three\n";
  ok(until_true(sub { content('main/current') =~ /three/ }), 'a log writer with a config');
  write_file('main/config', "1\n");
  kill 'HUP', $run->{pid};
  ok(until_true(sub { content("$dir/err") =~ /script was read again/ }), 'which wants lines there now');
  like(content("$dir/err"), qr/warning log standard output is closed; lines for it are left out$/m, 'hears it at HUP');
  close $feed;
  close $fifo;
  is(finish($run), 0, 'the end');
}

# Each stream is its own: one that ends or is slow costs the directory nothing.
sub test_readers {
  chdir fresh('readers') or die;
  pipe my $read, my $write or die;
  close $read;
  my $run = start(['./main', '1'], in => "one\ntwo\n", to => $write, err => "$dir/err");
  is(finish($run), 0, 'standard output that nobody reads');
  is(content('main/current'), "one\ntwo\n", 'costs the file nothing');
  like(content("$dir/err"), qr/nobody reads standard output any more/, 'and is said');
  my ($fifo, $feed) = fifo('fifo');
  pipe $read, $write or die;
  my $lines = join '', map { "line $_\n" } 1 .. 40_000;
  $run = start(['./held', '1'], in => $lines, to => $write, err => "$dir/err");
  close $write;
  my $got = '';
  select undef, undef, undef, 0.1; # the reader takes his time: that is the case
  sysread $read, $got, 65536, length $got while length $got < length $lines;
  is(finish($run), 0, 'a reader who takes his time');
  ok($got eq $lines && whole('held') eq substr($lines, -length whole('held')), 'gets everything');
}

sub test_dropping {
  chdir fresh('dropping') or die;
  pipe my $read, my $write or die;
  my ($fifo, $feed) = fifo('fifo');
  my $run = start(['./main', 'o', 's1000000', '1'], fd => $fifo, to => $write, err => "$dir/err");
  close $write;
  my $lines = join '', map { "line $_ " . 'x' x 80 . "\n" } 1 .. 20_000;
  print {$feed} $lines;
  ok(until_true(sub { content('main/current') =~ /^line 20000 /m }), 'a reader who does not read stops nothing');
  my $got = '';
  sysread $read, $got, 65536, length $got while $got !~ /dropped here.*\n(?:.*\n)*line 20000 x+\n/;
  close $feed;
  close $fifo;
  is(finish($run), 0, 'the end');
  1 while sysread $read, $got, 65536, length $got;
  my ($dropped, $bytes) = $got =~ /^lares-log: (\d+) lines, (\d+) bytes, were dropped here/m;
  my @seen = $got =~ /^line (\d+) x{80}$/mg;
  is(@seen + $dropped, 20_000, 'what was dropped is counted');
  is(length($got =~ s/^lares-log: .*\n//mgr) + $bytes, length $lines, 'its bytes too');
  is(join(',', @seen), join(',', sort { $a <=> $b } @seen), 'and what is there is in order');
}

sub letters { return join '', map { ('w' .. 'z')[rand 4] } 1 .. 1 + rand $_[0] }

sub test_multilog {
  my $multilog = peer('multilog');
SKIP: {
    skip 'no multilog: it is not unpacked in LARES_PEERS', 1 if !$multilog;
    my $wrong = 0;
    for my $case (1 .. ($ENV{LARES_LONG} ? 600 : 50)) {
      my @words = rand() < 0.5 ? ('t') : ();
      for my $n (1 .. 1 + rand 4) {
        push @words, (rand() < 0.5 ? '-' : '+') . '*' . letters(2) . '*' for 1 .. rand 3;
        push @words, ('e', "=status$n", "./d$n")[rand 3];
      }
      my $input = join '', map { letters(rand() < 0.1 ? 1300 : rand() < 0.3 ? 230 : 40) . "\n" } 1 .. rand 60;
      $input .= 'end' if rand() < 0.3;
      my @all;
      for my $program (undef, $multilog) {
        chdir fresh('multilog') or die;
        my ($code, $out, $err) = run(\@words, $input, program => $program);
        push @all, join "\n==\n", $code, mask($err), map { mask(/^d/ ? whole($_) : content($_)) } names('.');
      }
      next if $all[0] eq $all[1];
      $wrong++;
      diag("seed $seed, case $case: @words");
    }
    is($wrong, 0, 'e, = and directories as multilog, stamps masked');
  }
}

# Selection by a pattern that means the same for both; stamps and what follows them in s6-log's T
# are masked.
sub test_s6_log {
  my $s6 = peer('s6-log');
SKIP: {
    skip 'no s6-log: it is not unpacked in LARES_PEERS', 1 if !$s6;
    my ($wrong, $stamp) = (0, qr/(?:\@[0-9a-f]{24} )?(?:\d{4}-\d\d-\d\d[ T][\d:.]+Z?(?: )+)?/);
    for my $case (1 .. ($ENV{LARES_LONG} ? 600 : 50)) {
      my (@ours, @theirs);
      for my $n (1 .. 1 + rand 4) {
        for (1 .. rand 3) {
          my ($sign, $letter) = (rand() < 0.5 ? '-' : '+', letters(1));
          push @ours, "$sign*$letter*";
          push @theirs, $sign . $letter;
        }
        my @both = rand() < 0.3 ? ('f') : ();
        push @both, 'p' . letters(4) if rand() < 0.3;
        my @stamps = (['t'], ['T'], ['t', 'T'], [])[rand 4]->@*;
        push @both, 'S1000000', 'l100', 'r100' if rand() < 0.3;
        my $action = ('1', "./d$n", "./d$n")[rand 3];
        push @ours, @both, @stamps, $action;
        push @theirs, @both, @stamps, $action;
        push @ours, 'x', (grep { /^p/ } @ours)[-1] // () if @stamps; # which are for one action there
      }
      my $input = join '', map { letters(40) . "\n" } 1 .. rand 60;
      my @all;
      for my $program (undef, $s6) {
        chdir fresh('s6') or die;
        my ($code, $out) = run($program ? ['--', @theirs] : \@ours, $input, program => $program);
        push @all, join "\n==\n", $code, map { s/^$stamp/#/mgr } $out, map { content("$_/current") } names('.');
      }
      next if $all[0] eq $all[1];
      $wrong++;
      diag("seed $seed, case $case: @ours");
    }
    is($wrong, 0, 't T p f 1 and directories as s6-log, stamps masked');
  }
}

# Selection by regular expressions, in both the same.
sub test_s6_expressions {
  my $s6 = peer('s6-log');
SKIP: {
    skip 'no s6-log: it is not unpacked in LARES_PEERS', 1 if !$s6;
    my @parts = ('w', 'x', 'y', 'z', '.', '[wx]', '[^w]', '(x|y)', '(wx)+', 'y*', 'z?', 'w{2,3}', '[[:alpha:]]', '(^w|z$)');
    my $wrong = 0;
    for my $case (1 .. ($ENV{LARES_LONG} ? 600 : 50)) {
      my @words;
      for my $n (1 .. 1 + rand 3) {
        push @words, (rand() < 0.5 ? '-' : '+') . (rand() < 0.2 ? '^' : '') . join('', map { $parts[rand @parts] } 1 .. 1 + rand 4) . (rand() < 0.2 ? '$' : '') for 1 .. 1 + rand 3;
        push @words, 'f' if rand() < 0.3;
        push @words, "./d$n";
      }
      my $input = join '', map { letters(12) . "\n" } 1 .. rand 80;
      my @all;
      for my $program (undef, $s6) {
        chdir fresh('s6') or die;
        my ($code) = run([$program ? '--' : ('t', 'E'), @words], $input, program => $program);
        push @all, join "\n==\n", $code, map { mask(content("$_/current")) =~ s/^@ //mgr } names('.');
      }
      next if $all[0] eq $all[1];
      $wrong++;
      diag("seed $seed, case $case: @words");
    }
    is($wrong, 0, 'regular expressions as s6-log, stamps not seen');
  }
}

# Messages put together again from pieces, from the bytes where there are such.
sub messages {
  my ($text) = @_;
  my ($json, $message, @all) = (JSON::PP->new->utf8, '');
  for my $line (split /\n/, $text) {
    my $object = $json->decode($line);
    my $part = defined $object->{message_hex} ? pack 'H*', $object->{message_hex} : $object->{message};
    utf8::encode($part) if !defined $object->{message_hex};
    $message .= $part;
    next if $object->{more};
    push @all, $message;
    $message = '';
  }
  return join '', map { "$_\n" } @all;
}

sub any_line {
  my $length = rand() < 0.02 ? 20_000 : rand() < 0.1 ? 3000 : 60;
  my @bytes = rand() < 0.5 ? (0 .. 9, 11 .. 255) : (32 .. 126);
  my $line = join '', map { chr $bytes[rand @bytes] } 1 .. rand $length;
  $line .= "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" x (1 + rand 500) if rand() < 0.2;
  return "$line\n";
}

sub test_json {
  chdir fresh('json') or die;
  my ($code, $out) = run(['t', 'j', 'pq"', '1', 'x', 'jerr', '1'], "a\"b\n", env => { LARES_NAME => 'web' });
  my ($one, $two) = map { JSON::PP->new->decode($_) } split /\n/, $out;
  like($one->{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/, 'the time with nanoseconds');
  like($one->{tai64n}, qr/^\@[0-9a-f]{24}$/, 'the label with t');
  is(join('|', map { $_ // '' } @$one{qw(service stream message prefix)}), 'web|stdout|a"b|q"', 'service, stream, message, prefix');
  is(join('|', sort keys %$two), 'message|service|stream|time', 'nothing that was not wanted');
  is($two->{stream}, 'err', 'the stream that j names');
  for my $round (1 .. ($ENV{LARES_LONG} ? 40 : 6)) {
    my $input = join '', map { any_line() } 1 .. 100;
    chdir fresh('json') or die;
    ($code) = run([$round % 2 ? 't' : 'a', 'j', 's' . (4096 + int rand 60_000), 'n2000', './main'], $input =~ tr/\e//dr);
    is($code, 0, 'JSON of any bytes');
    my @files = map { "main/$_" } grep { !/lock/ } names('main');
    ok(messages(join '', map { content($_) } @files) eq $input =~ tr/\e//dr, "comes back as it was, seed $seed");
    is(scalar(grep { length content($_) && content($_) !~ /\}\n\z/ } @files), 0, 'and each file ends with an object');
  }
  my $big = join '', map { chr(128 + rand 128) } 1 .. 600_000;
  chdir fresh('json') or die;
  ($code) = run(['j', 'n2000', './main'], "$big\nx\n");
  ok(messages(whole('main')) eq "$big\nx\n", 'a line that is longer than anything');
}

sub test_escapes {
  chdir fresh('escapes') or die;
  my ($code, $out) = run(['a', '1'], "\e[1;31mred\e[0m \e]0;title\abold\e(B\e]8;;http://x\e\\link\e[K\nlone \e]x\n\e\nend\e[");
  is($out, "red boldlink\nlone x\n\nend\n", 'escape sequences are left out, text is not');
  my $long = ("text \e[32mgreen\e[m " x 20_000) . "\n";
  ($code, $out) = run(['a', '1'], $long);
  ok($out eq $long =~ s/\e\[[\d;]*m//gr, 'in a long line too') or diag(length $out, ' ', length $long);
}

sub test_records {
  chdir fresh('records') or die;
  my ($number, $input) = (0, '');
  while (length $input < 200_000) {
    $number++;
    $input .= ($number % 3 ? 'keep' : 'drop') . " $number\n";
    $input .= (rand() < 0.5 ? ' ' : "\t") . "more of $number " . 'x' x (rand 60) . "\n" for 1 .. rand 6;
  }
  my ($code) = run(['-drop*', 'c', 's4096', 'n1000', './main', 'F', '+drop*', './other'], $input);
  is($code, 0, 'records');
  my %want = (keep => '', drop => '');
  my $record = '';
  for (split /^(?=\S)/m, $input) { $want{ substr $_, 0, 4 } .= $_ }
  ok(whole('main') eq $want{keep}, 'go as a whole to one place');
  ok(whole('other') eq $want{drop}, 'or to the other');
  is(scalar(grep { content("main/$_") =~ /^\s/ } grep { !/lock/ } names('main')), 0, 'no file begins within one');
  is(scalar(grep { -s "main/$_" > 4096 } names('main')), 0, 'nor is too large');
  chdir fresh('records') or die;
  ($code) = run(['c', 's4096', 'n100', './main'], "first\n" . " rest\n" x 2000 . "last\n");
  is(whole('main'), "first\n" . " rest\n" x 2000 . "last\n", 'one that is larger than a file is divided');
}

sub test_files {
  chdir fresh('sizes') or die;
  my $input = join '', map { 'x' x (rand 100) . "\n" } 1 .. 3000;
  my ($code) = run(['s10000', 'n100', 'S35000', './main'], $input);
  my $archives = 0;
  $archives += -s "main/$_" for grep { /^\@/ } names('main');
  cmp_ok($archives, '<=', 35_000, 'S bounds the archives');
  cmp_ok($archives, '>', 20_000, 'and no more than that');
  chdir fresh('sizes') or die;
  ($code) = run(['s10000', 'l4000', 'n100', './main'], $input);
  is(scalar(grep { -s "main/$_" > 6200 || -s "main/$_" < 6000 } grep { /^\@/ } names('main')), 0, 'l ends files earlier');
  ok(whole('main') eq $input, 'and loses nothing');
  chdir fresh('age') or die;
  my ($fifo, $feed) = fifo('fifo');
  my $run = start(['R1', './main'], fd => $fifo);
  print {$feed} "one\n";
  ok(until_true(sub { grep { /\.s$/ } names('main') }), 'R ends a file at its age without further input');
  kill 'TERM', $run->{pid};
  is(finish($run), 0, 'TERM');
  is(whole('main'), "one\n", 'with what was in it');
}

sub test_age {
  chdir fresh('expiry') or die;
  my ($fifo, $feed) = fifo('fifo');
  my $run = start(['R1', 'A2', './main'], fd => $fifo, err => "$dir/err");
  my %seen;
  for my $line (1 .. 3) {
    print {$feed} "$line\n";
    my $name;
    ok(until_true(sub { ($name) = grep { /\.s$/ && !$seen{$_} } names('main') }), "file $line is finished");
    $seen{$name} = 1;
  }
  ok(until_true(sub { !grep { /^@/ } names('main') }), 'A removes finished files, without further input');
  close $feed;
  is(finish($run), 0, 'the end');
  is(content("$dir/err"), '', 'nothing is said');
  chdir fresh('expiry') or die;
  mkdir 'main';
  write_file("main/\@40000000$_.s", "old $_\n") for qw(000000000000002a 000000010000000a);
  is(finish(start(['A60', 'n9', './main'], in => "a\n")), 0, 'files from an earlier life');
  is(scalar(grep { /^@/ } names('main')), 2, 'are not taken for old at once');
}

# (fdatasync and fsync calls)
sub syncs {
  my ($word, $in) = @_;
  chdir fresh('sync') or die;
  my ($code) = run([$word, 's4096', 'n100', './main'], $in,
    before => ['strace', '-f', '-o', "$dir/trace", '-e', 'trace=fdatasync,fsync'], env => { ASAN_OPTIONS => 'detect_leaks=0' });
  return scalar(() = content("$dir/trace") =~ /^\S*\s*f(?:data)?sync\(\d+\)\s*= 0/mg);
}

sub test_sync {
SKIP: {
    skip 'strace is not here or cannot trace', 4 if system("strace -o /dev/null true 2>/dev/null");
    my $lines = "line\n" x 2000;
    is(syncs('yn', $lines), 0, 'never flushed unless wanted');
    cmp_ok(syncs('yr', $lines), '>=', 4, 'yr: at the end of files');
    cmp_ok(syncs('y', "one\n"), '>=', 1, 'y: after each read');
    cmp_ok(syncs('y5', "one\n"), '>=', 1, 'y5: at the end at the latest');
  }
}

test_streams();
test_closed_output();
test_readers();
test_dropping();
test_multilog();
test_s6_log();
test_s6_expressions();
test_json();
test_escapes();
test_records();
test_files();
test_age();
test_sync();
nothing_left();
done_testing();
