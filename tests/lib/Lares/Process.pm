# Processes of a test: start, wait, signal, clean up. (Looking at them: Lares::Proc.) Part of the harness; see Lares.pm.
#
# A process is known by its pid and start time (field 22 of /proc/PID/stat), so a pid that came
# round is never signalled. Every wait is bounded and dies with the list of our processes and the
# ends of their output when what it waits for does not come.

package Lares::Process;

use strict;
use warnings;
use Exporter 'import';
use Fcntl qw(F_DUPFD F_GETFD F_SETFD FD_CLOEXEC O_RDONLY O_WRONLY O_CREAT O_APPEND O_TRUNC);
use POSIX qw(WNOHANG WIFEXITED WEXITSTATUS WTERMSIG);
use Config ();
use Time::HiRes ();
use Lares::Proc;

our @EXPORT = (qw(spawn run wait_for resting_fds sleeps_for wait_exit alive reaped signal kill9 time_limit diagnose_file),
    @Lares::Proc::EXPORT);

my (%spawned, @diagnose, @killed, $output_dir, $counter);
my %number; # of signals, by name
@number{ split ' ', $Config::Config{sig_name} } = split ' ', $Config::Config{sig_num};

sub become_subreaper {
    my %prctl = (x86_64 => 157, aarch64 => 167, riscv64 => 167, i686 => 172, armv7l => 172,
        ppc64le => 171, s390x => 172);
    my $call = $prctl{ (POSIX::uname())[4] };
    return 1 if defined $call && syscall($call, 36, 1, 0, 0, 0) == 0; # PR_SET_CHILD_SUBREAPER
    print STDERR "# not a child subreaper: orphans of this test are not found\n";
    return 0;
}
become_subreaper();

# Stopping a test from outside, or its running too long, must still clean up: END does.
$SIG{$_} = sub { die "test ended by SIG$_[0]\n" } for qw(INT TERM HUP);
$SIG{ALRM} = sub { die "the whole test took too long\n" . state_of_things() };
alarm whole_limit();

sub output_dir    { ($output_dir) = @_ }
sub time_limit    { my ($seconds) = @_; return $seconds * ($ENV{LARES_SLOW} || 1) }
# For a whole test file; where all cases are taken some take hours.
sub whole_limit   { return time_limit($ENV{LARES_LIMIT} || ($ENV{LARES_LONG} ? 4 * 3600 : 600)) }
sub diagnose_file { push @diagnose, @_ }

sub state_of_things {
    my $text = join '', map { '  ' . Lares::Proc::describe($_) . "\n" } descendants(undef, zombies => 1);
    $text = "processes of the test:\n" . ($text || "  none\n");
    for my $file (@diagnose) {
        open my $in, '<:raw', $file or next;
        my @lines = <$in>;
        splice @lines, 0, -15 if @lines > 15;
        $text .= "end of $file:\n" . join '', map { "  $_" } @lines if @lines;
    }
    return $text;
}

sub open_on {
    my ($fd, $what, $flags) = @_;
    my $from = ref $what ? fileno $what : POSIX::open($what, $flags, 0644);
    die "unable to open $what: $!\n" if !defined $from;
    return if $from == $fd;
    defined POSIX::dup2($from, $fd) or die "unable to dup2 $from to $fd: $!\n";
    POSIX::close($from) if !ref $what;
}

# Runs in the child: everything a test may ask of a new process, then exec.
sub become {
    my ($argv, $opt, $error_fd) = @_;
    $SIG{$_} = 'DEFAULT' for grep { !/^(ZERO|KILL|STOP|NUM\d+|RTMIN|RTMAX|__\w+)$/ } keys %number;
    $SIG{$_} = 'IGNORE' for @{ $opt->{ignore} || [] };
    my $mask = POSIX::SigSet->new(map { $number{$_} } @{ $opt->{block} || [] });
    POSIX::sigprocmask(POSIX::SIG_SETMASK(), $mask);
    my %keep = map { ($_ => 1) } 0, 1, 2, $error_fd;
    open_on(0, $opt->{stdin}, O_RDONLY);
    open_on(1, $opt->{stdout}, O_WRONLY | O_CREAT | O_APPEND);
    open_on(2, $opt->{stderr}, O_WRONLY | O_CREAT | O_APPEND);
    for my $fd (sort { $a <=> $b } keys %{ $opt->{fds} || {} }) {
        open_on($fd, $opt->{fds}{$fd}, POSIX::O_RDWR() | O_CREAT);
        my $handle;
        open $handle, '>&=', $fd or open $handle, '<&=', $fd or die "fd $fd: $!\n";
        fcntl $handle, F_SETFD, 0;
        $keep{$fd} = $handle; # kept open until exec
    }
    opendir my $list, '/proc/self/fd' or die "unable to list /proc/self/fd: $!\n";
    my @open = grep { /^\d+$/ && !$keep{$_} } readdir $list;
    closedir $list;
    POSIX::close($_) for @open, @{ $opt->{close} || [] };
    if ($opt->{setsid})  { POSIX::setsid() != -1 or die "setsid: $!\n" }
    if ($opt->{setpgid}) { POSIX::setpgid(0, 0) or die "setpgid: $!\n" }
    chdir $opt->{cwd} or die "unable to chdir to $opt->{cwd}: $!\n" if defined $opt->{cwd};
    umask $opt->{umask} if defined $opt->{umask};
    if (defined $opt->{gid}) {
        $( = $opt->{gid};
        $) = "$opt->{gid} " . ($opt->{groups} || $opt->{gid});
    }
    if (defined $opt->{uid}) {
        POSIX::setuid($opt->{uid});
        die "unable to become uid $opt->{uid}: $!\n" if $> != $opt->{uid};
    }
    %ENV = () if $opt->{clear_env};
    my %env = %{ $opt->{env} || {} };
    defined $env{$_} ? ($ENV{$_} = $env{$_}) : delete $ENV{$_} for keys %env;
    no warnings 'exec';
    exec { $argv->[0] } @$argv;
    die "unable to run $argv->[0]: $!\n";
}

