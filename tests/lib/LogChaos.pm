# Random lives of a log writer in one directory: what comes in bit by bit, ALRM, a clock that is set, a disk that is
# full, programs that do what they can, an end by KILL, TERM or the death of a program; each with other parameters.
# use LogTest; use LogTrace; use LogChaos;
#
#   my $r = chaos_round(disk => $mount, mounted => 1, packers => ['zstd'], lives => 12, drop => 0);
#   wrong => [texts], lives, killed, calls, near the bound, unpacked
#
# After each life what is there is a piece of what was sent, without a gap but those it tells of, and does not end
# before what was there earlier; at every call it was within that life's bound.
package LogChaos;

use strict;
use warnings;
use Exporter 'import';
use Fcntl;
use Lares::Proc 'blocks_term';
use LogTest;
use LogTrace;
use POSIX qw(WNOHANG);
use Time::HiRes ();

our @EXPORT = qw(chaos_round);

use constant DAY => 86400;
my $faulty = log_program() =~ s{bin/lares-log$}{fault/lares-log}r;

# None of them changes lines in what it hands on with exit 0, but for points, which are in no line; on a full disk
# they have to fail.
my %program = (
  'none'                   => undef,
  'as it is'               => 'cat && cat <&4 >/dev/null && echo state >&5',
  'fails'                  => 'head -c 100; exit 1',
  'hangs'                  => 'cat; sleep 1000',
  'killed'                 => 'cat; kill -KILL $$',
  'never ends its output'  => 'cat; exec cat /dev/zero',
  'never ends its state'   => 'cat; cat /dev/zero >&5',
  'ignores its limit'      => 'trap "" XFSZ; cat || exit 1; { cat /dev/zero 2>&1 >&3 | grep -q large; } 3>&1',
  'writes on'              => 'for i in 1 2; do setsid sh -c "trap \"\" TERM HUP; while echo .; do :; done" & done; sed "" && exit 0',
  'closes descriptors'     => 'cat || exit 1; exec 0<&- 1>&- 2>&- 4<&- 5>&-; exit 0',
  'renames its output'     => 'cat && mv processed mine',
  'exchanges its output'   => 'head -c 9 && head -c 4500 /dev/zero >mine && mv mine processed',
  'renames its new state'  => 'cat && echo state >&5 && mv newstate mine',
  'takes the oldest away'  => 'for f in @*; do mv $f ../gone; break; done; cat',
  'fails now and then'     => 'test $(($(date +%N | sed s/^0*//) / 1000 % 2)) = 0 || exit 1; cat',
);

sub one_of { return $_[rand @_] }

# --- what is sent -------------------------------------------------------------------------------

# Numbered lines. Wherever one is divided, each piece tells where it belongs.
sub compose {
  my ($bytes) = @_;
  my ($text, $number) = ('', 0);
  while (length $text < $bytes) {
    $number++;
    my $length = rand() < 0.03 ? rand 25_000 : rand() < 0.1 ? rand 2000 : rand 150;
    $text .= "$number " . substr(join(',', map { $number . '+' . $_ } 0 .. $length / 6), 0, $length) . "\n";
  }
  return $text;
}

# --- what is there ------------------------------------------------------------------------------

sub retained {
  my ($r, $log) = @_;
  my $text = '';
  my %stamps;
  for my $file ((grep { /^@/ } names($log)), 'current') {
    # Of two names of one stamp the second is made of the first.
    next if $file =~ /^(\@[0-9a-f]{24})/ && $stamps{$1}++;
    my ($kind) = $file =~ /\.(zst|gz)$/;
    my $part = $kind ? qx{@{[$kind eq 'zst' ? 'zstd -dcq' : 'gzip -dc']} '$log/$file'} : content("$log/$file");
    push @{ $r->{wrong} }, "$file is no valid archive" if $kind && $?;
    $r->{unpacked}++ if $kind;
    # On a full disk it may have been a point only.
    $text .= $part =~ s/\.\n?//gr;
  }
  $text =~ s/^\@[0-9a-f]{24} //mg;
  # What is written last may be cut anywhere.
  return $text =~ s/^(?:\@[0-9a-f]{0,24}|l[^\n]*)\z//mr;
}

sub differ {
  my ($at, $is, $due) = @_;
  ($is ^ $due) =~ /^\0*/;
  my ($have, $sent) = map { substr $_, $+[0] > 40 ? $+[0] - 40 : 0, 90 } $is, $due;
  return 'at ' . ($at + $+[0]) . ": '$have' where '$sent' was sent";
}

