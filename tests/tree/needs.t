# A tree of 200 services with random acyclic needs, some of which crash, flap or fail for good, under
# the commands of eight clients at once, while supervisors are killed and entries come and go. From
# the services' own records and their journals: nothing starts before what it needs was ready, nothing
# that goes on purpose is told to before all that need it have ended; every wait is answered, and in
# the end all is where it should be. Then everything is stopped, in reverse order, nobody killed.
# LARES_SEED repeats the tree and the commands (not their timing); LARES_LONG takes 20 times as many.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Chaos 'chaos_seed';
use Lares::Scan;
use Lares::State;
use Test::More;

my $seed  = chaos_seed();
my $count = 200;
my $each  = $ENV{LARES_LONG} ? 500 : 25;   # commands of a client
my $kills = $ENV{LARES_LONG} ? 150 : 15;
my $late  = 1;                              # seconds from looking at a need to the own first instruction
diag("seed $seed");
alarm time_limit(1800) if $ENV{LARES_LONG};

my ($scan, $def) = new_scan();
my $records = "$scan/../records";
my (%needs, %after, %kind, @names, @answers);

# --- the tree ---------------------------------------------------------------------------------

sub some { my ($most, @of) = @_; my %chosen = map { $of[rand @of] => 1 } 1 .. int rand 1 + $most; return sort keys %chosen }

mkdir $records;
for my $i (0 .. $count - 1) {
    my $name = sprintf 's%03d', $i;
    my $dice = rand;
    $kind{$name} = $i > 100 && $dice < 0.06 ? 'fails' : $dice < 0.15 ? 'crashes' : $dice < 0.20 ? 'flaps' : 'steady';
    my @below = @names > 40 ? @names[-40 .. -1] : @names;
    my $flapping = 0; # together they would hardly ever be there at once
    $needs{$name} = [ grep { $kind{$_} ne 'flaps' || !$flapping++ } $i < 20 ? () : some(4, @below) ];
    $after{$name} = [ $i < 20 ? () : some(1, @names) ];
    my ($ready, $life, $code) = (int rand 15, 0, 1);
    ($life, $ready) = (600 + int rand 2000, $ready)     if $kind{$name} eq 'crashes';
    ($life, $ready) = (200 + int rand 200, int rand 10) if $kind{$name} eq 'flaps';
    $life = 5 if $kind{$name} eq 'fails';
    $ready = 50 if $kind{$name} eq 'fails';
    make_service("$scan/$name",
        run => [ (probe('x'))[0] =~ s{probe$}{needy}r, "$records/$name", $ready, $life, int rand 20, $code ],
        files => { 'notification-fd' => "3\n", 'restart-delays' => "0 20\n", 'max-history' => "100000\n",
            ($kind{$name} eq 'fails' ? (restart => "never\n") : ()),
            map({ ("needs/$_" => '') } @{ $needs{$name} }), map({ ("after/$_" => '') } @{ $after{$name} }) });
    push @names, $name;
}
my %doomed; # cannot start: something below has failed for good
for my $name (@names) { $doomed{$name} = grep { $doomed{$_} || $kind{$_} eq 'fails' } @{ $needs{$name} } }
note(join ', ', map { my $k = $_; "$k: " . grep { $kind{$_} eq $k } @names } qw(steady crashes flaps fails));
note('waiting for good: ' . grep { $doomed{$_} } @names);

# --- what has been recorded -------------------------------------------------------------------

