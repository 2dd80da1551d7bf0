# SIGKILL for the scanner and for supervisors, at random, several at once: no service is
# restarted, none runs twice, all are supervised in the end, deaths meanwhile are counted.
# LARES_SEED repeats a run, LARES_KILLS says how many kills (LARES_LONG: 1500).
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Test::More;
use Time::HiRes ();

my $seed = $ENV{LARES_SEED} || time ^ $$;
my $kills = $ENV{LARES_KILLS} || ($ENV{LARES_LONG} ? 1500 : 120);
diag("seed $seed, $kills kills");
srand $seed;

my @steady = qw(s1 s2 s3);
my @mortal = qw(m1 m2);
my ($scan, $def) = new_scan();
my %report = map { $_ => "$scan/../report-$_" } @steady, @mortal;
for my $name (@steady, @mortal) {
    sleeper("$def/$name", run => 'exec ' . join(' ', probe($report{$name}, 'sleep')),
        files => { 'restart-delays' => "0 20\n" });
    symlink "../def/$name", "$scan/$name";
}

# The processes of the probe that wrote this report and are alive. (By their command line: pids
# come round.)
sub living {
    my ($name) = @_;
    return grep { my $p = process_info($_); $p && $p->{state} ne 'Z' && $p->{command} =~ m{/report-$name } }
        map { $_->{pid} } probe_runs($report{$name});
}

my $scanner = scanner($scan);
my %first   = map { $_ => up("$scan/$_") } @steady, @mortal;
my %logger  = map { $_ => up("$scan/$_/log") } @steady, @mortal;
my ($twice, $deaths) = (0, 0);
for my $round (1 .. $kills) {
    my $what = int rand 10;
    if ($what < 3) {
        kill9($scanner);
        wait_exit($scanner);
        Time::HiRes::sleep(rand 0.01) if rand() < 0.5;
        $scanner = scanner($scan, { quiet => 1 });
    }
    elsif ($what < 9) {
        my @pids = values %{ supervisors() };
        my $many = rand() < 0.2 ? 3 : 1;
        for (1 .. $many) {
            my $pid = splice @pids, rand @pids, 1 if @pids;
            kill 'KILL', $pid if $pid && process_info($pid);
        }
    }
    else {
        my ($pid) = living($mortal[rand @mortal]);
        $deaths += kill 'KILL', $pid if $pid;
    }
    Time::HiRes::sleep(rand 0.03);
    for my $name (@steady, @mortal) {
        my @living = living($name);
        if (@living > 1) { $twice++; diag("round $round: $name runs as @living") }
    }
}
# Once a second supervisors that died early are tried again.
wait_for {
    my $now = supervisors();
    !grep { !$now->{$_} || !$now->{"$_/log"} || run([bin('svok'), "$scan/$_"])->{exit} } @steady, @mortal;
} 'everything supervised again', 40;
for my $name (@steady) {
    is(service_pid("$scan/$name"), $first{$name}, "$name: the same process all the time");
    is(scalar(my @runs = probe_runs($report{$name})), 1, "$name: started once");
    is(service_pid("$scan/$name/log"), $logger{$name}, "$name/log: the same process");
}
is($twice, 0, 'nothing ever ran twice');
my $runs = 0;
for my $name (@mortal) {
    wait_for { service_pid("$scan/$name") } "$name up";
    wait_for { my @living = living($name); @living == 1 } "$name alone";
    $runs += my @runs = probe_runs($report{$name});
}
is($runs, @mortal + $deaths, "each of $deaths deaths led to one start");
no_zombies();
is(stop_scanner($scanner), 0, 'stopped');
no_processes_left();
no_stray_files($scan, 'no stray file');
is(recorded($scan), '', 'nothing on record');
done_testing();
