# Services whose supervisors are driven by random commands, and killed at random moments and points,
# and whose history has then to be what the pure machine makes of it (tests/probe/replay.c).
#
#   begin('name', plan => [...], facts => [...], ...)   a service, and its supervisor
#   leads_to('d', state => 'down'), told('k')            its tour: letters, and what they lead to
#   finish('uudd...')                                    compares the tour; wanders, leaves, compares
#
# LARES_SEED repeats the choices, not the moments; LARES_LONG makes it twelve times as long.

package Lares::Replay;

use strict;
use warnings;
use Exporter 'import';
use Lares;
use Lares::KillMap;
use Lares::Proc;
use Lares::State;
use POSIX ();
use Test::More;

our @EXPORT = qw(pick begin lines leads_to told wander compare finish turn leave toured dir);

my $seed = $ENV{LARES_SEED} || $$ * 1000 + time % 1000;
srand $seed;
diag("LARES_SEED=$seed");
our $rounds = $ENV{LARES_LONG} ? 1000 : 80;
my ($kills, $obeyed) = (0, 0); # supervisors killed; how many of them had obeyed everything

sub pick { return $_[ int rand @_ ] }

my (%cells, %toured);
# The build with kill points (lares/killpoint.h): who dies where.
my $mortal = build_dir() . '/kill/a';
my $map = kill_map(tmp('map'));
my @points = ((map { [ $_, 'self' ] } qw(FORKED PEEKED RECORDED REAPED ADOPTED_PEEKED ADOPTED_RECORDED ADOPTED_REAPED LAUNCHED LEFT CHOSEN FOUND RESUMED SENT JOURNAL JOURNALLED STATED WOKEN)),
    (map { [ $_, 'parent' ] } qw(SIGN_IN SIGNED_IN EXEC)));
my ($dir, $pid, $letters, $name, @facts, @how); # the service that it is about, see turn

# What each life does is a line of DIR/plan, the last for ever; a finish or a start takes its exit code
# from a line of its own file.
my $next = 'i=$(($(cat "$1.at" 2>/dev/null || echo 0) + 1)); echo $i >"$1.at"; set -- $(sed -n "${i}p;${i}q" "$1")';
sub script { my ($file) = @_; return "next() { $next; echo \"\$@\"; }\nset -- \$(next $file)\n" }
sub lines { my ($file, @lines) = @_; unlink "$dir/$file.at"; return write_file("$dir/$file", join '', map { "$_\n" } @lines) }