# Lives of a service by its own record, oldest first: { start, ready, told, end } in seconds.
sub lives_of {
    my ($name) = @_;
    my (%by_pid, @lives);
    for (split /\n/, file_text("$records/$name") // '') {
        my ($word, $pid, $ns) = split / /;
        if ($word eq 'start') { push @lives, $by_pid{$pid} = {} }
        $by_pid{$pid}{$word} = $ns / 1e9;
    }
    # Who was killed could not write that down: then its death in the journal is what there is. (A
    # death may be written down after the next start: they are counted off in order.)
    my @died = grep { $_->{event} eq 'run-died' } read_history("$scan/$name");
    for my $life (@lives) {
        shift @died while @died && $died[0]{at} < ($life->{end} // $life->{start});
        my $death = shift @died;
        next if $life->{end};
        $life->{end} = $death->{at} if $death;
        $life->{cut} = 1;
    }
    return \@lives;
}

# Who sends TERM or KILL itself does not wait for anybody.
sub was_signalled {
    my ($name, $moment) = @_;
    for (grep { / -[tk] \Q$name\E$/ } @answers) {
        my (undef, $from, $seconds) = split;
        return 1 if $moment > $from && $moment < $from + $seconds + time_limit(1);
    }
    return 0;
}

# When the stop of a life on purpose was on record, of one that was not stopping already.
sub purposes {
    my ($name) = @_;
    my ($before, @found) = { state => 'down' };
    for my $r (read_history("$scan/$name")) {
        push @found, $r->{at} if $r->{state} eq 'stopping' && $r->{stop} == 1 && $before->{state} =~ /^(?:up|starting)$/;
        $before = $r;
    }
    return @found;
}

# What there is of a service around a moment, for who has to find out.
sub around {
    my ($name, $moment) = @_;
    my $all = (grep { $_->{start} <= $moment } @{ lives_of($name) })[-1] || {};
    my @lines = map { my $l = $_; sprintf "  %s life: %s\n", $name, join ' ', map { sprintf "$_ %.6f", $l->{$_} } grep { $l->{$_} } qw(start ready told end cut) }
        grep { abs($_->{start} - $moment) < 5 || abs(($_->{end} // 0) - $moment) < 5 || $_->{start} == ($all->{start} // 0) } @{ lives_of($name) };
    push @lines, map { sprintf "  %s %d %.6f %s -> %s want %s pid %d stop %d %s %s\n", $name, @$_{qw(sequence at event state want pid stop reason detail)} }
        grep { $_->{at} > $moment - 3 && $_->{at} < $moment + 0.3 } read_history("$scan/$name");
    push @lines, map { "  $_\n" } grep { / \Q$name\E$/ && abs((split)[1] - $moment) < 5 } @answers;
    return "$kind{$name}, needs @{ $needs{$name} }\n" . join '', @lines;
}

my $wrong = '';
sub check_order {
    my ($when) = @_;
    my %lives = map { $_ => lives_of($_) } @names;
    my ($starts, $stops, $early, $before) = (0, 0, 0, 0);
    for my $name (@names) {
        my @at = purposes($name);
        for my $need (@{ $needs{$name} }) {
            for my $life (@{ $lives{$name} }) {
                $starts++;
                next if grep { $_->{ready} && $_->{ready} <= $life->{start} && ($_->{end} // 9e9) > $life->{start} - time_limit($late) } @{ $lives{$need} };
                $early++;
                $wrong .= sprintf "%s started at %.6f, and %s was not ready\n", $name, $life->{start}, $need if $early < 10;
                $wrong .= around($need, $life->{start}) . around($name, $life->{start}) if $early == 1;
            }
        }
        for my $life (grep { $_->{told} } @{ $lives{$name} }) {
            next if !grep { $_ >= $life->{start} - 0.001 && $_ <= $life->{told} } @at; # a signal, or a restart
            next if was_signalled($name, $life->{told});
            $stops++;
            for my $other (grep { my $o = $_; grep { $_ eq $name } @{ $needs{$o} } } @names) {
                for my $run (@{ $lives{$other} }) {
                    next if !($run->{start} < $life->{told} && ($run->{end} // 9e9) > $life->{told});
                    $before++;
                    $wrong .= sprintf "%s was told to end at %.6f, and %s lived from %.6f to %.6f%s\n", $name, $life->{told},
                        $other, $run->{start}, $run->{end} // 0, $run->{cut} ? ' (cut)' : '' if $before < 10;
                    $wrong .= around($name, $life->{told}) . around($other, $life->{told}) if $before == 1;
                }
            }
        }
    }
    is($early, 0, "$when: nothing started before what it needs was ready ($starts looked at)") or diag($wrong);
    is($before, 0, "$when: nothing was told to end before all that need it had ended ($stops looked at)") or diag($wrong);
    return ($starts, $stops);
}

sub states { return map { ($_ => (read_state("$scan/$_") || {})) } @names }

# Where each should be once nobody commands anything.
sub is_where_it_should {
    my ($name, $s) = @_;
    my $state = $s->{state} // 'none';
    return $state eq 'waiting' if $doomed{$name};
    return $state eq 'failed'  if $kind{$name} eq 'fails';
    return $state eq 'up' && $s->{ready} if $kind{$name} eq 'steady';
    return $s->{starts} && $state =~ /^(?:up|starting|backoff|waiting)$/; # it comes and goes
}

sub settle {
    my ($when) = @_;
    my @off;
    my $good = eval {
        wait_for { my %s = states(); @off = grep { !is_where_it_should($_, $s{$_}) } @names; !@off } 'everything in place', 60;
    };
    ok($good, "$when: each is where it should be");
    return if $good;
    my %shown;
    while (@off && keys %shown < 20) { # and what they need
        my $name = shift @off;
        next if $shown{$name}++;
        diag("$kind{$name} needs @{ $needs{$name} }: " . run([bin('svstat'), "$scan/$name"])->{out});
        push @off, @{ $needs{$name} };
    }
}

# --- the campaign -----------------------------------------------------------------------------

my $from    = Lares::Process::now();
my $scanner = scanner($scan);
settle('from nothing');
note(sprintf '%.2f s from nothing', Lares::Process::now() - $from);
check_order('from nothing');

my @clients = map {
    my $file = tmp("client.$_");
    { file => $file, pid => spawn(['perl', source_dir() . '/tests/lib/needs-client', $seed + $_, $each, bin('svc'), $scan, @names],
            stdout => $file, stderr => "$file.err") }
} 1 .. 8;
my (%killed, $gone, $next);
for ($next = 0; grep { alive($_->{pid}) } @clients;) {
    my $now = Lares::Process::now();
    if ($now > $next && keys %killed < $kills) {
        my $name = $names[rand @names];
        my $pid  = $killed{$name} ? undef : supervisor($name);
        if ($pid) { signal($pid, 'KILL'); $killed{$name} = 1 }
        $next = $now + rand 0.3;
    }
    if (!$gone && rand() < 0.02) {
        $gone = [ $names[rand @names], $now ];
        rename "$scan/$gone->[0]", "$scan/.$gone->[0]" or die "rename: $!\n";
    }
    elsif ($gone && $now > $gone->[1] + 0.3) {
        rename "$scan/.$gone->[0]", "$scan/$gone->[0]" or die "rename: $!\n";
        $gone = undef;
    }
    select undef, undef, undef, 0.02;
}
rename "$scan/.$gone->[0]", "$scan/$gone->[0]" if $gone;
my (%codes, @odd);
for my $client (@clients) {
    is(wait_exit($client->{pid})->{exit}, 0, 'a client has ended') or diag(file_text("$client->{file}.err"));
    for (split /\n/, file_text($client->{file})) {
        my ($code, undef, $seconds, $words) = split / /, $_, 4;
        push @answers, $_;
        $codes{$code}++;
        push @odd, $_ if $code !~ /^(?:0|1|99|102)$/ || $seconds > time_limit(8);
    }
}
my $commands = 0;
$commands += $_ for values %codes;
is($commands, 8 * $each, 'every command was answered');
is("@odd", '', '... in time, and by done, not so, time over, or (of one taken away or being replaced) not supervised');
note('exit codes: ' . join(', ', map { "$_: $codes{$_}" } sort keys %codes) . '; supervisors killed: ' . keys %killed);

# Each is told to be up, as long as some are not.
for my $name (@names) {
    wait_for { control("$scan/$name", 'u') } "$name supervised";
}
settle('after all that');
check_order('after all that');

# --- the end ----------------------------------------------------------------------------------

my %before = states();
my %up = map { $_ => $before{$_}{pid} } grep { $before{$_}{state} eq 'up' && $kind{$_} eq 'steady' } @names;
$from = Lares::Process::now();
is(stop_scanner($scanner), 0, 'the scanner stops everything');
note(sprintf '%.2f s to stop', Lares::Process::now() - $from);
no_processes_left();
check_order('the stop');
my (@unsaid, $last);
for my $name (keys %up) {
    my ($life) = grep { $_->{told} && $_->{end} && !$_->{cut} } (lives_of($name))->[-1];
    push @unsaid, $name if !$life;
}
is("@unsaid", '', 'nobody was killed: each that was up was told to end, and ended');
my @said = grep { !/ info / && !/ waiting: / && !/killed by signal 9; starting another at once/ } split /\n/, said_text($scan);
is(join("\n", @said[0 .. ($#said < 9 ? $#said : 9)]), '', 'and there was nothing to complain of');
done_testing();