# Starts @$argv and returns its pid. Descriptors above 2 are closed but for fds => {3 => path or
# handle}; stdin is /dev/null and output goes to files unless stdin, stdout, stderr (paths or
# handles) say otherwise. close => [0,1,2], ignore => ['CHLD'], block => ['TERM'], setsid,
# setpgid, cwd, umask, uid, gid, groups => '1 2', clear_env, env => {NAME => value or undef}.
# Dies if the program cannot be run.
sub spawn {
    my ($argv, %given) = @_;
    Lares::tmp();
    my $base = "$output_dir/." . ++$counter;
    my %opt = (stdin => '/dev/null', stdout => "$base.out", stderr => "$base.err", %given);
    pipe my $error_in, my $error_out or die "pipe: $!\n";
    my $pid = fork;
    die "unable to fork: $!\n" if !defined $pid;
    if (!$pid) {
        my $high = int fcntl $error_out, F_DUPFD, 200; # out of the way of fds => {...}
        open my $handle, '>&=', $high;
        fcntl $handle, F_SETFD, FD_CLOEXEC;
        eval { become($argv, \%opt, $high) };
        my $why = $@ || "unknown failure\n";
        POSIX::write($high, $why, length $why);
        POSIX::_exit(111);
    }
    close $error_out;
    my $error = do { local $/; <$error_in> };
    if (defined $error && length $error) {
        waitpid $pid, 0;
        die "spawn @$argv: $error";
    }
    my $info = process_info($pid);
    $spawned{$pid} = { argv => $argv, start => $info && $info->{start}, stdout => $opt{stdout},
        stderr => $opt{stderr} };
    diagnose_file(grep { !ref } $opt{stdout}, $opt{stderr}) if !$given{quiet};
    return $pid;
}

# Is this very process (same pid and start) still running, zombies not counted?
sub alive {
    my ($pid) = @_;
    my $info  = process_info($pid);
    return 0 if !$info || $info->{state} =~ /[ZX]/;
    # One that was waited for is not meant: its number may be another's by now.
    my $start = $spawned{$pid} && !$spawned{$pid}{result} && $spawned{$pid}{start};
    return (!$start || $start == $info->{start}) && !is_another($info) ? 1 : 0;
}

# Has the number of one that was killed just now been given to another? There are only 32768 of
# them, and the tests beside this one use them up in seconds.
sub is_another {
    my ($info) = @_;
    return scalar grep { $_->{pid} == $info->{pid} && $_->{start} != $info->{start} } @killed;
}

# A test has had the number given to another on purpose.
sub known_anew { my ($pid) = @_; @killed = grep { $_->{pid} != $pid } @killed; return }

# It has ended, and its parent knows.
sub reaped {
    my ($pid) = @_;
    my $info = process_info($pid);
    return !$info || is_another($info);
}

# wait_for { condition } 'what', seconds: what the condition returns (a list in list context) once
# its first value is true. Dies when that takes too long.
sub wait_for (&$;$) {
    my ($condition, $what, $seconds) = @_;
    my $until = now() + time_limit($seconds || 30);
    my $pause = 0.001;
    for (;;) {
        my @result = $condition->();
        return wantarray ? @result : $result[0] if $result[0];
        last if now() >= $until;
        Time::HiRes::sleep($pause);
        $pause *= 1.5 if $pause < 0.01;
    }
    die "waited in vain for: $what\n" . state_of_things();
}

