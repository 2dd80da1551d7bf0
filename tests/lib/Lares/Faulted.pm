# Scenarios of the fault ring: programs in which calls fail, and how to get on with them. A
# supervisor that gave up did so at its beginning and said why; the next one, without faults, finds
# everything in order. A tool says what was wrong, with the right code. use Lares; use Lares::Faulted;
#
# fault_campaign(..., scenario => scenario_of(sub { my ($s) = @_; ... })): $s has program, env, base (a
# path nobody uses yet), said (what tools said) and services, by directory; what dies is what went wrong.

package Lares::Faulted;

use strict;
use warnings;
use Exporter 'import';
use Lares;
use Lares::Fault;
use Lares::State;

our @EXPORT = qw(scenario_of begin_service get_there order kill_supervisor end_service outcome judge);

my $number = 0;

sub scenario_of {
    my ($live) = @_;
    return sub {
        my ($program, $env) = @_;
        my $base  = tmp('f' . ++$number);
        my $s     = { program => $program, env => $env, base => $base, said => '', services => {} };
        my $good  = eval { $live->($s); 1 };
        my $wrong = $good ? undef : $@ || 'unknown';
        my $said  = join '', $s->{said}, map { file_text("$_.err") // '' } sort keys %{ $s->{services} };
        $wrong .= "its messages:\n" . ($said || "none\n") if defined $wrong;
        if (%{ $s->{services} } || defined $wrong) {
            $wrong .= "history of $_:\n" . history_text($_) for defined $wrong ? sort keys %{ $s->{services} } : ();
            Lares::Process::end_everything() if !$s->{shared};
            alarm time_limit(600);
        }
        system "rm -rf '$base' '$base'.*";
        return ($wrong, $said);
    };
}

sub history_text {
    my ($dir) = @_;
    my @h = eval { read_history($dir) };
    @h = @h[-12 .. -1] if @h > 12;
    return join '', map { "  $_->{sequence} $_->{event} $_->{state} want $_->{want} ready $_->{ready} pid $_->{pid} $_->{reason}\n" } @h;
}

# --- supervisors -----------------------------------------------------------------------------

# A supervisor of a service, with the scenario's faults or, env => {...}, others.
sub begin_service {
    my ($s, $dir, %opt) = @_;
    my $v = $s->{services}{$dir} ||= { words => $opt{words} || [] };
    $v->{pid} = spawn([$s->{program}, @{ $v->{words} }, $dir], env => $opt{env} || $s->{env}, stderr => "$dir.err", quiet => 1);
    $v->{beginning} = 1;
}

# Waits for $what->(), while each supervisor lives or has given up in order.
sub get_there {
    my ($s, $name, $what) = @_;
    my $got = wait_for {
        for my $dir (sort keys %{ $s->{services} }) {
            my $v = $s->{services}{$dir};
            next if !$v->{pid} || alive($v->{pid});
            die "the supervisor of $dir is gone: $name\n" if !$v->{beginning};
            gave_up($v->{pid}, "$dir.err");
            begin_service($s, $dir, env => { LARES_FAULT => undef });
        }
        !(grep { $_->{pid} && !supervisor_begun($_->{pid}) } values %{ $s->{services} }) && $what->()
    } $name, 20;
    $_->{beginning} = 0 for values %{ $s->{services} };
    return $got;
}

sub order {
    my ($s, $dir, $letters) = @_;
    get_there($s, "somebody to read $letters", sub { control($dir, $letters) });
}

# -9, when the disk has taken all that it had to record; not followed by another yet.
sub kill_supervisor {
    my ($s, $dir) = @_;
    my $v = $s->{services}{$dir};
    wait_recorded("$dir.err");
    kill9($v->{pid});
    wait_exit($v->{pid});
    $v->{pid} = 0;
}

# It leaves in order, and the journal has no gap.
sub end_service {
    my ($s, $dir) = @_;
    my $v = $s->{services}{$dir};
    order($s, $dir, 'x');
    my $end = wait_exit($v->{pid});
    $v->{pid} = 0;
    die 'left with ' . (defined $end->{exit} ? $end->{exit} : "signal $end->{signal}") . "\n"
        if !defined $end->{exit} || $end->{exit};
    my @h = read_history($dir);
    my @missing = grep { $h[$_]{sequence} != $h[$_ - 1]{sequence} + 1 } 1 .. $#h;
    die "the journal of $dir has a gap\n" if @missing;
}

# --- tools -----------------------------------------------------------------------------------

# How a tool has ended: 1 when it said that all is well, 0 when it said what is wrong.
sub judge {
    my ($s, $end, $text, @codes) = @_;
    $s->{said} .= $text;
    die "killed by signal $end->{signal}\n" if !defined $end->{exit};
    return 1 if $end->{exit} == 0;
    die "ended with $end->{exit}\n" if !grep { $_ == $end->{exit} } @codes;
    die "ended with $end->{exit} and without a word\n" if $text !~ /\S/ && ($s->{env}{LARES_FAULT} // '') !~ /^write/;
    return 0;
}

# Runs it to its end.
sub outcome {
    my ($s, $argv, @codes) = @_;
    my $r = run($argv, env => $s->{env});
    return judge($s, $r, $r->{err}, @codes);
}

1;
