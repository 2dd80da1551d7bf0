# A supervisor killed at one of its system calls while a need comes, goes and comes back: that of the
# service which needs the other, and that of the one which is needed. Whoever supervises it next, at
# once, goes on: the order holds, both are up in the end, and each knows of the other. Needs strace.
# A sample by the printed seed; LARES_CALLS=all for each.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;
use List::Util qw(shuffle);

plan skip_all => 'sanitizers do not work under strace' if $ENV{LARES_SANITIZE};
my ($strace) = grep { (-x) } map { "$_/strace" } split /:/, $ENV{PATH};
plan skip_all => 'strace is not installed' if !$strace;
my $try = run([$strace, '-o', '/dev/null', '-e', 'inject=getppid:signal=KILL:when=1', 'sh', '-c', 'echo $PPID; exit 0']);
plan skip_all => "strace cannot trace or inject here: $try->{err}" if $try->{err} =~ /ptrace|inject|invalid/i;

srand(my $seed = $ENV{LARES_SEED} || time);
note "seed $seed (LARES_SEED)";
# strace counts each system call by itself. What comes before these is any supervisor's beginning.
my %most = (
    app => { symlinkat => 4, unlinkat => 5, mkdirat => 1, write => 5, epoll_wait => 14, read => 18, ppoll => 20, renameat => 1,
        openat => [ 16, 110 ], close => [ 12, 110 ], pread64 => [ 6, 50 ], pwrite64 => [ 6, 50 ], getdents64 => [ 5, 40 ], newfstatat => [ 16, 50 ] },
    db => { readlink => [ 2, 8 ], ppoll => 16, write => 14, read => [ 3, 12 ], unlink => 2, kill => 4, pidfd_send_signal => 4,
        openat => [ 12, 70 ], close => [ 8, 70 ], pread64 => [ 6, 14 ], pwrite64 => [ 6, 50 ], getdents64 => [ 5, 40 ] });
my %all;
for my $victim (keys %most) {
    for my $call (sort keys %{ $most{$victim} }) {
        my ($from, $to) = ref $most{$victim}{$call} ? @{ $most{$victim}{$call} } : (1, $most{$victim}{$call});
        push @{ $all{$victim} }, map { [ $call, $_ ] } $from .. $to;
    }
}
my $needy = (probe('x'))[0] =~ s{probe$}{needy}r;
my $round = 0;

sub links { my ($dir) = @_; return join ' ', sort map { s{.*/}{}r } glob "$dir/*" }

sub records_of {
    my ($file) = @_;
    my (%by_pid, @lives);
    for (split /\n/, file_text($file) // '') {
        my ($word, $pid, $ns) = split / /;
        push @lives, $by_pid{$pid} = {} if $word eq 'start';
        $by_pid{$pid}{$word} = $ns;
    }
    return @lives;
}

# A letter that was read by one who died of it is lost: said again when nothing comes of it.
sub tell_db {
    my ($scan, $letter, $heard) = @_;
    for (1 .. 20) {
        wait_for { control("$scan/db", $letter) } 'db supervised';
        return if eval { wait_for { my $s = read_state("$scan/db"); $s && $heard->($s) } "db to hear $letter", 1 };
    }
    die "db does not hear $letter\n";
}

# The one is killed at this call, and another one is there at once; undef when it has not come so far.
sub one_round {
    my ($victim, $call, $when) = @_;
    my $scan = tmp('scan' . ++$round);
    my %file = map { $_ => "$scan.$_" } qw(app db);
    for my $name (qw(app db)) {
        make_service("$scan/$name", run => [ $needy, $file{$name}, 1, 0, 10, 0 ],
            files => { 'notification-fd' => "3\n", $name eq 'app' ? ('needs/db' => '') : () });
    }
    my $killed = tmp("killed$round");
    my %pid = map {
        my $plain = bin('supervise') . " -n $scan $scan/$_";
        my $first = "$strace -o /dev/null -e inject=$call:signal=KILL:when=$when $plain; c=\$?; [ \$c -gt 128 ] || exit \$c; echo >$killed; ";
        ($_ => spawn(['sh', '-c', ($_ eq $victim ? $first : '') . "exec $plain"], stderr => "$scan.$_.said"))
    } qw(app db);
    my $problem = '';
    my $both_up = sub {
        my ($when) = @_;
        return 1 if eval {
            wait_for { 2 == grep { state_is("$scan/$_", state => 'up', ready => 1) && control("$scan/$_", '') } qw(app db) } 'both up';
        };
        $problem .= "$when: not both up\n";
        return 0;
    };
    $both_up->('in the beginning');
    for my $time (1, 2) {
        tell_db($scan, 'd', sub { $_[0]{want} eq 'down' });
        wait_for { state_is("$scan/db", state => 'down') } 'db down';
        tell_db($scan, 'u', sub { $_[0]{want} eq 'up' });
        last if !$both_up->("after time $time");
    }
    my @app = records_of($file{app});
    for my $db (grep { $_->{told} } records_of($file{db})) {
        $problem .= "db was told to end while app lived\n" if grep { $_->{start} < $db->{told} && ($_->{end} // 9e18) > $db->{told} } @app;
        $problem .= "db was told, and cut off\n" if !$db->{end};
    }
    $problem .= "app was cut off\n" if grep { !$_->{end} } @app[0 .. $#app - 1];
    $problem .= 'app needs ' . links("$scan/app/supervise/needs") . "\n" if links("$scan/app/supervise/needs") ne 'db';
    $problem .= 'db is needed by ' . links("$scan/db/supervise/dependents") . "\n" if links("$scan/db/supervise/dependents") ne 'app';
    # One that was killed when all had been written down is begun anew; the scanner would not do that.
    for my $name (qw(app db)) {
        wait_for { control("$scan/$name", 'x'); select undef, undef, undef, 0.05; !alive($pid{$name}) } "$name to leave";
    }
    for my $name (qw(app db)) { $problem .= "$name: exit $_\n" for grep { $_ } wait_exit($pid{$name})->{exit} // 'by a signal' }
    $problem .= 'registered: ' . links("$scan/db/supervise/dependents") . "\n" if links("$scan/db/supervise/dependents");
    $problem .= 'noted: ' . links("$scan/app/supervise/needs") . "\n" if links("$scan/app/supervise/needs");
    diag("$victim killed at $call number $when: $problem" . (file_text("$scan.app.said") // '') . (file_text("$scan.db.said") // '')) if $problem;
    return (-e $killed ? 1 : 0, $problem);
}

for my $victim (qw(app db)) {
    my @calls = shuffle(@{ $all{$victim} });
    splice @calls, 6 if ($ENV{LARES_CALLS} || '') ne 'all';
    my ($killed, $bad) = (0, 0);
    for my $call (@calls) {
        my ($was, $problem) = one_round($victim, @$call);
        $killed += $was;
        $bad++ if $problem;
    }
    cmp_ok($killed, '>', @calls / 3, "the supervisor of $victim was killed at $killed of " . @calls . ' calls');
    is($bad, 0, '... and nobody noticed');
}
no_processes_left();
done_testing();
