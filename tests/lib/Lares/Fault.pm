# The fault ring: a scenario is run once without faults to learn which calls the program under test
# makes and from where, then again and again with one of them failing: once, or for a while, after
# which everything has to come right again. In `make check` a sample drawn by a printed seed, each
# place in the program in turn, as many as fit the time; with LARES_LONG all of them.
#
#   fault_campaign('supervise', seconds => 40, scenario => sub { my ($program, $env, $board) = @_; ... })
#
# The scenario runs the program $program with the environment $env (a hash ref of LARES_FAULT...)
# and returns what went wrong, or undef, and what the program has said. without => a pattern of
# CALL:N:ERROR:HOW that cannot be, with the reason where it is given.
# tests/fault/inject/inject.c is the other half.
#
# LARES_FAULT_ONLY=CALL:N:ERROR:HOW:HOWMUCH runs one; LARES_FAULT_ROUNDS=N takes N faults of each
# place, whatever the time; LARES_FAULT_MOST=N goes on until so many have failed (5);
# LARES_FAULT_SHARE=K/N takes those of the Kth of N shares, the same ones in every run, so that
# several can do all of them at the same time.

package Lares::Fault;

use strict;
use warnings;
use Digest::MD5 'md5';
use Exporter ();
use List::Util 'shuffle';
use Lares;
use POSIX ();
use Test::More;

our @ISA    = ('Exporter');
our @EXPORT = qw(fault_campaign account faulty fault_calls new_board board step_clock gave_up living_probe wait_recorded supervisor_begun);

# What each call is made to fail with: those a healthy machine gives when it is short of something
# or its disk is at its end.
my %ERRORS = (
    open            => [qw(EMFILE ENOSPC EINTR EIO)],
    __open_2        => [qw(EMFILE)],
    openat          => [qw(EMFILE ENOMEM)],
    close           => [qw(EIO EINTR)],
    read            => [qw(EINTR EIO EAGAIN)],
    write           => [qw(ENOSPC EINTR EIO EAGAIN)],
    writev          => [qw(ENOSPC EIO)],
    pread           => [qw(EIO)],
    pwrite          => [qw(ENOSPC EIO)],
    send            => [qw(EAGAIN)],
    sendto          => [qw(EAGAIN ENOBUFS)],
    socket          => [qw(EMFILE)],
    fstat           => [qw(ENOMEM)],
    stat            => [qw(ENOMEM EIO)],
    lstat           => [qw(ENOMEM)],
    fstatat         => [qw(ENOMEM EIO)],
    statfs          => [qw(ENOMEM)],
    fstatfs         => [qw(ENOMEM)],
    access          => [qw(ENOMEM)],
    faccessat       => [qw(ENOMEM)],
    readlink        => [qw(ENOMEM EIO)],
    realpath        => [qw(ENOMEM)],
    getcwd          => [qw(ENOMEM)],
    chdir           => [qw(ENOMEM)],
    fchdir          => [qw(EIO)],
    mkdir           => [qw(ENOSPC)],
    mkdirat         => [qw(ENOSPC ENOMEM)],
    getxattr        => [qw(ENOMEM)],
    mkfifo          => [qw(ENOSPC)],
    symlink         => [qw(ENOSPC)],
    link            => [qw(ENOSPC EIO)],
    recv            => [qw(EINTR ENOMEM)],
    recvmsg         => [qw(EINTR ENOMEM)],
    sendmsg         => [qw(EAGAIN ENOBUFS)],
    bind            => [qw(ENOSPC)],
    connect         => [qw(EAGAIN)],
    setsockopt      => [qw(ENOMEM)],
    getsockname     => [qw(ENOBUFS)],
    pipe2           => [qw(EMFILE)],
    mkfifoat        => [qw(ENOSPC)],
    symlinkat       => [qw(ENOSPC)],
    readlinkat      => [qw(ENOMEM EIO)],
    fchmodat        => [qw(EIO)],
    splice          => [qw(ENOSPC EIO EAGAIN)],
    rename          => [qw(ENOSPC EIO)],
    renameat        => [qw(ENOSPC EIO)],
    unlink          => [qw(EIO)],
    unlinkat        => [qw(EIO)],
    rmdir           => [qw(EIO)],
    chmod           => [qw(EIO)],
    fchmod          => [qw(EIO)],
    ftruncate       => [qw(EIO EINTR)],
    flock           => [qw(ENOLCK EINTR)],
    fcntl           => [qw(EMFILE)],
    ioctl           => [qw(EIO)],
    dup2            => [qw(EMFILE EINTR)],
    posix_fallocate => [qw(ENOSPC EINTR)],
    waitid          => [qw(EINTR)],
    waitpid         => [qw(EINTR)],
    execve          => [qw(ENOMEM EIO)],
    execv           => [qw(ENOMEM)],
    poll            => [qw(EINTR ENOMEM)],
    ppoll           => [qw(EINTR ENOMEM)],
    nanosleep       => [qw(EINTR)],
    signalfd        => [qw(EMFILE)],
    malloc          => [qw(ENOMEM)],
    calloc          => [qw(ENOMEM)],
    realloc         => [qw(ENOMEM)],
    strdup          => [qw(ENOMEM)],
    mmap            => [qw(ENOMEM)],
    opendir         => [qw(EMFILE ENOMEM)],
    fdopendir       => [qw(ENOMEM)],
    readdir         => [qw(EIO)],
    child_start     => [qw(EAGAIN ENOMEM)],
    fork            => [qw(EAGAIN ENOMEM)],
    posix_spawnp    => [qw(EAGAIN ENOMEM)],
    inotify_init1   => [qw(EMFILE)],
    inotify_add_watch => [qw(ENOSPC ENOMEM)],
    inotify_rm_watch  => [qw(EINVAL)],
    epoll_create1     => [qw(EMFILE)],
    epoll_ctl         => [qw(ENOMEM ENOSPC)],
    epoll_wait        => [qw(EINTR)],
    fsync             => [qw(EIO)],
    fdatasync         => [qw(EIO)],
    memfd_create      => [qw(EMFILE ENOMEM)],
    close_range       => [], # only for want of what we do not ask for
    ioprio_set        => [qw(EPERM)],
    lseek             => [qw(EIO)],
    pidfd_open        => [qw(EMFILE ENOMEM)],
    pidfd_send_signal => [], # fails by whom it is about, not for want of something
    getdents64        => [qw(EIO ENOMEM)],
    renameat2         => [qw(EIO ENOSPC)],
);
# Once or a few times in a row; all of them for a moment; for longer than a first retry.
my @INTERRUPTED = qw(times:1 times:5);
my @SHORTAGES   = qw(times:1 ms:300 ms:2500);

