# 200 services that need each other, from nothing to all ready, and to the end of a stop in reverse
# order: ten layers of twenty, each service needing two of the layer before, all ready as soon as
# they live. Beside suites that know dependencies, as far as Debian has them, and the floor, which
# starts 200 programs and knows of none.

package Bench::Needs;

use strict;
use warnings;
use Exporter 'import';
use Lares;
use Bench::Measure;
use Bench::Suites;

our @EXPORT = qw(measure_needs);

my ($LAYERS, $WIDTH) = (10, 20);

# name => names; the same in each run.
sub graph {
    my %needs;
    for my $layer (0 .. $LAYERS - 1) {
        for my $at (0 .. $WIDTH - 1) {
            my @of = ($at, ($at * 7 + $layer + 1) % $WIDTH);
            $needs{"s$layer-$at"} = [ $layer ? map { 's' . ($layer - 1) . "-$_" } $of[0] == $of[1] ? $of[0] : @of : () ];
        }
    }
    return %needs;
}

sub links_to {
    my ($dir, @names) = @_;
    write_file("$dir/needs/$_", '') for @names;
}

sub dinit_file {
    my ($scan, $name, $dir, @names) = @_;
    write_file("$scan/services/$name", "type = process\ncommand = $dir/run\nworking-dir = $dir\n"
        . "ready-notification = pipefd:3\n" . join '', map { "depends-on = $_\n" } @names);
}

# As tests/bench/Bench/Suites.pm, with needs => sub (scan, dir, name, names): declare them.
sub those_with_needs {
    my @suites = map { $_->{name} =~ /^(?:lares|static)$/ ? { %$_, files => { 'notification-fd' => "3\n" }, needs => sub { links_to(@_[ 1, 3 .. $#_ ]) } }
        : $_->{name} eq 'floor' ? { %$_, needs => sub { } } : () } @_;
    my ($root, $why) = unpacked_peer('dinit');
    push @suites, { name => 'dinit', reason => $root ? undef : "$why, if this Debian has it (12 does not)",
        needs => sub { my ($scan, $dir, $name, @names) = @_; dinit_file($scan, $name, $dir, @names) },
        scan  => sub {
            my ($scan, @dirs) = @_;
            write_file("$scan/services/boot", "type = internal\n" . join '', map { 'depends-on = ' . s{.*/}{}r . "\n" } @dirs);
            return [ 15, [ peers_root() . '/usr/sbin/dinit', '-q', '-d', "$scan/services", '-p', "$scan/socket" ] ];
        } };
    push @suites, { name => 's6-rc', needs => 1, reason => 'Debian 12 has no package of it, and s6 itself runs helpers of /usr/bin' };
    return @suites;
}

sub one_round {
    my ($suite, $scan, $fifo) = @_;
    my %needs = graph();
    my @dirs;
    File::Path::remove_tree($scan);
    for my $name (sort keys %needs) {
        my $dir = make_bench_service("$scan/$name", $suite, $fifo);
        $suite->{needs}->($scan, $dir, $name, @{ $needs{$name} });
        push @dirs, $dir;
    }
    my ($signal, $start) = @{ $suite->{scan}->($scan, @dirs) };
    my %took = map { my ($what, $ns) = split; ($what => $ns eq '-' ? undef : $ns / 1e6) }
        split /\n/, run([ helper('fleet'), $fifo, scalar @dirs, $signal, @$start ], stderr => '/dev/null', env => $suite->{env}, timeout => 90)->{out};
    Lares::Process::end_everything();
    File::Path::remove_tree($scan);
    return \%took;
}

sub measure_needs {
    my ($rounds, $place, @suites) = @_;
    my %rows = map { $_->[0] => { name => $LAYERS * $WIDTH . " with needs, $_->[1]", key => "needs-$_->[0]", unit => 'ms', cells => {} } }
        ([ up => 'ready' ], [ gone => 'stopped' ]);
    my @usable = those_with_needs(@suites);
    for my $suite (@usable) {
        next if !$suite->{reason};
        $_->{cells}{ $suite->{name} } = $suite->{reason} for values %rows;
    }
    for my $round (1 .. $rounds) {
        for my $suite (sort { rand() <=> rand() } grep { !$_->{reason} } @usable) {
            progress("services with needs, round $round of $rounds: $suite->{name}");
            my $fifo = "$place->{dir}/needs.report";
            unlink $fifo;
            make_fifo($fifo);
            my $took = one_round($suite, "$place->{dir}/needs", $fifo);
            for my $what (keys %rows) {
                my $cell = \$rows{$what}{cells}{ $suite->{name} };
                if (defined $took->{$what}) { $$cell = [] if !ref $$cell; push @{ $$cell }, $took->{$what} }
                else                        { $$cell ||= 'not within 30 s' }
            }
        }
    }
    return @rows{qw(up gone)};
}

1;