# Where in what was sent a piece begins that is there; -1: nowhere, undef: at more than one place.
sub find {
  my ($sent, $piece) = @_;
  my $start = length $piece > 4000 ? substr $piece, 0, 4000 : $piece;
  my $at = index $sent, $start;
  return $at < 0 || rindex($sent, $start) == $at ? $at : undef;
}

# Where in what was sent a log ends that has everything from somewhere on but what it tells that it dropped; or what
# is wrong. A line that is there in part was ended before that is told.
sub place_of {
  my ($text, $sent) = @_;
  my $told = qr/^lares-log: (\d+) lines, (?:\d+) bytes, were dropped here: they could not be written\n/m;
  my @parts = split $told, $text;
  my $end;
  while (@parts) {
    my ($part, $lines) = splice @parts, 0, 2;
    if (!defined $end && length $part) {
      $end = find($sent, $part);
      $end = find($sent, substr $part, 0, -1) if defined $end && $end < 0 && defined $lines;
      return (undef, "'" . substr($part, 0, 90) . "' was not sent") if defined $end && $end < 0;
    }
    next if !defined $end;
    my $here = substr $sent, $end, length $part;
    my $cut = defined $lines && $here ne $part && $part =~ /\n\z/;
    substr($here, -1) = "\n" if $cut;
    return (undef, differ($end, $part, $here)) if $here ne $part;
    $end += length($part) - $cut;
    for (1 .. $lines // 0) {
      $end = 1 + index $sent, "\n", $end;
      return (undef, "$lines lines told as dropped where there are no more") if !$end;
    }
  }
  return ($end, '');
}

# --- one life -----------------------------------------------------------------------------------

# The last one has to write everything, and nobody is in its way.
sub draw {
  my ($c, $last) = @_;
  # Without a program and compression they are nearest to the bound.
  my $bare = $last || rand() < 0.4;
  my $program = $program{ $bare ? 'none' : one_of(sort keys %program) };
  my %p = (size => one_of(4096, 5000, 9000), number => 2 + int rand 5);
  $p{words} = ["s$p{size}", "n$p{number}", one_of('r10', 'r50'), one_of('t', 'x'), one_of('l0', 'l0', 'l500'),
    one_of('yn', 'yn', 'y', 'yr'), one_of('S0', 'S0', 'S' . int 1.5 * $p{size}), one_of('R0', 'R0', 'R1'),
    defined $program ? "!$program" : '!', $bare && !$last ? 'z-' : one_of('z-', map { "z$_" } @{ $c->{packers} }), $c->{drop} && !$last ? one_of('o', 'o', 'b') : 'b'];
  return \%p;
}

sub pids_below {
  my ($pid) = @_;
  my @pids = split ' ', content("/proc/$pid/task/$pid/children");
  return map { ($_, pids_below($_)) } @pids;
}

sub send_some {
  my ($c, $most) = @_;
  my $n = syswrite $c->{feed}, substr $c->{text}, $c->{sent}, $most;
  $c->{sent} += $n if $n;
}

# TERM would end a line that has no end. 1: it has.
sub send_line_end {
  my ($c) = @_;
  return 1 if !$c->{sent} || substr($c->{text}, $c->{sent} - 1, 1) eq "\n";
  send_some($c, 1 + index(substr($c->{text}, $c->{sent}), "\n"));
  return 0;
}

sub step {
  my ($c, $pid) = @_;
  my $what = rand;
  if ($what < 0.45) { send_some($c, 1 + rand 25_000) }
  elsif ($what < 0.6) { kill one_of('ALRM', 'ALRM', 'HUP'), $pid if $pid }
  elsif ($what < 0.7) {
    sysseek $c->{board}, 0, 0;
    syswrite $c->{board}, pack 'q', 1e9 * one_of(0, 1, 3600, DAY, -1, -3600, -(DAY));
  }
  elsif ($what < 0.8) { eval { fill_disk("$c->{disk}/filler") } if $c->{mounted} } # as full as can be: no room for an empty one
  elsif ($what < 0.85) { unlink "$c->{disk}/filler" }
  else { Time::HiRes::sleep(rand() < 0.2 ? 0.2 : rand 0.03) } # programs take their time
}

# Its end: killed at any moment, a program killed and then TERM, TERM, the end of what is sent.
sub end_life {
  my ($c, $run, $pid, $last, $ready) = @_;
  my @below = pids_below($run->{pid});
  if (!$ready || !$last && rand() < 0.6) {
    kill 'KILL', $pid;
    return (finish($run, 30), POSIX::SIGKILL());
  }
  kill 'KILL', $below[-1] if @below > 1 && rand() < 0.3;
  unlink "$c->{disk}/filler";
  until_true(sub { send_line_end($c) }, 30);
  if ($last) {
    until_true(sub { send_some($c, 100_000); $c->{sent} == length $c->{text} }, 30);
    close $c->{feed};
    return (finish($run, 60), 0);
  }
  kill 'TERM', $pid;
  return (finish($run, 60), 0);
}

