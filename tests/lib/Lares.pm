# The harness of the process and tree rings: temporary directories, programs under test, service
# directories, the probe service. Processes are in Lares::Process, assertions and readers of
# lares' files in Lares::Check; `use Lares;` exports everything of the three and turns on strict
# and warnings. Core Perl only.
#
# What a test may count on: everything it starts is a descendant of it (it is a child subreaper),
# is found, reported and killed by pid at the end, and its temporary directory is removed. A test
# that leaves a process behind fails, even if it did not ask.
#
# Environment: LARES_BUILD, the directory with the built programs (default: build/bin of the
# source tree), LARES_TESTS that of the test programs, LARES_PEERS the root of the unpacked peers
# (the Makefile sets all); TMPDIR (default: build/tmp); LARES_SLOW, a factor on every time limit (sanitizers);
# LARES_KEEP=1 keeps the temporary directory; LARES_LIMIT, seconds a whole test file may take.

package Lares;

use strict;
use warnings;
use Cwd            ();
use Exporter       ();
use File::Basename ();
use File::Path     ();
use File::Temp     ();
use POSIX          ();

our (@ISA, @EXPORT);

BEGIN {
    @ISA    = ('Exporter');
    @EXPORT = qw(bin build_dir source_dir tmp file_text write_file append_file make_service
        make_fifo probe probe_runs unpacked_peer peer_env);
    unshift @INC, File::Basename::dirname(Cwd::abs_path(__FILE__));
}
use Lares::Process;
use Lares::Check;
push @EXPORT, @Lares::Process::EXPORT, @Lares::Check::EXPORT;

sub import {
    my $class = shift;
    strict->import;
    warnings->import;
    $class->export_to_level(1, $class, @_);
}

my $owner  = $$;
my $source = Cwd::abs_path(File::Basename::dirname(Cwd::abs_path(__FILE__)) . '/../..');
my $tmp;

sub source_dir { return $source }

# Where things are built: the parent of the directory of the programs.
sub build_dir {
    my $bin = $ENV{LARES_BUILD} || "$source/build/bin";
    my $dir = $bin =~ m{/bin/?$} ? File::Basename::dirname($bin) : $bin;
    return Cwd::abs_path($dir) || die "no build directory $dir: run make tests\n";
}

# The path of a program under test: bin('svc').
sub bin {
    my ($name) = @_;
    my $path = ($ENV{LARES_BUILD} || build_dir() . '/bin') . "/lares-$name";
    -x $path or die "$path is not there: run make, or set LARES_BUILD\n";
    return Cwd::abs_path($path);
}

# The test's own directory, or a path in it: tmp('scan'). Passable by other users.
sub tmp {
    my ($name) = @_;
    if (!$tmp) {
        my $base = $ENV{TMPDIR} || build_dir() . '/tmp';
        File::Path::make_path($base);
        my $test = File::Basename::basename($0, '.t');
        $tmp = File::Temp::tempdir("$test.XXXXXXXX", DIR => Cwd::abs_path($base));
        chmod 0755, $tmp;
        Lares::Process::output_dir($tmp);
    }
    return defined $name ? "$tmp/$name" : $tmp;
}

# The whole of a file, undef when it cannot be opened.
sub file_text {
    my ($path) = @_;
    open my $in, '<:raw', $path or return undef;
    local $/;
    my $text = <$in>;
    return defined $text ? $text : '';
}

sub write_to {
    my ($how, $path, $text, $mode) = @_;
    File::Path::make_path(File::Basename::dirname($path));
    open my $out, $how, $path or die "unable to open $path: $!\n";
    syswrite($out, $text) == length $text or die "unable to write $path: $!\n" if length $text;
    close $out or die "unable to write $path: $!\n";
    chmod $mode, $path or die "unable to chmod $path: $!\n" if defined $mode;
    return $path;
}
sub write_file  { return write_to('>:raw',  @_) }
sub append_file { return write_to('>>:raw', @_) }

sub make_fifo {
    my ($path, $mode) = @_;
    File::Path::make_path(File::Basename::dirname($path));
    POSIX::mkfifo($path, defined $mode ? $mode : 0600) or die "unable to make fifo $path: $!\n";
    return $path;
}

sub quote_words {
    return join ' ', map { my $word = $_; $word =~ s/'/'\\''/g; "'$word'" } @_;
}

# One file of a service directory. Text; a list (becomes `exec WORDS`); or {text, mode}, {link},
# {fifo => mode}, {dir => mode}. Text starting with #! or made from a list is executable.
sub make_service_file {
    my ($path, $what) = @_;
    $what = { text => "#!/bin/sh\nexec " . quote_words(@$what) . "\n" } if ref $what eq 'ARRAY';
    $what = { text => $what } if !ref $what;
    return make_fifo($path, $what->{fifo}) if exists $what->{fifo};
    if (exists $what->{link}) {
        symlink $what->{link}, $path or die "unable to link $path: $!\n";
        return $path;
    }
    if (exists $what->{dir}) {
        File::Path::make_path($path);
        chmod $what->{dir}, $path if defined $what->{dir};
        return $path;
    }
    my $mode = defined $what->{mode} ? $what->{mode} : $what->{text} =~ /^#!/ ? 0755 : 0644;
    return write_file($path, $what->{text}, $mode);
}