# The descriptors of one that waits.
sub resting_fds {
    my ($pid) = @_;
    return wait_for { fds_at_rest($pid) } "pid $pid to rest";
}

# Nothing wakes it for that long, once what it has been doing is done. Dies when something always does.
sub sleeps_for {
    my ($pid, $seconds) = @_;
    return wait_for {
        my $before = slept($pid);
        Time::HiRes::sleep($seconds); # that time passes and nothing happens is what is asked
        $before ne '' && $before eq slept($pid);
    } "pid $pid to sleep for $seconds seconds";
}

sub now { return Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }

# Waits for a child of the test: { exit => code or undef, signal => number or 0 }.
sub wait_exit {
    my ($pid, $seconds) = @_;
    my $record = $spawned{$pid} or die "wait_exit: pid $pid was not started by spawn\n";
    if (!$record->{result}) {
        wait_for { waitpid($pid, WNOHANG) == $pid } "the end of pid $pid (@{ $record->{argv} })",
            $seconds;
        $record->{result} = WIFEXITED($?) ? { exit => WEXITSTATUS($?), signal => 0 }
            : { exit => undef, signal => WTERMSIG($?) };
    }
    return $record->{result};
}

# A child was waited for elsewhere: its number may be another's from now on.
sub was_reaped {
    my ($pid, $status) = @_;
    my $record = $spawned{$pid} or return;
    $record->{result} ||= WIFEXITED($status) ? { exit => WEXITSTATUS($status), signal => 0 } : { exit => undef, signal => WTERMSIG($status) };
}

# Runs to the end: { exit, signal, out, err, pid }. input => text for its stdin, timeout =>
# seconds, else as spawn. A program that takes longer is killed and the test dies.
sub run {
    my ($argv, %opt) = @_;
    my $timeout = delete $opt{timeout} || 30;
    if (defined(my $input = delete $opt{input})) {
        $opt{stdin} = Lares::write_file(Lares::tmp('.' . ++$counter . '.in'), $input);
    }
    my $pid    = spawn($argv, %opt, quiet => 1);
    my $result = eval { wait_exit($pid, $timeout) };
    my $why    = $@;
    my $record = $spawned{$pid};
    if (!$result) {
        kill9($pid);
        waitpid $pid, 0;
        die "run: $why";
    }
    my %out = (out => $record->{stdout}, err => $record->{stderr});
    for my $name (keys %out) {
        next if ref $out{$name};
        $result->{$name} = Lares::file_text($out{$name});
        unlink $out{$name} if $out{$name} =~ m{^\Q$output_dir\E/\.\d+\.};
    }
    $result->{pid} = $pid;
    return $result;
}

# A descendant, zombies included: asked upwards, which is one file a generation instead of /proc.
# A parent that ends meanwhile has handed it on: it is asked again.
sub is_ours {
    my ($pid) = @_;
    while (process_info($pid)) {
        my $at = $pid;
        while (my $info = process_info($at)) {
            $at = $info->{ppid};
            return 1 if $at == $$;
            return 0 if $at <= 1;
        }
    }
    return 0;
}

# Sends a signal by name to a process of this test and to no other.
sub signal {
    my ($pid, $name) = @_;
    die "signal: no pid\n" if !defined $pid || $pid !~ /^[1-9]\d*$/ || $pid == $$;
    die "signal: pid $pid is no process of this test\n" if !is_ours($pid);
    note_killed($pid) if $name eq 'KILL';
    return kill $name, $pid;
}
sub kill9 { return signal($_[0], 'KILL') }
sub note_killed {
    my $info = process_info($_[0]) or return;
    @killed = (grep({ $_->{pid} != $info->{pid} } @killed), $info);
    shift @killed if @killed > 8; # a later process of ours may well have the number of an earlier one
}

# Reaps orphans that came to us. Our own children keep their status for wait_exit.
sub reap_orphans {
    for my $p (grep { $_->{state} eq 'Z' && $_->{ppid} == $$ } descendants(undef, zombies => 1)) {
        waitpid $p->{pid}, WNOHANG if !$spawned{ $p->{pid} } || $spawned{ $p->{pid} }{result};
    }
}

# Kills all that is left, by pid, until nothing is; returns what there was, described.
sub end_everything {
    my %seen;
    local $SIG{$_} = 'IGNORE' for qw(INT TERM HUP);
    alarm 0;
    for (1 .. 500) {
        my @left = descendants();
        last if !@left;
        $seen{ $_->{pid} } ||= Lares::Proc::describe($_) for @left;
        kill 'KILL', $_->{pid} for @left;
        1 while waitpid(-1, WNOHANG) > 0;
        Time::HiRes::sleep(0.005);
    }
    1 while waitpid(-1, WNOHANG) > 0;
    return map { $seen{$_} } sort { $a <=> $b } keys %seen;
}

1;