sub one_life {
  my ($c, $r, $p, $last) = @_;
  my $log = "$c->{disk}/main";
  my $before = sizes($log);
  my $run = start([@{ $p->{words} }, $log, 'x', '!', 'z-', 'yn', 'S0', 'R0', 'b', 's4096', 'n3', './other'],
    fd => $c->{fifo}, keep => $c->{buffer}, err => 'err', program => $faulty, before => [trace_words("$c->{dir}/trace")],
    env => { LARES_LOGBUF => fileno $c->{buffer}, LARES_FAULT_FILE => "$c->{dir}/board", LARES_LOG_TIMEOUT => 1 });
  my $pid;
  until_true(sub { ($pid) = pids_below($run->{pid}); $pid && content("/proc/$pid/comm") =~ /^lares-log/ });
  # Before it catches signals only KILL is for it.
  my $ready = $last || rand() < 0.85;
  until_true(sub { blocks_term($pid) }) if $ready;
  for (1 .. 3 + rand 25) { step($c, $ready ? $pid : 0) }
  my ($status, $due) = end_life($c, $run, $pid, $last, $ready);
  # It may trip over the death of somebody it was about to let go on.
  $status = $due if $due && $status == 256 && content('err') =~ /strace: ptrace\(/;
  my $told = join ' ', map { /\s/ ? "'$_'" : $_ } @{ $p->{words} };
  push @{ $r->{wrong} }, "a logger ended with $status: $told; " . content('err')  if $status != $due;
  my $bound = $p->{size} * $p->{number};
  my $seen = replay(content("$c->{dir}/trace"), $log, $before);
  my $now = sizes($log);
  my $total = LogTrace::total($now, $seen->{foreign});
  push @{ $r->{wrong} }, "$seen->{most} bytes at a call, $bound allowed: $told" if $seen->{most} > $bound;
  push @{ $r->{wrong} }, "$total bytes at the end, $bound allowed: $told" if $total > $bound && $seen->{reading};
  my $other = LogTrace::total(sizes('other'));
  push @{ $r->{wrong} }, "other has $other bytes" if $other > 3 * 4096;
  $r->{calls} += $seen->{calls};
  $r->{near}++ if $seen->{most} > 0.8 * $bound;
  $r->{lives}++;
  $r->{killed}++ if $due;
  check($c, $r, $log, $told, $due);
}

sub check {
  my ($c, $r, $log, $told, $killed) = @_;
  for my $one ($log, 'other') {
    my ($end, $wrong) = place_of(retained($r, $one), $c->{text});
    push @{ $r->{wrong} }, ($one eq $log ? 'main' : $one) . ": $wrong ($told)" if $wrong;
    next if !defined $end;
    push @{ $r->{wrong} }, "$one: ended at $c->{end}{$one}, and now at $end ($told)" if $end < ($c->{end}{$one} // 0);
    # Of one that was killed the last chunk may be taken back and written again.
    $c->{end}{$one} = $end if !$killed;
  }
}

sub chaos_round {
  my (%opt) = @_;
  my $r = { wrong => [], lives => 0, calls => 0, near => 0, killed => 0, unpacked => 0 };
  my ($fifo, $feed) = fifo('fifo');
  fcntl $feed, F_SETFL, O_WRONLY | O_NONBLOCK;
  my $text = compose($opt{lives} * 120_000);
  my $c = { %opt, fifo => $fifo, feed => $feed, text => $text, sent => 0, end => {}, dir => POSIX::getcwd() };
  sysopen $c->{buffer}, 'buffer', O_RDWR | O_CREAT or die;
  truncate $c->{buffer}, one_of(16384, 40960, 135168);
  write_file('board', "\0" x 1_000_000);
  sysopen $c->{board}, 'board', O_WRONLY or die;
  mkdir 'gone';
  for my $life (1 .. $opt{lives}) {
    my $last = $life == $opt{lives};
    one_life($c, $r, draw($c, $last), $last);
    last if @{ $r->{wrong} };
  }
  unlink "$opt{disk}/filler";
  return $r if @{ $r->{wrong} };
  for my $one (sort keys %{ $c->{end} }) {
    push @{ $r->{wrong} }, "$one ends at $c->{end}{$one} of " . length $text if $c->{end}{$one} != length $text;
  }
  return $r;
}

1;
