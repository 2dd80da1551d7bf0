# The scanner as pid 1 of a pid namespace, upgraded again and again with its tree, while its
# services write, die and are started again, and supervisors and loggers are killed: were it to end
# once, everything would be killed by the kernel. Services keep their pids, logs their lines, and
# how each life ended is known. 25 upgrades in `make check`, 1000 in check-long.
use FindBin;
use lib "$FindBin::Bin/../lib";
BEGIN { $ENV{LARES_LIMIT} ||= 3000 if $ENV{LARES_LONG} }
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More;

my @unshare = ('unshare', '--pid', '--fork', '--kill-child', '--mount-proc');
my $try = eval { run([@unshare, 'true']) };
plan skip_all => 'no pid namespace: ' . ($try ? $try->{err} : $@) if !$try || $try->{exit} // 1;
my $upgrades = $ENV{LARES_UPGRADES} || ($ENV{LARES_LONG} ? 1000 : 25);
my $seed     = $ENV{LARES_SEED} || time ^ $$;
srand $seed;

# Counts its lines for ever; the last one that it wrote stands in `last` when it is told to stop.
my $counter = <<'END';
#!/usr/bin/perl
$| = 1;
$SIG{TERM} = sub { $stop = 1 };
until ($stop) { print ++$n, "\n" for 1 .. 3; select undef, undef, undef, 0.005 }
open my $out, '>', 'last'; print $out $n; close $out;
END
# Writes one line a life, by its own count, and how it is going to end.
my $mortal = <<'END';
#!/bin/sh
trap '' TERM
read n <lives || n=0
n=$((n + 1))
echo $n >lives.new && mv lives.new lives
echo $n
case $((n % 4)) in
0) echo 9 >>ends; kill -9 $$ ;;
*) echo $((n % 100 * 256)) >>ends; exit $((n % 100)) ;;
esac
END
# Each kill of a logger ends a file; none is to be dropped.
my @logger = (bin('log'), 's1000000', 'n10000', './main');
my %fast   = ('restart-delays' => "0 5\n", 'log/restart-delays' => "0\n", 'max-history' => "1000000\n");
my @ever   = qw(a b c);
my ($scan) = new_scan();
make_service("$scan/$_", run => $counter, log => \@logger, files => {%fast}) for @ever;
make_service("$scan/mortal", run => $mortal, log => \@logger, files => {%fast});
my @dirs = map {
    my $dir = tmp("bin$_");
    write_file("$dir/lares-$_", file_text(bin($_)), 0755) for qw(svscan supervise log);
    $dir;
} 1 .. 2;

# What cannot be run, each in its own way, the one or the other program.
my %broken;
for my $program (qw(svscan supervise)) {
    my $whole = file_text(bin($program));
    my %ways  = (
        truncated => sub { write_file($_[0], substr($whole, 0, 9000), 0755) },
        missing   => sub { },
        mode      => sub { write_file($_[0], $whole, 0644) },
        foreign   => sub { write_file($_[0], "no program\n", 0755) },
        refusing  => sub { write_file($_[0], "#!/bin/sh\nexit 3\n", 0755) },
    );
    for my $way (sort keys %ways) {
        my $dir = tmp("broken.$program.$way");
        write_file("$dir/lares-$_", file_text(bin($_)), 0755) for grep { $_ ne $program } qw(svscan supervise log);
        $ways{$way}->("$dir/lares-$program");
        $broken{"$program $way"} = $dir;
    }
}

my $unshare = spawn([@unshare, bin('svscan'), $scan], stderr => "$scan/../said");
my ($scanner) = wait_for { map { $_->{pid} } grep { $_->{command} =~ /lares-svscan/ && $_->{ppid} == $unshare } descendants() }
    'the scanner';
is((file_text("/proc/$scanner/status") =~ /^NSpid:\s+\d+\s+(\d+)$/m)[0], 1, 'the scanner is pid 1');

