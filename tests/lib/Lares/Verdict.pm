# One campaign (Lares::Campaign) and what has to be true of it in the end, as a subtest; and the sums
# of several. use Lares; use Lares::Verdict;
#
#   chaos('name', seconds => 10, sorts => [...], ...);   chaos_total();   chaos_report();
#   points_not_hit();   names of kill points at which nobody has died yet

package Lares::Verdict;

use strict;
use warnings;
use Exporter 'import';
use Lares;
use Lares::Campaign;
use Lares::Chaos;
use Lares::KillMap;
use Lares::Scan;
use Test::More;

our @EXPORT = qw(chaos chaos_total chaos_report points_not_hit @everybody);
our @everybody = ('scanner', 'supervisor', 'log supervisor', 'logger', 'service');

my (%points, %kills, %zeros, $total);

# All is as if nothing had happened.
sub check_tree {
    my ($c) = @_;
    my $scan = $c->{scan};
    # The last kill may have met the scanner, and not have been seen yet.
    wait_for { Lares::Campaign::reap($c); alive($c->{scanner}) } 'a scanner';
    is($c->{scanners}, 1, 'the scanner that nobody kills has lived') if $c->{init} || !$c->{may}{scanner};
    $zeros{doubles} += () = doubles();
    is(join(' ', doubles()), '', 'no service ever ran twice at once');
    is(lives('ever'), 1, 'the service for ever was started once');
    cmp_ok($c->{map}->births($c->{ever}), '>', 0, '... which the map knows of');
    is(tally_pid('ever'), $c->{ever}, '... and has the pid it had');
    my @dirs = map { ("$scan/$_", "$scan/$_/log") } service_names();
    wait_for { run([bin('svok'), $_])->{exit} == 0 } "$_ supervised", 30 for @dirs;
    my @supervisors = sort keys %{ supervisors() };
    is("@supervisors", join(' ', sort map { s{^\Q$scan\E/}{}r } @dirs), 'one supervisor for each, and no other');
    for my $name (qw(ever stubborn)) {
        my $line = wait_for {
            my $out = run([bin('svstat'), "$scan/$name"])->{out};
            $out =~ /: up \(pid (\d+)\)/ && $1 == tally_pid($name) && alive($1) && $out
        } "svstat to tell of $name";
        like($line, qr/^\S+: up \(pid \d+\) \d+ seconds/, "svstat of $name");
    }
    for my $name (qw(blink second)) {
        my $lives = lives($name);
        ok((wait_for { read_journals(); lives($name) > $lives } "the next life of $name", 20), "$name goes on living and dying");
    }
    for my $name (service_names()) {
        ok(up("$scan/$name/log"), "the logger of $name is up");
    }
}

# Unknown statuses are counted and shown; where a scanner or lares-init lives there are none.
sub check_lives {
    my ($c) = @_;
    my $account = account_lives(sub { $c->{map}->births($_[0]) });
    my $knows   = ($c->{init} || !$c->{may}{scanner}) && $c->{without} !~ /subreaper/;
    my $unknown = 0;
    for my $name (sort keys %$account) {
        my %a = %{ $account->{$name} };
        $unknown += $a{unknown};
        $zeros{$_} += $a{$_} for qw(untold twice wrong gaps changed deaths);
        my $text = "$name: $a{deaths} deaths told";
        is("untold $a{untold} twice $a{twice} wrong $a{wrong} gaps $a{gaps} rewritten $a{changed}",
            'untold 0 twice 0 wrong 0 gaps 0 rewritten 0', $text)
            or diag(join "\n", splice @{ $a{examples} || [] }, 0, 5);
    }
    note("statuses unknown: $unknown");
    $zeros{ $knows ? 'unknown' : 'unknown without anybody to tell' } += $unknown;
    is($unknown, 0, 'no status is unknown') || diag(map { "$_: @{ $account->{$_}{examples} || [] }\n" } sort keys %$account) if $knows;
    $c->{unknown} = $unknown;
}

sub check_lines {
    my ($c) = @_;
    my $account = account();
    my $killed  = $c->{may}{logger};
    for my $service (service_names()) {
        my %a = %{ $account->{$service} };
        $zeros{"lines $_"} += $a{$_} for qw(missing doubled damaged);
        $zeros{lines} += $a{lines};
        my $text = "$service: $a{lines} lines, $a{missing} missing, $a{doubled} doubled, $a{damaged} damaged";
        note($text) if $killed || $a{missing};
        ok($a{lines} && !$a{doubled} && ($killed || !$a{damaged}), "$service: no line doubled" . ($killed ? '' : ' or damaged'));
        is($a{missing}, 0, "$service: none missing");
    }
}

sub check_said {
    my ($c) = @_;
    my $expected = qr/ upgrade refused: |take over|error while loading shared libraries|unable to use inotify: Function not/;
    my @bad = grep { / error |impossible|unable/ && !/$expected/ } split /\n/, said_text($c->{scan});
    is(scalar @bad, 0, 'no error was said') or diag(join "\n", splice @bad, 0, 10);
}

# Ends of upgrades; those to what cannot be run are never done, and most of the others are.
sub check_upgrades {
    my ($c) = @_;
    my %u = %{ $c->{upgraded} };
    note("upgrades: $_: $u{$_}") for sort keys %u;
    is($c->{wrong_upgrades}, '', 'no upgrade to a broken program was done');
    my $done = $u{'good: done'} || 0;
    my @resumed = $c->{map}->resumed;
    note("taken over: @resumed");
    cmp_ok($done + $resumed[0] + $resumed[1], '>', 3, 'programs of both builds took over');
}

sub chaos {
    my ($name, %opt) = @_;
    subtest $name => sub {
        my ($scan) = new_scan();
        my $c = campaign($scan, points => 1, %opt);
        my $kills = Lares::Campaign::total($c);
        note(sprintf '%d kills in %.1f s: %s', $kills, $c->{took}, join ', ', map { "$c->{kills}{$_} $_" } sort keys %{ $c->{kills} });
        $total += $kills;
        $c->{map}->add_to(\%points);
        $kills{"$_, at random"} += $c->{kills}{$_} for keys %{ $c->{kills} };
        check_tree($c);
        wait_for { Lares::Campaign::reap($c); alive($c->{scanner}) } 'a scanner';
        signal($c->{scanner}, 'TERM');
        is_deeply(wait_exit($c->{scanner}), { exit => 0, signal => 0 }, 'TERM stops everything');
        no_processes_left();
        no_zombies();
        check_lives($c);
        check_lines($c);
        check_said($c);
        check_upgrades($c) if $opt{upgrades};
    };
}

sub chaos_total { return $total }

sub points_not_hit {
    my %hit;
    for my $place (keys %points) { $hit{ $place =~ s/^\w+: //r } += ($points{$place}[$_] || 0) for 1 .. 3 }
    # No service here is of type forking, no logger has programs for its files, may drop, or
    # is flooded: forking-kill-points.t, log-kills.t, log-disk.t, log-config.t and log-flood.t die at each of those.
    return map { $_->[0] } grep { !$hit{ $_->[1] } && $_->[1] !~ /^(?:forking|log work|log drop|log script|log flood):/ } kill_points();
}

sub chaos_report {
    diag($_) for kill_table(\%points);
    diag(sprintf '%-62s %9s %6d', $_, '', $kills{$_}) for sort keys %kills;
    diag("$total kills");
    diag(join ', ', map { "$_: $zeros{$_}" } sort keys %zeros);
}

1;
