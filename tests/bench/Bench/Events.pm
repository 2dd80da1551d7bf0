# Changes of state a second: made as fast as a supervisor obeys, told to so many subscribers, from the
# first letter until the last subscriber has said the last change. Only lares tells every change:
# s6's fifodirs tell starts and deaths, whose making would be what is measured, and its tools stop
# listening at the first; the others tell nobody.

package Bench::Events;

use strict;
use warnings;
use Exporter 'import';
use Time::HiRes 'sleep';
use Lares;
use Lares::State;
use Bench::Suites;
use Bench::Measure;

our @EXPORT = qw(measure_events);

my $BATCH = 100; # letters that are in the FIFO at a time

sub sequence { my $s = read_state($_[0]); return $s ? $s->{sequence} : 0 }

# The number of the last change that a subscriber has printed.
sub told {
    my ($file) = @_;
    open my $in, '<', $file or return 0;
    seek $in, -200, 2 if -s $in > 200;
    local $/;
    my @lines = (<$in> // '') =~ /^\S+ (\d+) .*\n/mg;
    return $lines[-1] // 0;
}

sub wait_until {
    my ($what, $test) = @_;
    my $until = Lares::Process::now() + 60;
    while (!$test->()) {
        die "bench: waited in vain for $what\n" if Lares::Process::now() > $until;
        sleep 0.0005;
    }
}

sub round {
    my ($suite, $base, $count, $subscribers) = @_;
    my $dir = make_bench_service("$base/events/$suite->{name}", $suite);
    write_file("$dir/max-history", $count + 1000 . "\n");
    spawn($suite->{supervise}->($dir), cwd => $dir);
    wait_until('the service', sub { state_is($dir, state => 'up') });
    my $first = sequence($dir);
    (my $program = $suite->{supervise}->($dir)->[0]) =~ s{[^/]*$}{lares-svhist};
    my @files = map { "$base/events/$_.out" } 1 .. $subscribers;
    my @pids = map { spawn([ $program, '-f', '-s', $first, $dir ], stdout => $_) } @files;
    wait_until('subscribers', sub { !grep { told($_) < $first } @files });
    my $began = Lares::Process::now();
    for (my $made = 0; $made < $count; $made += $BATCH) {
        control($dir, 'pc' x ($BATCH / 2)) or die "bench: nobody reads the control of $dir\n";
        wait_until('changes', sub { sequence($dir) >= $first + $made + $BATCH / 2 });
    }
    wait_until('changes', sub { sequence($dir) >= $first + $count });
    wait_until('subscribers', sub { !grep { told($_) < $first + $count } @files });
    my $took = Lares::Process::now() - $began;
    Lares::Process::end_everything();
    File::Path::remove_tree("$base/events");
    return $count / $took;
}

sub measure_events {
    my ($rounds, $count, $place, @suites) = @_;
    my @rows;
    for my $subscribers (1, 8) {
        my $row = { name => "changes told to $subscribers", key => "events-$subscribers", unit => '/s', cells => {} };
        for my $suite (grep { $_->{name} =~ /^(?:lares|static)$/ } @suites) {
            if ($suite->{reason}) { $row->{cells}{ $suite->{name} } = $suite->{reason}; next }
            progress("events: $suite->{name}, $subscribers subscribers");
            push @{ $row->{cells}{ $suite->{name} } }, round($suite, $place->{dir}, $count, $subscribers) for 1 .. $rounds;
        }
        push @rows, $row;
    }
    return @rows;
}

1;