# What runs below the scanner, from the kernel's lists of children: [pid, command].
sub below {
    my ($pid) = @_;
    return map { my $p = $_; ([ $p, (file_text("/proc/$p/cmdline") // '') =~ tr/\0/ /r ], below($p)) }
        split ' ', file_text("/proc/$pid/task/$pid/children") // '';
}
sub counters { return join "\n", sort map { "@$_" } grep { $_->[1] =~ m{^\S*perl \S*run} } below($scanner) }
# The scanner's own children: a supervisor's that has not become its program yet bears its name.
sub supervisors_of {
    return grep { (file_text("/proc/$_/cmdline") // '') =~ /^lares-supervise\0(?!-p)/ }
        split ' ', file_text("/proc/$scanner/task/$scanner/children");
}
sub loggers { return map { $_->[0] } grep { $_->[1] =~ /^\S*lares-log / } below($scanner) }
sub upgrade {
    my ($dir) = @_;
    return run(['nsenter', '-t', $scanner, '-p', '-m', '-r', bin('svscanctl'), '-b', $dir, 'upgrade', $scan], timeout => 70);
}
wait_for { @ever == (() = counters() =~ /^\d/mg) && @ever + 1 == loggers() } 'the services and their loggers';
my $before = counters();
my (%did, $wrong);
$wrong = '';
for my $round (1 .. $upgrades) {
    for (1 .. int rand 3) { # just before, and in the midst of it
        my $sort = rand() < 0.7 ? 'supervisor' : 'logger';
        my @all = $sort eq 'logger' ? loggers() : supervisors_of();
        kill 'KILL', $all[rand @all] if @all;
        $did{"${sort}s killed"}++;
    }
    if ($round % 5 == 0) {
        my $how = (sort keys %broken)[rand keys %broken];
        my $r   = upgrade($broken{$how});
        $did{refused}++;
        # svscanctl itself sees what is missing or not executable: 100.
        $wrong .= "$round: $how: $r->{exit} $r->{err}" if $r->{exit} != ($how =~ /missing|mode/ ? 100 : 1);
        next;
    }
    my $dir = $dirs[ $round % 2 ];
    my $r   = upgrade($dir);
    my ($runs, $there) = map { join ' ', (stat $_)[0, 1] } "/proc/$scanner/exe", "$dir/lares-svscan";
    $did{upgraded}++;
    $wrong .= "$round: $r->{exit} $r->{err}" if $r->{exit};
    $wrong .= "$round: runs another file " if !$runs || $runs ne $there;
    last if !alive($scanner) || length $wrong > 2000;
}
my $account = join ', ', map { "$did{$_} $_" } sort keys %did;
is($wrong, '', "$upgrades times: $account (seed $seed)") or diag(said_text($scan));
is(counters(), $before, 'services that do not die are the same processes');
wait_for { 2 * (@ever + 1) == supervisors_of() } 'all supervisors';
pass('each has its supervisor, once');
no_zombies();
my $stop = spawn(['nsenter', '-t', $scanner, '-p', '-m', '-r', bin('svscanctl'), 'stop', $scan]);
is(wait_exit($unshare, 30)->{exit}, 0, 'stop: exit code 0');
# Its namespace ends with the scanner: it is gone or killed.
wait_exit($stop);

# 1, 2, 3 ... to the last; what is wrong is described, not listed.
sub check_log {
    my ($name, $last) = @_;
    my @lines = map { split /\n/, file_text($_) } sort(glob "$scan/$name/log/main/@*"), "$scan/$name/log/main/current";
    my ($bad) = grep { $lines[$_] ne $_ + 1 } 0 .. $#lines;
    is(defined $bad ? "line $bad: $lines[$bad]" : scalar @lines, $last, "$name: no line of $last is lost or doubled");
}
my $lives = file_text("$scan/mortal/lives") + 0;
check_log($_, file_text("$scan/$_/last")) for @ever;
check_log('mortal', $lives);
my @history = read_history("$scan/mortal");
my @died    = map { $_->{wstat} } grep { $_->{event} eq 'run-died' } @history;
my @ends    = split /\n/, file_text("$scan/mortal/ends");
my ($odd)   = grep { ($died[$_] // 'none') ne $ends[$_] } 0 .. $#ends;
is(defined $odd ? "life $odd: $died[$odd] for $ends[$odd]" : '', '', "mortal: $lives lives, each ended once, in order, as it said");
cmp_ok(scalar @died, '<=', @ends + 1, 'and none that was none');
is(join(' ', map { $_->{sequence} } @history), join(' ', 1 .. @history), 'its journal has no gap');
no_processes_left();
no_stray_files($scan);
done_testing;
