# Chaos: services whose lives, ends and lines can be accounted for (tests/probe/tally.c), and the
# account. Killing is in Lares::Campaign. use Lares; use Lares::Scan; use Lares::Chaos;
#
# A life is known by where it stands in the service's own list of lives, which it enters itself
# under a lock; the journal is read along while it is written, and laid beside that list: each life
# has one death there, in this order, with the status that the life had planned, or KILL.

package Lares::Chaos;

use strict;
use warnings;
use Exporter 'import';
use Lares;
use Lares::Scan;
use Lares::State ();

our @EXPORT = qw(make_tallies tally_pid lives doubles account service_names chaos_seed read_journals
    account_lives unknown_so_far);

# name => [milliseconds of a life, of a pause between lines, more]
my %service = (
    blink    => [5,   1, 'ends'],
    second   => [500, 2, 'ends'],
    ever     => [0,   2],
    stubborn => [0,   5, 'ignore-term'],
);
my $life_size = 40;
my ($scan, $tallies, %journal);

sub service_names { return sort keys %service }
sub lives { my ($name) = @_; return int((-s "$tallies/$name.lives" || 0) / $life_size) }
sub doubles { return grep { -e "$tallies/$_.double" } service_names() }

sub tally_pid {
    my ($name) = @_;
    my ($pid) = (file_text("$tallies/$name.pid") // '') =~ /^(\d+)\n/;
    return $pid;
}

sub chaos_seed {
    my $seed = $ENV{LARES_SEED} || time ^ $$;
    srand $seed;
    return $seed;
}

# Four services in a scan directory and, unless start => 0, a scanner for it, whose pid it returns.
# kill => 1: the programs with kill points.
sub make_tallies {
    ($scan, my %opt) = @_;
    $tallies = "$scan/../tallies";
    %journal = ();
    mkdir $tallies;
    my $plain = (probe('-'))[0] =~ s{[^/]*\z}{tally}r;
    my $kill  = build_dir() . '/kill';
    for my $name (service_names()) {
        make_service("$scan/$name", run => [$opt{kill} ? "$kill/tally" : $plain, $tallies, $name, @{ $service{$name} }],
            # Files fill quickly; none is to be dropped.
            log   => [$opt{kill} ? "$kill/a/lares-log" : bin('log'), qw(t s20000 n4000 ./main)],
            files => { 'restart-delays' => "0\n", 'timeout-kill' => "1000\n", 'log/restart-delays' => "0\n" });
    }
    return if defined $opt{start} && !$opt{start};
    my $scanner = scanner($scan);
    wait_for { tally_pid('ever') && tally_pid('stubborn') } 'the services';
    return $scanner;
}

# --- the journal -----------------------------------------------------------------------------

# Reads on in all journals: called often enough that nothing is overwritten unread. Records are
# taken as long as their numbers go on without a gap; what is missing may still be on its way.
sub read_journals {
    for my $dir (map { ($_, "$_/log") } service_names()) {
        my $j    = $journal{$dir} ||= { last => 0, records => [], changed => 0, lost => 0 };
        my $text = file_text("$scan/$dir/supervise/history") // next;
        my $raw  = $j->{raw};
        my %new;
        for (my $at = 0; $at + 64 <= length $text; $at += 64) {
            my $number = unpack 'Q>', substr $text, $at + 4, 8;
            $new{$number} = $at if $number > $j->{last};
            $j->{changed}++ if $raw && $number == $j->{last} && substr($text, $at, 64) ne $raw;
        }
        my ($lowest) = sort { $a <=> $b } keys %new;
        if ($lowest && $lowest > $j->{last} + 1) { # overwritten before it was read, or a gap
            $j->{lost} += $lowest - $j->{last} - 1;
            $j->{last} = $lowest - 1;
        }
        while (defined(my $at = $new{ $j->{last} + 1 })) {
            $j->{raw} = substr $text, $at, 64;
            push @{ $j->{records} }, [ord(substr $j->{raw}, 3, 1), unpack 'l>l>', substr $j->{raw}, 40, 8];
            $j->{last}++;
        }
        $j->{behind} = grep { $_ > $j->{last} } keys %new;
    }
}

my ($run_died) = grep { $Lares::State::events[$_] eq 'run-died' } 0 .. $#Lares::State::events;

# The deaths of run in the order of the journal: [pid, wait status].
sub deaths_in {
    my ($j) = @_;
    my ($pid, @deaths) = 0;
    for my $record (@{ $j->{records} }) {
        my ($event, $next, $wstat) = @$record;
        push @deaths, [$pid, $wstat] if $event == $run_died;
        $pid = $next;
    }
    return @deaths;
}

# Of all services, as far as it has been read.
sub unknown_so_far {
    my $count = 0;
    for my $j (values %journal) { $count += grep { $_->[0] == $run_died && $_->[2] == -1 } @{ $j->{records} } }
    return $count;
}

# Lays the deaths beside the lives. A life that was killed before it entered the list stands in
# the journal alone, with KILL.
sub match_lives {
    my ($name, $deaths, $r) = @_;
    my $text = file_text("$tallies/$name.lives");
    my ($at, $before) = (0, 0);
    for (my $n = 0; $n + $life_size <= length $text; $n += $life_size) {
        my ($pid, undef, undef, $planned) = unpack 'QQQq', substr $text, $n, $life_size;
        my $to = $at;
        $to++ while $to < @$deaths && $deaths->[$to][0] != $pid;
        if ($to == @$deaths) { $r->{untold}++; next }
        for my $death (@$deaths[$at .. $to - 1]) { judge($death, 9, $before, $r) }
        # The stop's TERM may come before the last one is prepared for it.
        $planned = 15 if $planned == -1 && $to == $#$deaths;
        judge($deaths->[$to], $planned, $before, $r);
        ($at, $before) = ($to + 1, $pid);
        $r->{lives}++;
    }
    judge($deaths->[$_], $_ == $#$deaths ? 15 : 9, $before, $r) for $at .. $#$deaths;
}

sub judge {
    my ($death, $planned, $before, $r) = @_;
    my ($pid, $wstat) = @$death;
    if    ($pid && $pid == $before)           { $r->{again}{$pid}++ }
    elsif ($wstat == -1)                      { $r->{unknown}++; push @{ $r->{examples} }, "pid $pid: unknown, planned $planned" }
    elsif ($wstat != 9 && $wstat != $planned) { $r->{wrong}++; push @{ $r->{examples} }, "pid $pid: $wstat, not $planned" }
}

# A number that stands twice in a row in a journal is one death told twice, or two processes that had
# the same number, as happens when few are free: then as many were born as there are deaths.
sub count_twice {
    my ($result, $births) = @_;
    my %deaths;
    for my $j (values %journal) { $deaths{ $_->[0] }++ for deaths_in($j) }
    for my $r (values %$result) {
        $r->{twice} = grep { !$births || $deaths{$_} > $births->($_) } keys %{ $r->{again} || {} };
    }
}

# After the end of everything: { name => { lives, deaths, untold, twice, unknown, wrong, gaps,
# changed } } of services and loggers; of loggers no lives are known. $births->($pid) tells how many
# processes were started under a number.
sub account_lives {
    my ($births) = @_;
    my %result;
    read_journals();
    for my $dir (map { ($_, "$_/log") } service_names()) {
        my $j = $journal{$dir};
        my @deaths = deaths_in($j);
        my %r = (lives => 0, deaths => scalar @deaths, gaps => $j->{lost} + $j->{behind}, changed => $j->{changed}, map { ($_ => 0) } qw(untold twice unknown wrong));
        if ($dir =~ m{/log$}) { $r{unknown} = grep { $_->[1] == -1 } @deaths }
        else                  { match_lives($dir, \@deaths, \%r) }
        $result{$dir} = \%r;
    }
    count_twice(\%result, $births);
    return \%result;
}

# --- lines -----------------------------------------------------------------------------------

# What each log holds against what was written: { name => {lines, missing, doubled, damaged} }.
# A service that was killed may have written one line more than it could note.
sub account {
    my %result;
    for my $name (service_names()) {
        my (%seen, %r);
        @r{qw(lines missing doubled damaged)} = (0) x 4;
        for my $file (glob "$scan/$name/log/main/{\@*,current}") {
            for (split /\n/, file_text($file)) {
                if (/^\@[0-9a-f]{24} \Q$name\E (\d+) (\d+)$/) {
                    $seen{$1} //= '';
                    $r{doubled}++ if vec($seen{$1}, $2, 1);
                    vec($seen{$1}, $2, 1) = 1;
                    $r{lines}++;
                }
                else { $r{damaged}++ }
            }
        }
        my @wrote = unpack 'Q*', file_text("$tallies/$name.tally");
        for my $life (0 .. $#wrote) {
            $r{missing} += grep { !vec($seen{$life} // '', $_, 1) } 0 .. $wrote[$life] - 1;
        }
        $result{$name} = \%r;
    }
    return \%result;
}

1;
