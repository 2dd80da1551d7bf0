# lares-init as pid 1 of a pid namespace: the scanner and everything else may be killed, which costs
# no service its life and no end of one is unknown; what cannot be is said here too: its own death.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More;

my @unshare = ('unshare', '--pid', '--fork', '--kill-child', '--mount-proc');
my $try = eval { run([@unshare, 'true']) };
plan skip_all => 'no pid namespace: ' . ($try ? $try->{err} : $@) if !$try || $try->{exit} // 1;
my $seed = $ENV{LARES_SEED} || time ^ $$;
srand $seed;

# (unshare, init): pids seen from here.
sub begin {
    my ($scan) = @_;
    my $unshare = spawn([@unshare, bin('init'), $scan], stderr => "$scan/../said");
    my ($init) = wait_for { map { $_->{pid} } grep { $_->{command} =~ /lares-init/ && $_->{ppid} == $unshare } descendants() } 'init';
    return ($unshare, $init);
}
sub below { my ($init, $pattern) = @_; return map { $_->{pid} } grep { $_->{command} =~ $pattern } descendants($init) }
sub scanner_of { my ($init) = @_; return scalar wait_for { below($init, qr/^lares-svscan /) } 'a scanner' }
sub inside {
    my ($init, @command) = @_;
    return spawn(['nsenter', '-t', $init, '-p', '-m', '-r', @command]);
}

subtest 'everything around a service is killed' => sub {
    my $kills = $ENV{LARES_LONG} ? 1000 : 60;
    my ($scan) = new_scan();
    sleeper("$scan/ever");
    my $short = 'sleep 0.0$(($$ % 10)); case $(($$ % 3)) in 0) kill -9 $$ ;; *) exit $(($$ % 100)) ;; esac';
    make_service("$scan/short", run => $short, files => { 'restart-delays' => "0\n", 'max-history' => "100000\n" });
    my ($unshare, $init) = begin($scan);
    is((file_text("/proc/$init/status") =~ /^NSpid:\s+\d+\s+(\d+)$/m)[0], 1, 'init is pid 1');
    my ($ever) = wait_for { below($init, qr/^sleep 1000/) } 'the service';
    my ($log) = wait_for { below($init, qr/^cat /) } 'its logger';
    my %killed;
    for my $kill (1 .. $kills) {
        my $sort = (qw(svscan supervise))[rand 2];
        # Thirty kills in a row cost no delay, more do; one that lives for a second is a new start.
        select undef, undef, undef, 1.2 if $kill % 30 == 0;
        my @pids = wait_for { below($init, qr/^lares-$sort /) } $sort;
        kill9($pids[rand @pids]);
        $killed{$sort}++;
        select undef, undef, undef, rand 0.1; # the moment is what is varied
    }
    note("seed $seed: killed " . join ', ', map { "$killed{$_} $_" } sort keys %killed);
    wait_for { 3 == (() = below($init, qr/^lares-supervise -q?s /)) } 'three supervisors';
    is(join(' ', below($init, qr/^sleep 1000|^cat /)), join(' ', sort { $a <=> $b } $ever, $log), 'service and logger are the same processes');
    wait_for { below($init, qr/^lares-svscan /) } 'a scanner';
    is(scalar(my @scanners = below($init, qr/^lares-svscan /)), 1, 'one scanner');
    my $starts = read_state("$scan/short")->{starts};
    wait_for { read_state("$scan/short")->{starts} > $starts + 3 } 'the short one to go on';
    signal($init, 'TERM');
    is(wait_exit($unshare, 30)->{exit}, 0, 'TERM: exit code 0');
    no_processes_left();
    my @died = grep { $_->{event} eq 'run-died' } read_history("$scan/short");
    cmp_ok(scalar @died, '>', 20, scalar(@died) . ' lives');
    is(scalar(grep { $_->{wstat} == -1 } @died), 0, "none ended in an unknown way (seed $seed)");
    is(read_state("$scan/ever")->{starts}, 1, 'the other had one life');
};

