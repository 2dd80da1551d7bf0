# A log directory watched from outside, at every system call of the log writer and of all that it starts. Needs
# strace. use LogTest; use LogTrace;
#
#   plan skip_all => $why if my $why = no_trace();
#   my $run = start([...], before => [trace_words("$dir/trace")]);
#   my $seen = replay(content("$dir/trace"), $log, sizes($log));    most, calls, total
package LogTrace;

use strict;
use warnings;
use Exporter 'import';
use LogTest;

our @EXPORT = qw(no_trace trace_words replay sizes is_ours);

my $calls = 'open,openat,creat,read,write,pwrite64,writev,sendfile,copy_file_range,splice,rename,renameat,renameat2,'
  . 'unlink,unlinkat,truncate,ftruncate,fallocate';
my $strace;

# Why not, or ''.
sub no_trace {
  chomp($strace = `sh -c 'command -v strace'` // '');
  return 'strace is not installed' if !$strace;
  return 'sanitizers do not work under strace' if $ENV{LARES_SANITIZE};
  return system("$strace -f -y -o /dev/null -e trace=write true 2>/dev/null") ? 'strace cannot trace here' : '';
}

sub trace_words { my ($file) = @_; return ($strace, '-f', '-y', '-s', '0', '-o', $file, '-e', "trace=$calls", '-e', 'signal=none') }

# Files that are the log writer's, and count.
sub is_ours { return $_[0] =~ /^\@[0-9a-f]{24}\.[su](?:\.zst|\.gz)?$|^(?:current|processed|newstate|compressed|state)$/ }

sub sizes { my ($log) = @_; return { map { $_ => -s "$log/$_" } grep { -f "$log/$_" } names($log) } }

# Calls of several processes, whole: a call that was interrupted by others' counts when it is done.
sub whole_calls {
  my (%begun, @calls);
  for my $line (split /\n/, $_[0]) {
    my ($pid, $text) = $line =~ /^(\d+) +(.*)$/ or next;
    if ($text =~ s/ <unfinished \.\.\.>$//) { $begun{$pid} = $text; next }
    $text = delete($begun{$pid}) . $1 if $text =~ /^<\.\.\. \w+ resumed>(.*)$/ && defined $begun{$pid};
    push @calls, $text =~ s/\) += /) = /r;
  }
  return @calls;
}

# The files of a directory after every call: the most bytes that were its own since the first read, the calls, the
# bytes at the end. $before: the files at the beginning.
#
# A file that a program has made under another name and put in its output's place is the program's own, as it was
# before; it counts from when the log writer makes an archive of it.
sub replay {
  my ($trace, $log, $before) = @_;
  my %size = %$before;
  my %foreign;
  my ($most, $seen, $reading) = (0, 0, 0);
  my $own = qr{\d+<\Q$log\E/([^/<>"]+)>};
  my $at = qr{(?:\d+|AT_FDCWD)<\Q$log\E>};
  for (whole_calls($trace)) {
    $reading = 1 if /^read\(0<[^>]*>[^,]*, .* = [1-9]/ && !/^read\(0<\Q$log\E/;
    if (/^(?:openat|open|creat)\((.*) = $own$/) {
      delete $foreign{$2} if !exists $size{$2};
      $size{$2} = 0 if !exists $size{$2} || index($1, 'O_TRUNC') >= 0;
    }
    elsif (/^(?:write|pwrite64|writev|sendfile)\($own, .* = (\d+)$/) { $size{$1} += $2 if exists $size{$1} }
    elsif (/^(?:copy_file_range|splice)\([^,]+, [^,]+, $own, .* = (\d+)$/) { $size{$1} += $2 if exists $size{$1} }
    elsif (/^ftruncate\($own, (\d+)\) = 0/) { $size{$1} = $2 if exists $size{$1} }
    elsif (/^renameat2?\($at, "([^"]+)", $at, "([^"]+)"(?:, \w+)?\) = 0/) {
      my ($from, $to) = ($1, $2);
      $size{$to} = delete $size{$from};
      delete @foreign{$from, $to};
      $foreign{$to} = 1 if $to =~ /^(?:processed|newstate|compressed)$/ && !is_ours($from);
    }
    elsif (/^renameat2?\($at, "([^"]+)", .*\) = 0/) { delete $size{$1} }
    elsif (/^unlinkat\($at, "([^"]+)", 0\) = 0/) { delete $size{$1} }
    else { next }
    $seen++;
    my $total = total(\%size, \%foreign);
    $most = $total if $reading && $total > $most;
  }
  return { most => $most, reading => $reading, calls => $seen, total => total(\%size, \%foreign), foreign => \%foreign };
}

sub total {
  my ($size, $foreign) = @_;
  my $total = 0;
  $total += $size->{$_} // 0 for grep { is_ours($_) && !$foreign->{$_} } keys %$size;
  return $total;
}

1;