sub begin {
    my ($what, %opt) = @_;
    $name = $what;
    my $report = tmp("$name.report");
    my %scripts = (run => script('plan') . "[ \$# -gt 0 ] || set -- sleep\nexec " . join(' ', map { "'$_'" } probe('-')) . " \"\$@\"");
    for my $file (@{ $opt{scripts} || [] }) { $scripts{$file} = script("$file.plan") . 'exit ${1:-0}' }
    $dir = make_service($opt{scan} ? "$opt{scan}/$name" : tmp($name), %scripts, files => { 'kill-mode' => "process\n", 'timeout-kill' => "300\n", %{ $opt{files} || {} } });
    $letters = '';
    @how = $opt{scan} ? (args => [ '-n', $opt{scan} ]) : ();
    @facts = (@{ $opt{facts} || [] }, $opt{files}{down} ? () : 'wanted');
    lines("$_.plan", @{ $opt{plans}{$_} || [] }) for @{ $opt{scripts} || [] };
    lines('plan', @{ $opt{plan} || [] });
    undef $pid;
    another();
    wait_for { read_state($dir) } "$name to begin";
}
sub tell_it {
    my ($letter) = @_;
    control($dir, $letter) or die "nobody reads the control of $name\n";
    $letters .= $letter;
}
# A letter, and the state that it leads to.
# Whoever is told to end before it has looked which life it is leads the same life again.
sub leads_to {
    my ($letter, %state) = @_;
    tell_it($letter) if length $letter;
    my $s = wait_state($dir, %state);
    wait_for { (file_text("$dir/plan.at") || 0) >= $s->{starts} } 'it to know its life' if $s->{role} eq 'run';
    return $s;
}
# A letter that shows nothing: it is obeyed before the next one.
sub told { tell_it($_[0]) }
sub replay {
    my ($said, @known) = @_;
    my $program = ($ENV{LARES_TESTS} || build_dir() . '/tests') . '/probe/replay';
    return run([ $program, "$dir/supervise/history", $said, @known ]);
}
# The records up to the one that is wrong.
sub before {
    my ($wrong) = $_[0] =~ /^wrong at record (\d+)/m or return;
    return map { sprintf "%5d %-12s -> %-9s %-4s role %-9s stop %d early %d pid %d wstat %d %s\n", @$_{qw(sequence event state want role stop early pid wstat reason)} }
        grep { $_->{sequence} <= $wrong + 1 && $_->{sequence} > $wrong - 12 } read_history($dir);
}
sub compare {
    my ($into, $what) = @_;
    my $r = replay($letters, @facts);
    is($r->{exit}, 0, "$name: $what is the machine's") or diag("letters $letters\n", (grep { !/^cell/ } map { "$_\n" } split /\n/, $r->{out} . $r->{err}), before($r->{out}), messages($dir));
    my @seen = $r->{out} =~ /^cell (.*)$/mg;
    $into->{$_}++, $cells{$_}++ for @seen;
}
# Every letter has been obeyed when it waits with an empty FIFO.
sub obeyed {
    sysopen my $fifo, "$dir/supervise/control", POSIX::O_WRONLY() | POSIX::O_NONBLOCK() or return 0;
    my $left = pack 'i', 0;
    wait_for { ioctl($fifo, 0x541B, $left) && !unpack('i', $left) && fds_at_rest($pid) || !alive($pid) } "$name to have read all"; # FIONREAD
    return 0 if !alive($pid);
    $letters .= '|';
    return 1;
}
# There is a supervisor that reads what is told to it. (The control FIFO of one that was killed can be
# open a little longer, in a child that is being born.)
sub another {
    until (defined $pid && alive($pid) && grep { m{/supervise/control$} } values %{ fds_of($pid) || {} }) {
        if (!defined $pid || !alive($pid)) {
            if (defined $pid) { wait_exit($pid); $letters .= '!'; $kills++ }
            local $ENV{LARES_BUILD} = $mortal;
            $pid = supervise($dir, wait => 0, env => { LARES_TEST_KILL_MAP => $map->file }, @how);
        }
        select undef, undef, undef, 0.001; # between two looks; the alarm of the test bounds them
    }
}
# It dies, and another one takes over.
sub succeed {
    $obeyed += obeyed() if rand() < 0.5;
    kill9($pid) if alive($pid);
    wait_for { !alive($pid) } 'its end';
    another();
}
# Random letters at random moments, then a stop that ends it all.
sub wander {
    my ($count, @alphabet) = @_;
    for (1 .. $count) {
        $map->arm('supervise', @{ pick(@points) }) if rand() < 0.1;
        another() if !alive($pid);
        my $letter = pick(@alphabet);
        if (control($dir, $letter)) { $letters .= $letter }
        select undef, undef, undef, rand() < 0.5 ? 0 : rand 0.02; # letters come at any pace
        succeed() if rand() < 0.05;
    }
    $map->disarm;
    obeyed(); # or it has died
    another() if !alive($pid);
}
sub refused {
    my ($why, $said, @known) = @_;
    is(replay($said, @known)->{exit}, 1, "$name: $why is noticed");
}
# The other one of two services; the first time there is none yet.
my @other = ((undef) x 4, [], []);
sub turn {
    my @this = ($dir, $pid, $letters, $name, [@facts], [@how]);
    ($dir, $pid, $letters, $name) = @other;
    @facts = @{ $other[4] };
    @how = @{ $other[5] };
    @other = @this;
}
sub dir { return $dir }
# x, and that all of it was the machine's.
sub leave {
    tell_it('x');
    wait_exit($pid);
    compare({}, 'its history');
}
# After the tour of a kind: that it was the machine's, and random letters of this alphabet.
sub finish {
    compare(\%toured, 'its tour');
    refused('a letter too many', $letters . 'ud', @facts);
    my $shown = $name eq 'plain' ? 'p' : 'd';
    refused('a letter too few', $letters =~ s/$shown//r, @facts);
    refused('another definition', $letters, (grep { !/^(?:slow|condition|forking|restart=.*)$/ } @facts), $name eq 'plain' ? 'slow' : ());
    succeed();
    wander($rounds, split //, $_[0]);
    leave();
}
sub toured {
    diag("$kills supervisors were killed, $obeyed of them had obeyed everything");
    diag(keys(%cells) . ' cells of the table were gone through, ' . keys(%toured) . ' of them by the tours');
    diag(join ', ', sort keys %cells) if $ENV{LARES_LONG};
    return sort keys %toured;
}

1;