for my $sig (qw(INT QUIT PWR)) {
    subtest "$sig" => sub {
        my ($scan) = new_scan();
        sleeper("$scan/web");
        my ($unshare, $init) = begin($scan);
        wait_for { below($init, qr/^sleep 1000/) } 'the service';
        signal($init, $sig);
        is(wait_exit($unshare)->{exit}, 0, 'stops everything');
        no_processes_left();
        like(said_text($scan), qr/everything has stopped$/m, 'in good order');
    };
}

subtest 'a scanner that is told to leave' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/web");
    my ($unshare, $init) = begin($scan);
    my ($web) = wait_for { below($init, qr/^sleep 1000/) } 'the service';
    my $scanner = scanner_of($init);
    signal($scanner, 'QUIT');
    wait_for { my ($new) = below($init, qr/^lares-svscan /); $new && $new != $scanner } 'another one';
    is(join(' ', below($init, qr/^sleep 1000/)), $web, 'pid 1 stays, and so does the service');
    my $stop = inside($init, bin('svscanctl'), 'stop', $scan);
    is(wait_exit($unshare)->{exit}, 0, 'svscanctl stop ends it all');
    wait_exit($stop);
    no_processes_left();
};

subtest 'exit code' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/web");
    write_file("$scan/.lares/finish", "#!/bin/sh\nexit 42\n", 0755);
    chmod 0700, "$scan/.lares";
    my ($unshare, $init) = begin($scan);
    wait_for { below($init, qr/^sleep 1000/) } 'the service';
    signal($init, 'TERM');
    is(wait_exit($unshare)->{exit}, 42, 'that of .lares/finish');
    no_processes_left();
};

# A container that was killed while it stopped says so for ever, in the same boot.
subtest 'begun again after a stop that was cut short' => sub {
    for my $program (qw(init svscan)) {
        my ($scan) = new_scan();
        my @stubborn = probe("$scan/../report", 'ignore', 15, 'event', 'set', 'sleep');
        make_service("$scan/web", run => \@stubborn, files => { 'timeout-kill' => "0\n" });
        my $start = sub {
            my $unshare = spawn([@unshare, bin($program), $scan], stderr => "$scan/../said");
            my ($pid) = wait_for { map { $_->{pid} } grep { $_->{command} =~ /lares-$program/ && $_->{ppid} == $unshare } descendants() } $program;
            my ($web) = wait_for { below($pid, qr/probe \S+ ignore/) } 'the service';
            return ($unshare, $pid);
        };
        my ($unshare, $pid) = $start->();
        wait_for { my ($run) = probe_runs("$scan/../report"); $run && @{ $run->{events} } } 'it to be stubborn';
        signal($pid, 'TERM');
        wait_for { -l "$scan/.lares/stopping" } 'the stop begun';
        kill9($pid);
        wait_exit($unshare);
        wait_for { !descendants() } 'all gone';
        ($unshare, $pid) = $start->();
        ok(!-l "$scan/.lares/stopping", "$program: everything is up again") ;
        kill9($pid);
        wait_exit($unshare);
        no_processes_left();
    }
};

# The kernel kills what is below it. The next one takes no stranger for what was.
subtest 'the end of pid 1' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/web");
    my ($unshare, $init) = begin($scan);
    my ($web) = wait_for { below($init, qr/^sleep 1000/) } 'the service';
    wait_exit(inside($init, 'sh', '-c', "kill -$_ 1"), 10) for qw(KILL SEGV ABRT STOP);
    ok(alive($init) && alive($web), 'is not to be had from inside');
    kill9($init);
    wait_exit($unshare);
    wait_for { !alive($web) } 'everything gone with it';
    ($unshare, $init) = begin($scan);
    ok((wait_for { below($init, qr/^sleep 1000/) } 'the service'), 'all is started anew');
    signal($init, 'TERM');
    is(wait_exit($unshare)->{exit}, 0, 'stop');
    no_processes_left();
};

done_testing;
