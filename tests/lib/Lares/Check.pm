# Assertions about what a scenario leaves behind, and readers of the files of supervise/. Part of
# the harness; see Lares.pm. Each assertion is one TAP line.

package Lares::Check;

use strict;
use warnings;
use Exporter 'import';
use File::Find ();
use Test::More ();
use Lares::Process;

our @EXPORT = qw(no_processes_left no_zombies no_stray_files same_fds clean_signals read_status
    files_in);

# Waits a moment for @list->() to become empty: a death needs an instant to be seen.
sub settles_to_nothing {
    my ($list, $name, $what) = @_;
    my @left;
    local $Test::Builder::Level = $Test::Builder::Level + 2;
    eval { wait_for { @left = $list->(); !@left } $what, 10; 1 };
    Test::More::ok(!@left, $name) or Test::More::diag("$what: $_") for 1;
    return @left;
}

# Nothing we or our children started is alive. What is gets reported and killed.
sub no_processes_left {
    my ($name) = @_;
    my @left = settles_to_nothing(sub { Lares::Process::reap_orphans(); descendants() },
        $name || 'no process left', 'left');
    Test::More::diag(Lares::Proc::describe($_)) for @left;
    Lares::Process::end_everything() if @left;
    alarm Lares::Process::whole_limit() if @left;
    return !@left;
}

# No process of ours has a dead child it does not reap. (Orphans that came to the test itself
# are reaped here.)
sub no_zombies {
    my ($name) = @_;
    my @left = settles_to_nothing(
        sub {
            Lares::Process::reap_orphans();
            grep { $_->{state} eq 'Z' && $_->{ppid} != $$ } descendants(undef, zombies => 1);
        },
        $name || 'no zombie', 'zombie');
    Test::More::diag(Lares::Proc::describe($_)) for @left;
    return !@left;
}

# Paths below a directory, relative to it, sorted; directories end in a slash.
sub files_in {
    my ($dir) = @_;
    my @found;
    File::Find::find(
        {   no_chdir => 1,
            wanted   => sub {
                my $path = substr $File::Find::name, length $dir;
                $path =~ s{^/}{};
                push @found, -d $File::Find::name && !-l $File::Find::name ? "$path/" : $path
                    if length $path;
            }
        },
        $dir) if -d $dir;
    return sort @found;
}

# no_stray_files($dir, $name): no temporary file below it. no_stray_files($dir, $name, @allowed):
# nothing but these paths (strings or patterns).
sub no_stray_files {
    my ($dir, $name, @allowed) = @_;
    my @stray;
    for my $path (files_in($dir)) {
        if (!@allowed) {
            push @stray, $path if $path =~ m{(?:\.(?:new|tmp)|:[A-Za-z0-9]{6}|~)/?$};
        }
        elsif (!grep { ref $_ ? $path =~ $_ : $path eq $_ } @allowed) {
            push @stray, $path;
        }
    }
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::is("@stray", '', $name || "no stray file in $dir");
}

# The descriptors of a probe's run (or of a live pid) are exactly these numbers.
sub same_fds {
    my ($who, $want, $name) = @_;
    my $fds = ref $who ? $who->{fds} : fds_of($who) || {};
    my @have = sort { $a <=> $b } keys %$fds;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::is("@have", "@$want", $name || 'descriptors')
        or Test::More::diag(join ' ', map { "$_=$fds->{$_}" } @have);
}

# A probe's run started with no signal blocked and none ignored (32 and 33 belong to libc).
sub clean_signals {
    my ($run, $name) = @_;
    my $libc = 1 << 31 | 1 << 32;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    no warnings 'portable'; # 64 bits
    Test::More::is(sprintf('blocked %x ignored %x', hex($run->{SigBlk}), hex($run->{SigIgn}) & ~$libc),
        'blocked 0 ignored 0', $name || 'signals are as after login');
}

# supervise/status: undef when it is not there; dies unless it has exactly 20 bytes. time is in
# Unix seconds, want one of u d or the byte 0 as '', state 0 down 1 run 2 finish.
sub read_status {
    my ($path) = @_;
    $path .= '/supervise/status' if -d $path;
    my $bytes = Lares::file_text($path);
    return undef if !defined $bytes;
    length $bytes == 20 or die "$path has " . length($bytes) . " bytes, not 20\n";
    my ($high, $low, $nano, $pid, $paused, $want, $term, $state) = unpack 'N N N V C C C C', $bytes;
    my $tai = $high * 2**32 + $low;
    return { time => $low - 10 + ($high - 0x40000000) * 2**32, nano => $nano, pid => $pid, paused => $paused,
        want => $want ? chr $want : '', got_term => $term, state => $state, tai => $tai };
}

1;
