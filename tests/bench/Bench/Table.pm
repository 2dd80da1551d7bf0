# Tables: a row a measure, a column a suite, medians with their ratio to the floor, and what is
# aimed at with whether it was met. What could not be measured is a letter, explained below it.

package Bench::Table;

use strict;
use warnings;
use Exporter 'import';
use Bench::Measure;

our @EXPORT = qw(print_table);

my @COLUMNS = qw(floor session lares static daemontools runit s6 busybox supervisor dinit s6-rc);
my @PEERS   = @COLUMNS[ 4 .. $#COLUMNS ];

# key => [what is aimed at, sub (values by suite) -> met]. Less is better but for logs.
my %TARGETS = (
    'restart' => [ '<= 1.15 floor, first', sub {
            my ($v) = @_;
            return $v->{lares} <= 1.15 * $v->{floor} && !grep { defined && $_ <= $v->{lares} } @$v{@PEERS};
        } ],
    'control' => [ '<= 1.5 floor', sub { $_[0]{lares} <= 1.5 * $_[0]{floor} } ],
    '2000-up' => [ '<= 1.5 floor', sub { $_[0]{lares} <= 1.5 * $_[0]{floor} } ],
    'adopt'   => [ '<= 2000', sub { $_[0]{lares} <= 2000 } ],
    'idle'    => [ 'none', sub { $_[0]{lares} == 0 } ],
    'logtail-all' => [ '>= 0.5 floor', sub { $_[0]{lares} >= 0.5 * $_[0]{floor} } ],
    'memory'  => [ '<= 185, static 140', sub { $_[0]{lares} <= 185 && ($_[0]{static} // 141) <= 140 } ],
    'logtail-json' => [ '>= 0.5 floor', sub { $_[0]{lares} >= 0.5 * $_[0]{floor} } ],
    'log-json'     => [ '>= 0.35 floor', sub { $_[0]{lares} >= 0.35 * $_[0]{floor} } ],
    'log-lines'    => [ '1.5 x best peer', sub {
            my ($v) = @_;
            return !grep { defined && $v->{lares} < 1.5 * $_ } @$v{@PEERS};
        } ],
    map({ my ($length, $share, $unbounded) = @$_;
            ("log-$length" => [ ">= $share floor, 6 x daemontools, 4 x s6, runit", sub {
                    my ($v) = @_;
                    return $v->{lares} >= $share * $v->{floor} && $v->{lares} >= 6 * ($v->{daemontools} // 0)
                        && !grep { defined && $v->{lares} < 4 * $_ } @$v{qw(s6 runit)};
                } ],
            "log-unbounded-$length" => [ ">= $unbounded floor", sub { $_[0]{lares} >= $unbounded * $_[0]{floor} } ]) }
        [ 20, 0.42, 0.48 ], [ 100, 0.64, 0.72 ], [ 1000, 0.88, 1.0 ]),
);

sub number {
    my ($value) = @_;
    return sprintf $value < 10 ? '%.2f' : '%.0f', $value if $value != int $value;
    return "$value";
}

sub cell {
    my ($row, $name, $notes) = @_;
    my $found = $row->{cells}{$name};
    return '' if !defined $found;
    if (!ref $found) {
        my ($at) = grep { $notes->[$_] eq "$name: $found" } 0 .. $#$notes;
        if (!defined $at) { push @$notes, "$name: $found"; $at = $#$notes }
        return 'n/a ' . chr(ord('a') + $at % 26);
    }
    my $text  = number(median(@$found));
    my $floor = $row->{cells}{floor};
    my $cpu   = $row->{cpu} ? sprintf ' %4.0f ns', median(@{ $row->{cpu}{$name} }) : '';
    return $text . $cpu if $name eq 'floor' || !ref $floor || !median(@$floor);
    my $ratio = median(@$found) / median(@$floor);
    return $text . sprintf($ratio < 100 ? ' %.2f' : ' %.0f', $ratio) . $cpu;
}

sub verdict {
    my ($row) = @_;
    my $target = $TARGETS{ $row->{key} } or return ('', '');
    my %value = map { ref $row->{cells}{$_} ? ($_ => median(@{ $row->{cells}{$_} })) : () } @COLUMNS;
    return ($target->[0], 'n/a') if !defined $value{lares};
    return ($target->[0], 'no peer') if $target->[0] =~ /daemontools|peer/ && !grep { defined } @value{@PEERS};
    return ($target->[0], 'no floor') if $target->[0] =~ /floor/ && !defined $value{floor};
    return ($target->[0], $target->[1]->(\%value) ? 'met' : 'MISSED');
}

# Of what was measured.
sub print_table {
    my ($title, @rows) = @_;
    my (@notes, @lines);
    return if !@rows;
    my @columns = grep { my $name = $_; grep { defined $_->{cells}{$name} } @rows } @COLUMNS;
    push @lines, [ $title, 'unit', @columns, 'target', '' ];
    for my $row (@rows) {
        push @lines, [ $row->{name}, $row->{unit}, map({ cell($row, $_, \@notes) } @columns), verdict($row) ];
    }
    my @width = map { my $i = $_; (sort { $b <=> $a } map { length $_->[$i] } @lines)[0] } 0 .. $#{ $lines[0] };
    for my $line (@lines) {
        my $text = join '  ', map { sprintf $_ > 1 && $_ < @width - 2 ? '%*s' : '%-*s', $width[$_], $line->[$_] } 0 .. $#$line;
        $text =~ s/\s+$//;
        print "$text\n";
        print '-' x length $text, "\n" if $line == $lines[0];
    }
    print "session      the floor with a session of its own for the service, which lares gives it too\n" if grep { $_ eq 'session' } @columns;
    print "n/a $_\n" for map { chr(ord('a') + $_ % 26) . "  $notes[$_]" } 0 .. $#notes;
}

1;