# make_service($dir, run => text or list, finish => ..., log => text or list of log/run,
#   files => { 'timeout-kill' => "2000\n", 'log/down' => '' }, mode => 0755)
# Built beside its place and renamed, so that a running scanner never sees half of it. A `run`
# that starts without #! gets #!/bin/sh. Returns $dir.
sub make_service {
    my ($dir, %opt) = @_;
    my %files = %{ delete $opt{files} || {} };
    my $mode  = delete $opt{mode};
    for my $name (qw(run start finish check condition)) {
        next if !exists $opt{$name};
        my $what = delete $opt{$name};
        $what = "#!/bin/sh\n$what\n" if !ref $what && $what !~ /^#!/;
        $files{$name} = $what;
    }
    if (exists $opt{log}) {
        my $what = delete $opt{log};
        $what = "#!/bin/sh\n$what\n" if !ref $what && $what !~ /^#!/;
        $files{'log/run'} = $what;
    }
    die 'make_service: unknown ' . join(' ', sort keys %opt) . "\n" if %opt;
    my $new = tmp('.new.' . File::Basename::basename($dir) . ".$$");
    File::Path::make_path($new, File::Basename::dirname($dir));
    File::Path::make_path(File::Basename::dirname("$new/$_")) for keys %files;
    make_service_file("$new/$_", $files{$_}) for sort keys %files;
    chmod $mode, $new if defined $mode;
    rename $new, $dir or die "unable to move $new to $dir: $!\n";
    return $dir;
}

# The command line of the probe service (tests/probe/probe.c): probe($report_file, 'sleep').
sub probe {
    my ($report, @actions) = @_;
    my $path = ($ENV{LARES_TESTS} || build_dir() . '/tests') . '/probe/probe';
    -x $path or die "$path is not there: run make tests\n";
    return ($path, $report, @actions);
}

# What the probes that wrote to this file said: one hash a run, oldest first. env, limits and
# fds are hashes, argv and groups lists, events the list of what happened later ("signal 15").
sub probe_runs {
    my ($file) = @_;
    my ($text, @runs, %by_pid) = (file_text($file));
    for my $line (split /\n/, defined $text ? $text : '') {
        my ($pid, $key, $value) = split / /, $line, 3;
        next if !defined $key; # half a line, still being written
        $value = '' if !defined $value;
        $value =~ s/\\x([0-9a-f]{2})/chr hex $1/ge;
        if ($key eq 'start') {
            push @runs, $by_pid{$pid} = { pid => $pid, argv => [], env => {}, fds => {}, events => [] };
        }
        my $run = $by_pid{$pid} or next;
        if    ($key eq 'argv')  { push @{ $run->{argv} }, $value }
        elsif ($key eq 'event') { push @{ $run->{events} }, $value }
        elsif ($key eq 'env')   { my ($n, $v) = split /=/, $value, 2; $run->{env}{$n} = $v }
        elsif ($key eq 'fd')    { my ($n, $v) = split / /, $value, 2; $run->{fds}{$n} = $v }
        elsif ($key eq 'limit') { my ($n, @v) = split / /, $value;    $run->{limits}{$n} = \@v }
        elsif ($key eq 'groups') { $run->{groups} = [ split ' ', $value ] }
        else                     { $run->{$key} = $value }
    }
    return grep { $_->{complete} } @runs;
}

# The root below which a Debian package was unpacked by tests/lib/peers, or undef; in list
# context with the reason to print when skipping. Programs are in usr/bin and usr/sbin there;
# those with libraries of their own want env => peer_env().
sub unpacked_peer {
    my ($package) = @_;
    my $root = $ENV{LARES_PEERS} || "$source/build/peers/root";
    return $root if -f "$root/../have/$package";
    my $reason = "Debian's $package is not unpacked: make peers";
    return wantarray ? (undef, $reason) : undef;
}

sub peer_env {
    my $root = $ENV{LARES_PEERS} || "$source/build/peers/root";
    my @libraries = grep { -d } glob("$root/usr/lib/*-linux-*"), "$root/usr/lib";
    return { PATH => "$root/usr/bin:$root/usr/sbin:$ENV{PATH}",
        LD_LIBRARY_PATH => join ':', @libraries };
}

END {
    if ($$ == $owner) {
        my $status = $?;
        my @left   = Lares::Process::end_everything();
        if (@left) {
            Test::More::fail('every process was stopped by the test');
            Test::More::diag("left behind and killed: $_") for @left;
            $status = 1 if !$status;
        }
        if ($tmp && $ENV{LARES_KEEP}) { print STDERR "# kept $tmp\n" }
        elsif ($tmp) {
            chdir '/';
            File::Path::remove_tree($tmp, { error => \my $errors });
            if (-e $tmp) { print STDERR "# unable to remove $tmp\n"; $status = 1 if !$status }
        }
        $? = $status;
    }
}

1;
