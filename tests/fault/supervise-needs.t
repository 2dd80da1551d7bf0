#!/usr/bin/perl
# Two services of which one needs the other, and system calls failing in the supervisor of the one,
# then of the other: whatever fails, nothing is started before what it needs is ready, nothing ends
# before those that need it, they go and come back together, a crash is nobody else's business, and
# the next supervisor knows all of it.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fault;
use Lares::Faulted;
use Lares::State;
use Test::More;

my ($faulty, $db, $web);

sub begin {
    my ($s, $dir) = @_;
    my %opt = (words => ['-n', "$s->{base}.scan"]);
    $opt{env} = { LARES_FAULT => undef } if $dir !~ /\Q$faulty\E$/;
    begin_service($s, $dir, %opt);
}
# What could not be noted for the next supervisor at once is noted later.
sub succeed { my ($s, $dir) = @_; get_there($s, 'the need to be noted', sub { -l "$web/supervise/needs/db" && -l "$db/supervise/dependents/web" }); kill_supervisor($s, $dir); begin($s, $dir) }

sub pid_of { my ($dir) = @_; return living_probe("$dir.report") }

# Up, ready, alive: the pid.
sub up {
    my ($dir) = @_;
    my $state = state_is($dir, state => 'up', ready => 1) or return 0;
    return (pid_of($dir) // 0) == $state->{pid} ? $state->{pid} : 0;
}
sub both_up {
    my ($s, $name) = @_;
    get_there($s, $name, sub { up($db) && up($web) });
    return (up($db), up($web));
}

sub deaths_of {
    my ($dir) = @_;
    return grep { $_->{event} eq 'run-died' } read_history($dir);
}

# Who could not be told that somebody needs it goes without waiting: but that has been said (once
# for all that does not work at the time). An end that a full disk did not take before its
# supervisor had left is on record nowhere.
sub in_order {
    my ($s, $name, %before) = @_;
    my $said = join '', map { file_text("$_.err") // '' } $db, $web;
    return if $said =~ /unable to (?:register|note|look|use|read|listen)|without waiting/;
    my ($first, $last) = map { (deaths_of($_))[-1] } $web, $db;
    return if $said =~ /unable to write/ && deaths_of($db) == $before{$db};
    die "$name: ended before who needs it\n" if $first->{at} > $last->{at};
}

sub ends { return { map { $_ => scalar(() = deaths_of($_)) } $db, $web } }

# The whole of it goes, in order.
sub goes {
    my ($s, $name, $before) = @_;
    get_there($s, "$name: what is needed to be down", sub { state_is($db, state => 'down', pid => 0) });
    get_there($s, "$name: who needs it to wait", sub { state_is($web, state => 'waiting', pid => 0) });
    die "$name: not all has ended\n" if pid_of($db) || pid_of($web);
    in_order($s, $name, %$before);
}

sub live {
    my ($s) = @_;
    my $scan = "$s->{base}.scan";
    my %files = ('notification-fd' => "3\n", 'restart-delays' => "0 50\n", 'restart-reset' => "60000\n", 'timeout-kill' => "2000\n");
    ($db, $web) = map { "$scan/$_" } qw(db web);
    make_service($db, run => [probe("$db.report", 'ready', 3, 'sleep')], files => {%files});
    make_service($web, run => [probe("$web.report", 'ready', 3, 'sleep')], files => { %files, 'needs/db' => '' });
    begin($s, $web);
    get_there($s, 'it to wait', sub { state_is($web, state => 'waiting') });
    die "started before what it needs\n" if pid_of($web);
    begin($s, $db);
    my ($first, $second) = both_up($s, 'the first start');
    kill9($first);
    get_there($s, 'the restart', sub { my $pid = up($db); $pid && $pid != $first });
    my ($next, $same) = both_up($s, 'after a crash');
    die "a crash of what is needed ended it\n" if $same != $second;
    my $before = ends();
    order($s, $db, 'd');
    goes($s, 'd', $before);
    order($s, $db, 'u');
    ($first, $second) = both_up($s, 'up again');
    succeed($s, $faulty eq 'db' ? $db : $web);
    ($next, $same) = both_up($s, 'adoption');
    die "not kept by the next supervisor\n" if $next != $first || $same != $second;
    order($s, $web, 'd');
    get_there($s, 'who needs it to be down', sub { state_is($web, state => 'down', pid => 0) });
    die "what is needed has gone, too\n" if up($db) != $first;
    order($s, $web, 'u');
    both_up($s, 'up once more');
    succeed($s, $faulty eq 'db' ? $db : $web);
    $before = ends();
    end_service($s, $db); # also one that has only begun
    get_there($s, 'it to wait for one that has left', sub { state_is($web, state => 'waiting', pid => 0) });
    in_order($s, 'x', %$before);
    end_service($s, $web);
}

# A FIFO that takes no wake-up is full, so that its reader is woken by what is in it; one that is full and has
# nothing in it only this ring would know.
for my $name (qw(web db)) {
    $faulty = $name;
    note($name);
    fault_campaign('supervise', seconds => 6, without => qr/^write:\d+:EAGAIN:/, scenario => scenario_of(\&live));
}
no_processes_left();
done_testing;
