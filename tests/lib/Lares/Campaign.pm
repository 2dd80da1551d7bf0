# A campaign of kill -9: processes of the suite killed at random moments and at kill points, while
# services live, die and write, and while upgrades go on. use Lares; use Lares::Scan;
# use Lares::Chaos; use Lares::Campaign;
#
#   my $c = campaign($scan, seconds => 10, kills => 200, sorts => [...], points => 1, ...);
#
# sorts    who is killed at random: scanner, supervisor, log supervisor, logger, service. Kill
#          points are armed only for programs of these sorts, a parent that would be hit included.
# points   the programs with kill points are used, and those armed
# without  what the kernel lacks (tests/chaos/kernel.c)
# arms     [program, point, way] alone instead of all points
# ablate   a rule that is taken away: R1, R2, R3
# init     lares-init has started the scanner, and is not killed
# scanner_every  so many seconds at least between two deaths of the scanner that are our doing
# stop     a function that ends it early when it returns true
# upgrades directories of programs to upgrade to; broken: of some that cannot be
#
# The one who drives reaps what the scanner leaves when it dies, as a simple init would.

package Lares::Campaign;

use strict;
use warnings;
use Exporter 'import';
use Lares;
use Lares::Chaos;
use Lares::KillMap;
use Lares::Scan;
use POSIX qw(WNOHANG);
use Time::HiRes ();

our @EXPORT = qw(campaign kill_table);

my $ARMED_MOST  = 5;
my $ARMED_S     = 1.5; # a point that nobody passes makes room for another
my $JOURNALS_S  = 0.15;
my %program_of  = (scanner => 'svscan', supervisor => 'supervise', 'log supervisor' => 'supervise', logger => 'log', service => 'service');
# In the child of a vfork the parent is the program itself; elsewhere it is who started it.
my %in_child    = map { $_ => 1 } qw(SIGN_IN SIGNED_IN EXEC);
my %parent_of   = (supervise => 'scanner', log => 'log supervisor', service => 'supervisor');

sub now { return Lares::Process::now() }

