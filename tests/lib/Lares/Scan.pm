# What the tests of lares-svscan share: a scan directory, a scanner on it, and who supervises what.
# use Lares; use Lares::Scan;

package Lares::Scan;

use strict;
use warnings;
use Exporter 'import';
use Fcntl qw(O_WRONLY O_NONBLOCK);
use File::Basename 'dirname';
use Lares;

our @EXPORT = qw(new_scan scanner said said_text supervisor service_pid up both_up supervisors link_service
    sleeper listens stop_scanner recorded);

my $count = 0;

# A scan directory and a directory for definitions.
sub new_scan {
    my $base = tmp('s' . ++$count);
    mkdir $base or die "$base: $!\n";
    mkdir "$base/$_" or die "$base/$_: $!\n" for qw(scan def);
    return ("$base/scan", "$base/def");
}

# Not "$scan/../$name": the scan directory may be gone.
sub beside {
    my ($scan, $name) = @_;
    return dirname($scan) . "/$name";
}

# Start a scanner; its pid. Its messages are appended to SCAN/../said.
sub scanner {
    my ($scan, @arguments) = @_;
    my %opt = @arguments && ref $arguments[-1] ? %{ pop @arguments } : ();
    my $program = delete $opt{program} || bin('svscan');
    my $pid = spawn([$program, @arguments, $scan], stderr => beside($scan, 'said'),
        stdout => beside($scan, 'out'), %opt);
    return $pid;
}

sub said_text { return file_text(beside($_[0], 'said')) }

# How often the scanner of this directory has said something like it.
sub said {
    my ($scan, $pattern) = @_;
    my $text  = said_text($scan);
    my @lines = grep { /$pattern/ } split /\n/, defined $text ? $text : '';
    return scalar @lines;
}

# All live supervisors: name => pid. (A child of one that is not its program yet has the same arguments;
# parents come first.)
sub supervisors {
    my %found;
    for my $p (descendants()) {
        $found{$1} //= $p->{pid} if $p->{command} =~ m{^lares-supervise (?:-r \S+ )?-q?s (?:-- )?(.*) $};
    }
    return \%found;
}
sub supervisor { return supervisors()->{ $_[0] } }

# The pid of a service that is up, or undef.
sub service_pid {
    my ($dir) = @_;
    my $status = eval { read_status($dir) } or return undef;
    return $status->{state} == 1 && alive($status->{pid}) ? $status->{pid} : undef;
}
sub up { my ($dir) = @_; return scalar wait_for { service_pid($dir) } "$dir up" }
sub both_up { my ($dir) = @_; return (up($dir), up("$dir/log")) }

# A definition that sleeps, with a logger that reads; linked or made in place.
sub sleeper {
    my ($dir, %opt) = @_;
    return make_service($dir, run => 'exec sleep 1000', log => 'exec cat >/dev/null', %opt);
}
sub link_service {
    my ($scan, $def, $name) = @_;
    sleeper("$def/$name");
    symlink "../def/$name", "$scan/$name" or die "$scan/$name: $!\n";
    return "$scan/$name";
}

# Somebody reads what svscanctl has to say.
sub listens {
    my ($scan) = @_;
    return sysopen my $fifo, "$scan/.lares/control", O_WRONLY | O_NONBLOCK;
}

sub recorded {
    my ($scan) = @_;
    return join ' ', sort map { s{.*/}{}r } glob "$scan/.lares/run/*";
}

# Stop it in order; its exit code.
sub stop_scanner {
    my ($pid, $sig) = @_;
    signal($pid, $sig || 'TERM');
    return wait_exit($pid)->{exit};
}

1;