# Who spins waits more often in a third of a second, or makes more calls without waiting in one; a service
# started twenty times a second does not in 2.5. (A look at all processes of a machine on which many begin
# and end takes thousands of calls, and is repeated while they do: that is not spinning.)
use constant { MOST_WAITS => 2000, MOST_CALLS => 400_000 };
# A message, but for time and numbers, as often at most: there are several incarnations.
use constant MOST_SAID => 4;

# The names in the order of the program's counters, and those the linker wraps.
sub fault_calls {
    my $text = file_text(source_dir() . '/tests/fault/inject/inject.c');
    my @lists = map { $text =~ /$_-BEGIN(.*?)$_-END/s ? [$1 =~ /^\s*X\((\w+)\)/mg] : die "no list $_\n" } qw(WRAP DIRECT);
    return wantarray ? map { @$_ } @lists : $lists[0];
}

# The build of a program with the faults in it.
sub faulty {
    my ($name) = @_;
    my $path = build_dir() . "/fault/lares-$name";
    -x $path or die "$path is not there: run make tests\n";
    return $path;
}

# --- the board: what program and test share ------------------------------------------------

use constant { HEAD => 5, TRACE => 65536 };

sub new_board {
    my ($name) = @_;
    my @calls = fault_calls();
    return write_file(tmp($name), "\0" x (8 * (HEAD + @calls + TRACE)));
}

# A hash of step began lifted failed traced, counts by name, trace as [call, site].
sub board {
    my ($file) = @_;
    my @calls = fault_calls();
    my ($step, $began, $lifted, $failed, $traced, @rest) = unpack 'q2 Q*', file_text($file);
    my %counts;
    @counts{@calls} = splice @rest, 0, scalar @calls;
    my @trace = map { [$calls[$_ >> 48], $_ & (1 << 48) - 1] } @rest[0 .. ($traced < TRACE ? $traced : TRACE) - 1];
    return { step => $step, lifted => $lifted, failed => $failed, traced => $traced, counts => \%counts, trace => \@trace };
}