# Our descendants, pid => command. Where the kernel tells children, the thousands of processes of
# others need not be read, which decides how many kills there are in a second.
sub commands {
    return map { ($_->{pid} => $_->{command}) } descendants() if !-r "/proc/$$/task/$$/children";
    my (%command, @todo);
    @todo = split ' ', file_text("/proc/$$/task/$$/children");
    while (defined(my $pid = shift @todo)) {
        $command{$pid} = (file_text("/proc/$pid/cmdline") // '') =~ tr/\0/ /r;
        push @todo, split ' ', file_text("/proc/$pid/task/$pid/children") // '';
    }
    return %command;
}

# Who may be killed: name of the sort => pids. Never the one that is to keep its pid.
sub victims {
    my ($c) = @_;
    my %found;
    my %command = commands();
    for my $pid (keys %command) {
        my $kind = $command{$pid} =~ m{^lares-supervise .*-p }    ? 'probe'
            : $command{$pid} =~ m{^lares-supervise .* \S+/log $}  ? 'log supervisor'
            : $command{$pid} =~ m{^lares-supervise .*-q?s }       ? 'supervisor'
            : $command{$pid} =~ m{^(?:\S+/)?lares-svscan }        ? 'scanner'
            : $command{$pid} =~ m{^(?:\S+/)?lares-log }           ? 'logger'
            : $command{$pid} =~ m{/tally \S+ (\w+)} && $1 ne 'ever' ? 'service' : next;
        push @{ $found{$kind} }, $pid;
    }
    return \%found;
}

# The scanner, or lares-init, and again when it has died. Its environment tells all below what to
# obey.
sub start_scanner {
    my ($c) = @_;
    my $program = $c->{init} ? 'lares-init' : 'lares-svscan';
    $c->{scanner} = scanner($c->{scan}, $c->{points} ? { program => "$c->{programs}/$program", quiet => 1, env => {
        LARES_TEST_KILL_MAP => $c->{map}->file, LARES_TEST_WITHOUT => $c->{without} } } : { quiet => 1 });
    $c->{map}->spare($c->{scanner}) if $c->{map} && ($c->{init} || !$c->{may}{scanner});
    $c->{scanners}++;
}

# Everything that has ended and is ours by now.
sub reap {
    my ($c) = @_;
    while ((my $pid = waitpid -1, WNOHANG) > 0) {
        Lares::Process::was_reaped($pid, $?);
        if    ($pid == $c->{scanner})                  { $c->{scanner} = 0; $c->{again} = now() + rand 0.02 }
        elsif ($c->{upgrade} && $pid == $c->{upgrade}{pid}) { upgrade_ended($c, $?) }
    }
    start_scanner($c) if !$c->{scanner} && now() >= $c->{again};
}

# One that has just been started again is put off by lares-init, and no upgrade would ever end.
sub scanner_may_die {
    my ($c) = @_;
    return 0 if !$c->{may}{scanner} || now() < ($c->{scanner_until} || 0);
    $c->{scanner_until} = now() + ($c->{scanner_every} || 0);
    return 1;
}

sub kill_one {
    my ($c) = @_;
    my $sort = $c->{sorts}[rand @{ $c->{sorts} }];
    return if $sort eq 'scanner' && !scanner_may_die($c);
    my $pids = victims($c)->{$sort} or return;
    kill 'KILL', $pids->[rand @$pids] and $c->{kills}{$sort}++;
}

# Ways to die at this point that hit nobody but sorts that may be killed.
sub ways {
    my ($c, $program, $point) = @_;
    return 'parent' if $program eq 'service'; # the one that is to keep its pid is one, too
    return scanner_may_die($c) ? 'self' : () if $program eq 'svscan' && !$in_child{$point};
    my $parent = $in_child{$point} ? ($program eq 'svscan' ? 'scanner' : undef) : $parent_of{$program};
    return 'self' if $parent && (!$c->{may}{$parent} || rand() < 0.5 || $parent eq 'scanner' && !scanner_may_die($c));
    return $parent ? ('parent', 'both') : ('self', 'parent', 'both');
}

# Those that were hit seldom before those that were hit often.
sub arm_one {
    my ($c)   = @_;
    my $armed = $c->{armed};
    @$armed = grep { $c->{map}->is_armed(@$_[0, 1]) } @$armed;
    for my $old (grep { $_->[2] < now() } @$armed) { $c->{map}->disarm(@$old[0, 1]) }
    return if @$armed >= $ARMED_MOST;
    my (@pairs, $sum) = ();
    if ($c->{arms}) {
        my $chosen = $c->{arms}[rand @{ $c->{arms} }];
        $c->{map}->arm(@$chosen);
        push @$armed, [@$chosen[0, 1], now() + $ARMED_S];
        return;
    }
    for my $pair ($c->{map}->pairs) {
        my ($program, $point, undef, undef, @killed) = @$pair;
        next if !$c->{programs_to_kill}{$program};
        my $weight = 1 / (1 + $killed[0] + $killed[1] + $killed[2]);
        push @pairs, [$program, $point, $sum += $weight];
    }
    return if !@pairs;
    my $at = rand $sum;
    my ($chosen) = grep { $at < $_->[2] } @pairs;
    my @ways = ways($c, @$chosen[0, 1]) or return;
    $c->{map}->arm(@$chosen[0, 1], $ways[rand @ways]);
    push @$armed, [@$chosen[0, 1], now() + $ARMED_S];
}

# --- upgrades --------------------------------------------------------------------------------

# One at a time, as somebody would who uses lares-svscanctl; one in five to what cannot be run.
# Some go to one supervisor by its control FIFO.
sub upgrade_something {
    my ($c) = @_;
    return if !$c->{upgrades} || $c->{upgrade} || now() < ($c->{next_upgrade} || 0);
    my $broken = rand() < 0.2;
    my @dirs   = @{ $c->{$broken ? 'broken' : 'upgrades'} };
    my $dir    = $dirs[ $broken ? $c->{broken_next}++ % @dirs : int rand @dirs ];
    my $pid    = spawn([bin('svscanctl'), '-T', '4000', '-b', $dir, 'upgrade', $c->{scan}],
        stdout => "$c->{scan}/../upgrades", stderr => "$c->{scan}/../upgrades", quiet => 1);
    $c->{upgrade} = { pid => $pid, broken => $broken, dir => $dir, from => -s "$c->{scan}/../upgrades" };
}

sub upgrade_ended {
    my ($c, $status) = @_;
    my $u     = $c->{upgrade};
    my %name  = (0 => 'done', 1 => 'refused', 99 => 'out of time', 100 => 'refused by svscanctl', 102 => 'no scanner');
    my $how   = $status & 127 ? "killed by $status" : $name{ $status >> 8 } || 'failed with ' . ($status >> 8);
    my $sort  = $u->{broken} ? $u->{dir} =~ s{.*/}{}r : 'good';
    $c->{upgraded}{"$sort: $how"}++;
    $c->{wrong_upgrades} .= "$u->{dir}: $how\n" if $u->{broken} && $status == 0;
    $c->{upgrade}      = undef;
    $c->{next_upgrade} = now() + rand 0.3;
    return if rand() < 0.5;
    my @names = map { ($_, "$_/log") } service_names();
    my $fifo  = "$c->{scan}/$names[rand @names]/supervise/control";
    if (sysopen my $control, $fifo, POSIX::O_WRONLY() | POSIX::O_NONBLOCK()) { syswrite $control, 'Z' }
}

# --- the whole -------------------------------------------------------------------------------

sub prepare {
    my ($scan, %opt) = @_;
    my $c = { scan => $scan, kills => {}, upgraded => {}, armed => [], wrong_upgrades => '',
        broken_next => 0, again => 0, %opt };
    $c->{$_} //= '' for qw(without ablate);
    $c->{may} = { map { $_ => 1 } @{ $c->{sorts} } };
    $c->{programs_to_kill} = { map { $program_of{$_} => 1 } @{ $c->{sorts} } };
    $c->{kills}{$_} = 0 for @{ $c->{sorts} };
    if ($c->{points}) {
        $c->{programs} = build_dir() . '/kill/a';
        $c->{map}      = kill_map(tmp('map'));
        $c->{map}->ablate($c->{ablate}) if $c->{ablate};
    }
    return $c;
}

# What is in a pipe goes with its last holder. Where all of them may be killed at once we are one
# that lives, with a reading end, which keeps nobody from seeing the end of the pipe. Where loggers
# live they are that, from their first moment on: nobody is killed before it, or what a service wrote
# until then goes with its supervisor and its logger's.
sub hold_pipes {
    my ($c) = @_;
    if (!$c->{may}{logger}) {
        my @services = service_names();
        wait_for { reap($c); @{ victims($c)->{logger} || [] } == @services } 'a logger for each service';
        return;
    }
    for my $name (service_names()) {
        my $fifo = "$c->{scan}/$name/log/supervise/pipe";
        my $end;
        wait_for { reap($c); sysopen $end, $fifo, POSIX::O_RDONLY() | POSIX::O_NONBLOCK() } "the pipe of $name";
        push @{ $c->{pipes} }, $end;
    }
}

sub total { my ($c) = @_; my $n = $c->{map} ? $c->{map}->total : 0; $n += $_ for values %{ $c->{kills} }; return $n }

# Killed, and not run since to die of it.
sub is_doomed {
    my ($pid) = @_;
    my ($state, @pending) = (file_text("/proc/$pid/status") // '') =~ /^State:\s+(\S).*^SigPnd:\s+(\S+)\n^ShdPnd:\s+(\S+)/ms;
    return !$state || $state =~ /[ZX]/ || grep { hex(substr $_, -8) & 1 << 8 } @pending;
}

# Everything goes on until both the time is over and there were as many kills; then, with nothing
# armed, until a scanner lives and the last upgrade has ended.
sub campaign {
    my $c = prepare(@_);
    make_tallies($c->{scan}, start => 0, kill => $c->{points});
    start_scanner($c);
    wait_for { reap($c); tally_pid('ever') && tally_pid('stubborn') } 'the services';
    hold_pipes($c);
    $c->{ever} = tally_pid('ever');
    my $from     = now();
    my $until    = $from + $c->{seconds};
    my $last     = $until + time_limit(60);
    my $journals = 0;
    while (now() < $until || total($c) < ($c->{kills_least} || 0)) {
        last if now() > $last || $c->{stop} && $c->{stop}->($c);
        reap($c);
        upgrade_something($c);
        if ($c->{points} && rand() < 0.6) { arm_one($c) }
        else                              { kill_one($c) }
        if (now() > $journals) { read_journals(); $journals = now() + $JOURNALS_S }
        Time::HiRes::sleep(rand() < 0.3 ? 0 : rand($c->{pause} || 0.03));
    }
    $c->{took} = now() - $from;
    $c->{map}->disarm if $c->{map};
    wait_for { reap($c); read_journals(); $c->{scanner} && !$c->{upgrade} && !is_doomed($c->{scanner}) } 'a scanner', 30;
    return $c;
}

# What was hit, as lines of text; of several campaigns, %$sum of KillMap::add_to.
sub kill_table {
    my ($sum) = @_;
    my @lines = sprintf '%-62s %9s %6s %6s %6s', 'kill point', 'passed', 'self', 'parent', 'both';
    push @lines, sprintf '%-62s %9d %6d %6d %6d', $_, map { $_ || 0 } @{ $sum->{$_} }[0 .. 3] for sort keys %$sum;
    return @lines;
}

1;
