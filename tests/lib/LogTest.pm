# What the tests of the log writer share: starting it with input, waiting bounded for it and for
# conditions, reading log directories, and the check that nothing is left. Core Perl only.
package LogTest;

use strict;
use warnings;
use Cwd ();
use Exporter 'import';
use Fcntl;
use File::Path ();
use File::Temp ();
use IO::Handle;
use POSIX ();
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(work_dir fresh start finish until_true rests content write_file names mode whole mask
  masked fifo fill_disk peer log_program nothing_left);

my $source = Cwd::abs_path(__FILE__ =~ s{[^/]*$}{../..}r);
my $log = Cwd::abs_path($ENV{LARES_BUILD} // "$source/build/bin") . '/lares-log';
my $peers = $ENV{LARES_PEERS} // "$source/build/peers/root";
$peers = Cwd::abs_path($peers) if -d $peers;
my ($owner, $work, %running) = ($$);

sub log_program { return $log }

sub work_dir {
  if (!$work) {
    die "$log is not there: run make, or set LARES_BUILD\n" if !-x $log;
    my $base = $ENV{TMPDIR} // "$source/build/tmp";
    File::Path::make_path($base);
    $work = File::Temp::tempdir('log.XXXXXXXX', DIR => Cwd::abs_path($base));
    chmod 0755, $work;
  }
  return $work;
}

# An empty directory of that name.
sub fresh {
  my ($name) = @_;
  my $path = work_dir() . "/$name";
  chdir $work;
  File::Path::remove_tree($path);
  mkdir $path or die "$path: $!";
  chmod 0755, $path;
  return $path;
}

# To its last byte.
sub fill_disk {
  my ($file) = @_;
  open my $out, '>>:raw', $file or die "$file: $!\n";
  for my $size (4096, 1) { 1 while syswrite $out, 'f' x $size }
}

# An unpacked or installed program, or undef.
sub peer {
  my ($name) = @_;
  for my $path ((map { "$peers/$_/$name" } qw(usr/bin usr/sbin)), map { "$_/$name" } split /:/, $ENV{PATH}) {
    return $path if -x $path;
  }
  return undef;
}

# start(\@words, in => text or undef for a closed one | fd => handle, err => file, out => file |
# to => handle, program => path,
# uid => number, env => {}, keep => handle that is inherited, before => [words of a wrapper])
sub start {
  my ($words, %how) = @_;
  my $in;
  if (defined $how{in}) {
    open $in, '+>', undef or die;
    print {$in} $how{in};
    $in->flush;
    seek $in, 0, 0;
  }
  my $pid = fork // die;
  if (!$pid) {
    $SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT TERM PIPE); # whoever started the tests may ignore some
    my $from = $in // $how{fd};
    if ($from) { POSIX::dup2(fileno $from, 0) // POSIX::_exit(120) }
    else { POSIX::close(0) }
    open STDERR, '>', $how{err} if $how{err};
    open STDOUT, '>', $how{out} if $how{out};
    POSIX::dup2(fileno $how{to}, 1) // POSIX::_exit(120) if $how{to};
    if ($how{keep}) {
      my $flags = fcntl $how{keep}, F_GETFD, 0;
      fcntl $how{keep}, F_SETFD, $flags & ~FD_CLOEXEC;
    }
    $ENV{$_} = $how{env}{$_} for keys %{$how{env} // {}};
    if ($how{uid}) {
      $) = "$how{uid} $how{uid}";
      POSIX::setgid($how{uid});
      POSIX::setuid($how{uid});
    }
    my @command = (@{$how{before} // []}, $how{program} // $log, @$words);
    exec { $command[0] } @command or POSIX::_exit(121);
  }
  $running{$pid} = 1;
  return { pid => $pid };
}

sub until_true {
  my ($condition, $seconds) = @_;
  my $end = Time::HiRes::time() + ($seconds // 30) * ($ENV{LARES_SLOW} // 1);
  my $value;
  while (!($value = $condition->())) {
    return 0 if Time::HiRes::time() > $end;
    Time::HiRes::sleep(0.005);
  }
  return $value;
}

# Has it slept, with nothing to do, at so many looks one after the other?
sub rests {
  my ($pid) = @_;
  my ($same, $before) = (0, '');
  return until_true(sub {
    my ($state, $used) = content("/proc/$pid/stat") =~ /\) (\S)(?: \S+){10} (\d+ \d+)/;
    my $now = "$used " . join ' ', content("/proc/$pid/status") =~ /ctxt_switches:\s*(\d+)/g;
    $same = $state eq 'S' && $now eq $before ? $same + 1 : 0;
    $before = $now;
    $same == 20;
  });
}

# The wait status; one that does not end in time is killed, which is a failure.
sub finish {
  my ($run, $seconds) = @_;
  my $status;
  until_true(sub { waitpid($run->{pid}, POSIX::WNOHANG) == $run->{pid} and defined($status = $?) }, $seconds);
  if (!defined $status) {
    kill 'KILL', $run->{pid};
    waitpid $run->{pid}, 0;
    $status = 'did not end';
  }
  delete $running{$run->{pid}};
  return $status;
}

# It was reaped by somebody else.
sub forget { my ($run) = @_; delete $running{ $run->{pid} } }

sub content {
  my ($path) = @_;
  open my $file, '<:raw', $path or return '';
  local $/;
  return scalar(<$file>) // '';
}

sub write_file {
  my ($path, $text) = @_;
  open my $file, '>:raw', $path or die "$path: $!";
  print {$file} $text;
  close $file or die "$path: $!";
}

# In the order of archives, current behind them.
sub names {
  my ($dir) = @_;
  opendir my $handle, $dir or return;
  return sort grep { !/^\.\.?$/ } readdir $handle;
}

sub mode { return ((stat $_[0])[2] // 0) & 07777 }

# Everything that the directory has logged, in order.
sub whole {
  my ($dir) = @_;
  return join '', map { content("$dir/$_") } grep { /^\@[0-9a-f]{24}\.[su]$|^current$/ } names($dir);
}

sub mask { return $_[0] =~ s/^\@[0-9a-f]{24} /@ /mgr }
sub masked { return mask(content($_[0])) }

# Both ends of a new FIFO: (reader, writer), kept open by the test.
sub fifo {
  my ($path) = @_;
  POSIX::mkfifo($path, 0600) or die "$path: $!";
  sysopen my $both, $path, O_RDWR or die;
  sysopen my $read, $path, O_RDONLY or die;
  sysopen my $write, $path, O_WRONLY or die;
  $write->autoflush(1);
  return ($read, $write);
}

sub nothing_left {
  chdir '/';
  is(join(' ', keys %running), '', 'no process is left');
  is(waitpid(-1, POSIX::WNOHANG), -1, 'no child, no zombie');
}

END {
  if ($$ == $owner) {
    my $code = $?;
    for my $pid (keys %running) {
      kill 'KILL', $pid;
      waitpid $pid, 0;
    }
    chdir '/';
    File::Path::remove_tree($work) if $work;
    $? = $code;
  }
}

1;
