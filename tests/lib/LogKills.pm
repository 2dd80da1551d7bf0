# Loggers that are killed again and again while several processes write to their pipe, and the account of
# every byte. use LogTest; use LogKills;
#
#   my $r = kill_round($map, script => [...], size => 4096, number => 900, writers => 2, kills => 60, ...)
#
# One round has one directory, one buffer and one pipe; each logger is killed, at a point of its program or at
# random, and the next goes on. What is finished is taken away meanwhile, as somebody would who ships archives,
# so that nothing is removed for want of room: in the end it has to be what was sent, byte by byte.
#
# A line begins with the letter of its writer; the rest is anything but a newline. What one writer has sent is
# compared in its order; how the lines of several lie between each other is the pipe's business.
package LogKills;

use strict;
use warnings;
use Exporter 'import';
use Fcntl;
use Lares::KillMap ();
use LogTest;
use POSIX qw(WNOHANG);
use Time::HiRes ();

our @EXPORT = qw(kill_round add_up log_points);

use constant MARK => "\x01"; # in no line that is sent; what a program adds stands between two of them

# --- those who write ----------------------------------------------------------------------------

# Of a length that is mostly short, with anything in it. Only a read that delivered nothing but NULs can be
# lost, so no two of them stand together, and in lines of which the pipe may hold a piece there are few.
sub line {
  my ($letter, $number, $longest) = @_;
  my $kind = rand;
  my $length = $kind < 0.1 ? 1 : $kind < 0.8 ? 2 + rand 80 : $kind < 0.97 ? rand 600 : rand $longest;
  $length = $longest if $kind > 0.995;
  my $line = $letter;
  $line .= "$number " if $length > 12;
  my $nuls = rand() < 0.1;
  my $rest = int $length - length $line;
  return $line if $rest <= 0;
  my $piece = join '', map { chr(($_ == 10 || $_ < 2 ? 32 : $_)) } map { int rand 256 } 1 .. ($rest < 61 ? $rest : 61);
  $piece = join '', map { rand() < 0.1 ? "\0" . chr(97 + rand 26) : $_ } split //, $piece if $nuls;
  return $line . substr $piece x (1 + $rest / length $piece), 0, $rest;
}

# Writes whole lines, one or some at a time, until told to end by TERM; what it has sent is in a file.
sub writer {
  my ($pipe, $file, $letter, $longest, $pause, $alone) = @_;
  my $seed = int rand 1 << 31;
  my $pid = fork // die;
  return $pid if $pid;
  my ($number, $ending) = (0, 0);
  $SIG{TERM} = sub { $ending = 1 };
  srand $seed;
  open my $sent, '>:raw', $file or POSIX::_exit(1);
  until ($ending) {
    my $text = line($letter, ++$number, $longest) . "\n";
    while (rand() < 0.9) {
      my $more = line($letter, $number + 1, 600) . "\n";
      last if length($text) + length($more) > 4096;
      $number++;
      $text .= $more;
    }
    syswrite($sent, $text) == length $text or POSIX::_exit(1);
    # Alone it may write in two pieces: one that ends with a NUL cannot be told from what is behind it.
    my $piece = $alone && $text =~ /\0/ && rand() < 0.5 ? $+[0] : 0;
    for (my $at = 0; $at < length $text;) {
      $at += syswrite($pipe, $text, ($at < $piece ? $piece : length $text) - $at, $at) // 0;
      Time::HiRes::sleep(rand $pause) if $at == $piece;
    }
    Time::HiRes::sleep(rand $pause) if rand() < 0.4; # the pace of the input
  }
  POSIX::_exit(0);
}

# --- what is there ------------------------------------------------------------------------------

sub is_ours { return $_[0] =~ /^\@[0-9a-f]{24}\.[su](?:\.zst|\.gz)?$|^(?:current|processed|newstate|compressed|state)$/ }

sub bytes_of {
  my ($log) = @_;
  my $sum = 0;
  $sum += -s "$log/$_" // 0 for grep { is_ours($_) } names($log);
  return $sum;
}