# Sets the wall clock of the programs that use this board wrong by so many seconds.
sub step_clock {
    my ($file, $seconds) = @_;
    open my $out, '+<:raw', $file or die "$file: $!\n";
    syswrite $out, pack 'q', $seconds * 1_000_000_000;
    close $out;
}

# --- the campaign ----------------------------------------------------------------------------

sub errno_of {
    my ($name) = @_;
    no strict 'refs';
    return &{"POSIX::$name"}();
}

sub learn_calls {
    my ($program, $scenario) = @_;
    my $file = new_board('board');
    my ($wrong) = $scenario->($program, { LARES_FAULT => undef, LARES_FAULT_FILE => $file }, $file);
    ok(!defined $wrong, 'without a fault') or BAIL_OUT("the scenario itself fails: $wrong");
    my $board = board($file);
    unlink $file;
    cmp_ok($board->{traced}, '<', TRACE, 'every call is known');
    return $board->{trace};
}

# By place: every way to fail, [call, number, error, how]. Where a place is come to again and again (a
# list that is read until it does not change), the first twelve times, then ever more rarely.
use constant EACH_TIME => 12;
sub faults_by_place {
    my ($trace) = @_;
    my (%number, %times, %places);
    for my $made (@$trace) {
        my ($call, $site) = @$made;
        my $n     = ++$number{$call};
        my $times = ++$times{"$call $site"};
        next if $times > EACH_TIME && $times & $times - 1;
        for my $error (@{ $ERRORS{$call} || die "no errors for $call\n" }) {
            my @hows = $error eq 'EINTR' || ($error eq 'EAGAIN' && $call !~ /^(?:child_start|fork|posix_spawnp)$/) ? @INTERRUPTED : @SHORTAGES;
            push @{ $places{"$call $site"} }, [$call, $n, $error, $_] for @hows;
        }
    }
    return \%places;
}

# Each place in turn gets one, so that a short time reaches many.
sub in_turn {
    my ($places, $rounds) = @_;
    my @lists = map { [shuffle @{ $places->{$_} }] } sort keys %$places;
    my @order;
    for (my $round = 0; @lists && (!$rounds || $round < $rounds); $round++) {
        @lists = shuffle grep { @$_ } @lists;
        push @order, map { shift @$_ } @lists;
    }
    return @order;
}

sub said_too_often {
    my ($said, $most) = @_;
    my %times;
    for my $line (split /\n/, defined $said ? $said : '') {
        next if $line !~ /^\S+ (?:warning|error) (.*)/;
        $times{ $1 =~ s/\d+/N/gr }++;
    }
    return join "\n", map { "$times{$_} times: $_" } grep { $times{$_} > $most } sort keys %times;
}

sub most_made {
    my ($board) = @_;
    my $of = $board->{counts};
    return join ', ', map { "$_ $of->{$_}" } (sort { $of->{$b} <=> $of->{$a} } keys %$of)[0 .. 5];
}

