# The shared map through which kill points are armed and counted (tests/chaos/map.h has the layout,
# lares/killpoint.h the list): the driver's side. use Lares; use Lares::KillMap;
#
#   my $map = kill_map(tmp('map'));             an object; its file is for LARES_TEST_KILL_MAP
#   $map->arm('supervise', 'PEEKED', 'both');   self, parent or both die when it is passed next
#   $map->ablate('R1');                         take a rule away
#   $map->pairs, passed, killed, total, disarm, table

package Lares::KillMap;

use strict;
use warnings;
use Exporter 'import';
use Fcntl qw(SEEK_SET);
use Lares ();

our @EXPORT = qw(kill_map kill_points);

my @programs = qw(svscan supervise log init service);
my @hows     = qw(nobody self parent both);
my %ablation = (R1 => 1, R2 => 2, R3 => 4);
my $room     = 64;
my ($births, $pids) = (65536, 1 << 22);
my ($armed, $passed, $killed) = map { 64 + $_ * 8 * @programs * $room } 0 .. 2;
my %program_number = map { $programs[$_] => $_ } 0 .. $#programs;
my %how_number     = map { $hows[$_] => $_ } 0 .. $#hows;

# [name, where] in the order of their numbers.
sub kill_points {
    my $text = Lares::file_text(Lares::source_dir() . '/src/include/lares/killpoint.h');
    return map { [$_->[0], $_->[1]] } map { [/X\((\w+), "(.*)"\)/] } grep { /^ +X\(/ } split /\n/, $text;
}

sub kill_map {
    my ($file) = @_;
    my @points = kill_points();
    my $size   = $births + 2 * $pids;
    Lares::write_file($file, '');
    open my $handle, '+<:raw', $file or die "$file: $!\n";
    truncate $handle, $size or die "$file: $!\n";
    my $self = bless { file => $file, handle => $handle, points => \@points, size => $size,
        number => { map { $points[$_][0] => $_ } 0 .. $#points } }, __PACKAGE__;
    $self->put(0, $$);
    return $self;
}

sub file { return $_[0]{file} }

# The programs map the file: what is read and written here is what they see.
sub put {
    my ($self, $at, $value) = @_;
    sysseek $self->{handle}, $at, SEEK_SET;
    syswrite($self->{handle}, pack 'Q', $value) == 8 or die "kill map: $!\n";
}

sub read_numbers {
    my ($self, $at, $count) = @_;
    sysseek $self->{handle}, $at, SEEK_SET;
    defined sysread($self->{handle}, my $bytes, 8 * $count) or die "kill map: $!\n";
    return unpack 'Q*', $bytes;
}

sub place { my ($self, $program, $point) = @_; return $program_number{$program} * $room + $self->{number}{$point} }

sub arm {
    my ($self, $program, $point, $how) = @_;
    $self->put($armed + 8 * $self->place($program, $point), $how_number{$how});
}

sub disarm {
    my ($self, $program, $point) = @_;
    return $self->put($armed + 8 * $self->place($program, $point), 0) if defined $program;
    for my $name (@programs) { $self->disarm($name, $_->[0]) for @{ $self->{points} } }
}

sub is_armed {
    my ($self, $program, $point) = @_;
    return ($self->read_numbers($armed + 8 * $self->place($program, $point), 1))[0];
}

# How many processes were started under this number.
sub births {
    my ($self, $pid) = @_;
    sysseek $self->{handle}, $births + 2 * $pid, SEEK_SET;
    sysread($self->{handle}, my $bytes, 2) == 2 or die "kill map: $!\n";
    return unpack 'S', $bytes;
}

sub ablate { my ($self, $rule) = @_; $self->put(8, $rule ? $ablation{$rule} : 0) }

sub spare { my ($self, $pid) = @_; $self->put(16, $pid) }

# How often a program of the first and of the second build has taken over in an upgrade.
sub resumed { my ($self) = @_; return ($self->read_numbers(24, 2)) }

# [program, point, where, times passed, killed itself, its parent, both], those that were passed.
sub pairs {
    my ($self) = @_;
    my @passed = $self->read_numbers($passed, @programs * $room);
    my @killed = $self->read_numbers($killed, 3 * @programs * $room);
    my @pairs;
    for my $program (0 .. $#programs) {
        for my $point (0 .. $#{ $self->{points} }) {
            my $at = $program * $room + $point;
            next if !$passed[$at] && !$killed[3 * $at] && $self->{points}[$point][0] ne 'TORN';
            next if $self->{points}[$point][0] eq 'TORN' && $programs[$program] ne 'log';
            push @pairs, [$programs[$program], @{ $self->{points}[$point] }, $passed[$at], @killed[3 * $at .. 3 * $at + 2]];
        }
    }
    return @pairs;
}

sub total {
    my ($self) = @_;
    my $sum = 0;
    $sum += $_ for $self->read_numbers($killed, 3 * @programs * $room);
    return $sum;
}

# Adds the counts of this map to those in %$sum, by program and place.
sub add_to {
    my ($self, $sum) = @_;
    for my $pair ($self->pairs) {
        my ($program, undef, $where, @counts) = @$pair;
        $sum->{"$program: $where"}[$_] += $counts[$_] for 0 .. 3;
    }
}

1;