# The content of files in their order; those that cannot be unpacked are named in $$r{invalid}.
sub unpacked {
  my ($r, @files) = @_;
  my $text = '';
  while (@files) {
    my ($kind) = $files[0] =~ /\.(zst|gz)$/;
    my @some;
    push @some, shift @files while @files && (($files[0] =~ /\.(zst|gz)$/)[0] // '') eq ($kind // '') && @some < 50;
    if (!$kind) { $text .= content($_) for @some; next }
    open my $out, '-|', $kind eq 'zst' ? ('zstd', '-dcq') : ('gzip', '-dc'), @some or die;
    binmode $out;
    local $/;
    $text .= <$out> // '';
    push @{ $r->{invalid} }, @some if !close $out;
    $r->{valid} += @some;
  }
  return $text;
}

# Takes finished files away, oldest first, but the last: names of later ones have to come behind it. Nobody works on
# them: the logger is dead. One of two names of one stamp is for the next logger to settle.
sub take_away {
  my ($r, $done) = @_;
  my @files = grep { /^@/ } names('main');
  my %times;
  $times{ substr $_, 0, 25 }++ for @files;
  my @take;
  for my $file (@files[0 .. $#files - 1]) {
    last if $file !~ $done || $times{ substr $file, 0, 25 } > 1;
    push @take, "main/$file";
  }
  $r->{text} .= unpacked($r, @take);
  unlink @take;
}

# What a log writer passes that may not drop.
sub log_points { return grep { $_->[1] =~ /^log(?: work)?:/ } Lares::KillMap::kill_points() }

# --- kills --------------------------------------------------------------------------------------

sub reap_orphans { my ($run) = @_; my $pid; while (($pid = waitpid -1, WNOHANG) > 0) { $run->{status} = $? if $pid == $run->{pid} } }

# It dies by itself at an armed point, or is killed; the number of the point's death counts in the map.
sub one_life {
  my ($map, $r, $script, $how, $seconds) = @_;
  my @points = map { $_->[0] } log_points();
  my %killed = map { $_->[1] => $_->[4] } grep { $_->[0] eq 'log' } $map->pairs;
  my ($sum, $chosen) = (0);
  if (rand() < 0.75) {
    for my $point (@points) { $chosen = $point if rand($sum += 1 / (1 + ($killed{$point} // 0))) < 1 / (1 + ($killed{$point} // 0)) }
  }
  my $run = start($script, %$how);
  my $until = Time::HiRes::time() + ($chosen ? 2 : 1) * rand $seconds;
  Time::HiRes::sleep(rand($seconds / 3)) if rand() < 0.5;
  $map->arm('log', $chosen, 'self') if $chosen;
  while (!defined $run->{status} && Time::HiRes::time() < $until) {
    reap_orphans($run);
    Time::HiRes::sleep(0.0005);
  }
  $map->disarm('log', $chosen) if $chosen;
  if (!defined $run->{status}) { kill 'KILL', $run->{pid}; $r->{random}++ }
  until (defined $run->{status}) { reap_orphans($run); Time::HiRes::sleep(0.0003) }
  LogTest::forget($run);
  push @{ $r->{wrong} }, "a logger ended with $run->{status}" if $run->{status} != POSIX::SIGKILL();
  $r->{kills}++;
}

# script: without the directory main and numbers; program: it is a processor that adds a line to each file; packed:
# 'zst' or 'gz'.
sub kill_round {
  my ($map, %opt) = @_;
  my $r = { kills => 0, random => 0, text => '', invalid => [], valid => 0, wrong => [], most => 0 };
  my ($fifo, $feed) = fifo('fifo');
  sysopen my $buffer, 'buffer', O_RDWR | O_CREAT or die;
  truncate $buffer, $opt{buffer};
  my @script = ("s$opt{size}", "n$opt{number}", 'r10', @{ $opt{script} }, './main', 'x', '!', 'z-', 's4096', 'n3', './newest');
  my %how = (fd => $fifo, keep => $buffer, err => 'err', program => $opt{logger}, env => { LARES_LOGBUF => fileno $buffer, LARES_TEST_KILL_MAP => $map->file });
  my $done = $opt{packed} ? qr/\.$opt{packed}$/ : qr/\.s$/;
  my @letters = ('a' .. 'z')[0 .. $opt{writers} - 1];
  # Longer ones are not written as a whole.
  my $longest = $opt{writers} == 1 ? $opt{longest} : 4000;
  my %writer = map { writer($feed, "sent.$_", $_, $longest, $opt{pause}, @letters == 1) => $_ } @letters;
  my $last = $opt{kills} + 3;
  while ($r->{kills} < $last) {
    one_life($map, $r, \@script, \%how, $opt{seconds});
    $r->{said} .= content('err');
    my ($main, $newest) = (bytes_of('main'), bytes_of('newest'));
    push @{ $r->{wrong} }, "main has $main bytes" if $main > $opt{size} * $opt{number};
    push @{ $r->{wrong} }, "newest has $newest bytes" if $newest > 3 * 4096;
    $r->{most} = $newest if $newest > $r->{most};
    take_away($r, $done) if rand() < 0.2;
    next if $r->{kills} != $opt{kills};
    kill 'TERM', keys %writer;
  }
  my $run = start(\@script, %how);
  waitpid $_, 0 for keys %writer;
  print {$feed} 'a the last line, without an end';
  close $feed;
  my $status = finish($run, 300); # hundreds of files may be left to work on
  push @{ $r->{wrong} }, "the last logger ended with $status" if $status;
  $r->{said} .= content('err');
  my @left = grep { /^@/ } names('main');
  my @undone = grep { !/$done/ } @left;
  $r->{undone} = @undone;
  $r->{text} .= unpacked($r, map { "main/$_" } @left) . content('main/current');
  $r->{newest} = join '', map { content("newest/$_") } (grep { /^@/ } names('newest')), 'current';
  $r->{sent} = { map { $_ => content("sent.$_") } @letters };
  $r->{sent}{a} .= "a the last line, without an end\n";
  $r->{left} = join ' ', grep { !/^@/ } names('main');
  return $r;
}

# --- the account --------------------------------------------------------------------------------

# By writer, in their order.
sub by_writer {
  my %lines;
  $lines{ substr $_, 0, 1 } .= "$_\n" for split /\n/, $_[0];
  return \%lines;
}

sub differs {
  my ($what, $is, $want) = @_;
  return () if $is eq $want;
  my $at = 0;
  ($is ^ $want) =~ /^\0*/ and $at = $+[0];
  my ($lines, $wanted) = map { tr/\n// } $is, $want;
  my ($have, $due) = map { substr($_, $at > 30 ? $at - 30 : 0, 90) =~ s/[^ -~]/?/gr } $is, $want;
  return "$what: " . length($is) . " bytes in $lines lines, sent " . length($want) . " in $wanted; at $at: '$have' where '$due' was due";
}

# What is wrong with a round: a list of texts.
sub add_up {
  my ($r, %opt) = @_;
  my @wrong = @{ $r->{wrong} };
  my $mark = MARK;
  if ($opt{program}) {
    my @runs = $r->{text} =~ /$mark(\d+)$mark\n/g;
    my @doubled = grep { $runs[$_ - 1] != $_ } 1 .. @runs;
    push @wrong, @doubled . " of " . @runs . " files were not processed once, with the state of the one before: " . join ' ', @runs[0 .. ($#runs < 20 ? $#runs : 20)] if @doubled;
    $r->{text} =~ s/$mark\d+$mark\n//g;
  }
  push @wrong, scalar(@{ $r->{invalid} }) . " archives are not valid: $r->{invalid}[0]" if @{ $r->{invalid} };
  push @wrong, "$r->{undone} files are not finished" if $r->{undone} && !$opt{may_stay};
  my $text = $r->{text} =~ s/^\@[0-9a-f]{24} //mgr;
  push @wrong, 'stamps are not in order' if $opt{stamps} && !in_order($r->{text} =~ /^(\@[0-9a-f]{24}) /mg);
  my $is = by_writer($text);
  push @wrong, differs("writer $_", $is->{$_} // '', $r->{sent}{$_}) for sort keys %{ $r->{sent} };
  push @wrong, 'lines of nobody: ' . join ' ', map { sprintf '%vd', $_ } grep { !defined $r->{sent}{$_} } sort keys %$is if keys %$is != keys %{ $r->{sent} };
  # The order of the whole is the pipe's: what is newest has to be the end of what is all.
  push @wrong, differs('the newest', $r->{newest}, substr $text, -length $r->{newest}) if !$opt{stamps} || length $r->{newest};
  # A shell whose cat is killed a moment before it is itself has the time to say so.
  my @said = grep { !/gets? smaller|it was killed|next try in|^Killed$/ } split /\n/, $r->{said};
  push @wrong, "said: $said[0]" if @said;
  return @wrong;
}

sub in_order { my $before = ''; for (@_) { return 0 if $_ le $before; $before = $_ } return 1 }

1;