sub in_share {
    my ($fault) = @_;
    my ($k, $of) = ($ENV{LARES_FAULT_SHARE} // '1/1') =~ m{^(\d+)/([1-9]\d*)$} or BAIL_OUT('LARES_FAULT_SHARE: K/N is expected');
    return unpack('N', md5(join ':', @$fault)) % $of == $k % $of;
}

# What went wrong with this fault, or undef.
sub try_fault {
    my ($program, $fault, $opt) = @_;
    my ($call, $n, $error, $how) = @$fault;
    my $file = new_board('board');
    my ($wrong, $said) = $opt->{scenario}->($program,
        { LARES_FAULT => join(':', $call, $n, errno_of($error), $how), LARES_FAULT_FILE => $file }, $file);
    my $board = board($file);
    unlink $file;
    return $wrong if defined $wrong;
    my $often = said_too_often($said, $opt->{most_said} || MOST_SAID);
    return "said again and again:\n$often" if length $often;
    my $waits = 0;
    $waits += $board->{counts}{$_} for qw(poll ppoll epoll_wait);
    return "$waits waits, $board->{traced} calls: something asks again and again: " . most_made($board)
        if $waits > MOST_WAITS || $board->{traced} > MOST_CALLS;
    if ($ENV{LARES_FAULT_SHOW} && $board->{failed}) {
        my $text = do { local $! = errno_of($error); "$!" };
        diag("silent: $call:$n:$error:$how") if $said !~ /\Q$text\E/;
    }
    return undef;
}

sub fault_campaign {
    my ($name, %opt) = @_;
    my $program = faulty($name);
    my $seed    = $ENV{LARES_SEED} || time ^ $$;
    srand $seed;
    my $places = faults_by_place(learn_calls($program, $opt{scenario}));
    my $all    = 0;
    $all += @$_ for values %$places;
    my @faults = in_turn($places, $ENV{LARES_FAULT_ROUNDS});
    @faults = grep { join(':', @$_) !~ $opt{without} } @faults if $opt{without};
    @faults = grep { in_share($_) } @faults;
    @faults = [$ENV{LARES_FAULT_ONLY} =~ /^(\w+):(\d+):(\w+):(\w+:\d+)$/] if $ENV{LARES_FAULT_ONLY};
    my $unbound = $ENV{LARES_LONG} || $ENV{LARES_FAULT_ROUNDS};
    my $until   = Lares::Process::now() + $opt{seconds};
    my ($done, @failed, %reached) = (0);
    for my $fault (@faults) {
        last if !$unbound && Lares::Process::now() > $until && $done >= 5; # however slow the machine
        my $wrong = try_fault($program, $fault, \%opt);
        $done++;
        $reached{ $fault->[0] } = 1;
        next if !defined $wrong;
        push @failed, $fault;
        my $which = join ':', @$fault;
        fail("$which does no lasting harm");
        diag("$wrong\n(again: LARES_FAULT_ONLY=$which)");
        last if @failed >= ($ENV{LARES_FAULT_MOST} || 5);
    }
    note(sprintf 'seed %s: %d of %d faults at %d places tried in %s', $seed, $done, $all, scalar keys %$places, $name);
    ok(!@failed, "$name survives each of $done faults (of $all, seed $seed)");
    cmp_ok($done, '>=', $all < 5 ? $all : 5, 'enough of them were tried') if !@failed && !$ENV{LARES_FAULT_ONLY};
    return;
}

# The one live probe that reports to this file, or undef. By its command line, too: numbers of
# processes come round while a campaign lasts.
sub living_probe {
    my ($report) = @_;
    my %seen;
    my @living = grep {
        my $info = $seen{$_}++ ? undef : process_info($_);
        $info && $info->{state} ne 'Z' && $info->{command} =~ /\Q$report\E /
    } map { $_->{pid} } probe_runs($report);
    die "two at once: @living\n" if @living > 1;
    return $living[0];
}

# Until the disk has taken what supervisors have to record. (One that is killed while it does not is
# followed by one that cannot know what runs.)
sub wait_recorded {
    my ($said) = @_;
    wait_for {
        my $text = file_text($said) // '';
        (() = $text =~ /the service goes on; trying again/g) <= (() = $text =~ /writing in supervise\/ works again/g)
    } 'everything to be on record', 20;
}

# Runs a scenario: what went wrong, or undef, and what its programs said in BASE.err. Nothing of it is left.
sub account {
    my ($base, $live) = @_;
    my $good  = eval { $live->(); 1 };
    my $wrong = $good ? undef : $@ || 'unknown';
    my $said  = file_text("$base.err") // '';
    $wrong .= "its messages:\n" . ($said || "none\n") if defined $wrong;
    Lares::Process::end_everything();
    alarm time_limit(600);
    system "rm -rf '$base' '$base'.*";
    return ($wrong, $said);
}

# A supervisor past the point of no return: it has its journal open, and waits. What it reads in between can still
# end it, and until then what its files say is its predecessor's word. (Where the kernel hides what a process waits
# in, as it does of one that runs, it is enough that it waits.)
sub supervisor_begun {
    my ($pid) = @_;
    my @open = values %{ fds_of($pid) || {} };
    my ($wait) = (file_text("/proc/$pid/wchan") // '') =~ /(\w+)/;
    return (grep { m{/supervise/history$} } @open) && ($wait // '0') =~ /^0$|poll/ && slept($pid) ne '' ? \@open : 0;
}

# Of a program that ended before it had begun: it has to have said why, in order.
sub gave_up {
    my ($pid, $said) = @_;
    my $end = wait_exit($pid);
    die 'ended with ' . (defined $end->{exit} ? $end->{exit} : "signal $end->{signal}") . "\n"
        if !defined $end->{exit} || $end->{exit} != 111 && $end->{exit} != 100;
    die "gave up without a word\n" if !-s $said;
    return 1;
}

1;
