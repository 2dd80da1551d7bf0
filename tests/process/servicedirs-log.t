# Service directories with a logger of daemontools, runit or s6 under lares-svscan: lines arrive,
# survive the logger's and the service's death, and none is lost at a stop.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;

my $peers = peer_env();
my @kinds = (
    [daemontools => 'multilog', "#!/bin/sh\nexec multilog t s99999 ./main\n", qr/^\@[0-9a-f]{24} /m],
    [runit       => 'svlogd',   "#!/bin/sh\nexec svlogd -t ./main\n",         qr/^\@[0-9a-f]{24} /m],
    [s6          => 's6-log',   "#!/usr/bin/execlineb -P\ns6-log t s99999 ./main\n", qr/^\@[0-9a-f]{24} /m],
);

for my $kind (@kinds) {
    my ($package, $logger, $log_run, $stamp) = @$kind;
    SKIP: {
        my ($root, $why) = unpacked_peer($package);
        skip $why, 1 if !$root;
        skip 'no execlineb in /usr/bin', 1 if $log_run =~ /execlineb/ && !-x '/usr/bin/execlineb';
        my $scan = tmp("scan-$package");
        my $dir = make_service("$scan/web", run => <<'END', log => $log_run, files => { 'restart-delays' => "0\n", 'log/restart-delays' => "0\n", 'log/main' => { dir => 0755 } });
#!/bin/sh
exec 2>&1
n=$(cat next 2>/dev/null || echo 1)
end=$((n + 200))
while [ $n -lt $end ]; do echo "line $n"; n=$((n + 1)); done
echo $n >next
echo "error text" >&2
exec sleep 1000
END
        my $pid = spawn([bin('svscan'), $scan], env => $peers, stderr => tmp("$package.err"));
        my $logged = sub { join '', map { file_text($_) // '' } sort(glob "$dir/log/main/@*"), "$dir/log/main/current" };
        wait_for { -e "$dir/log/main/current" && $logged->() =~ /line 200\n.*error text/s } 'the first lines';
        like($logged->(), $stamp, "$logger: lines arrive, with its stamp");
        my $service = wait_state($dir, state => 'up');
        my $log = wait_state("$dir/log", state => 'up');
        is("$service->{has_log} $log->{is_log}", '1 1', 'service and logger know each other');
        kill9($service->{pid});
        wait_for { $logged->() =~ /line 400\n.*error text/s } 'the lines of the second run';
        kill9($log->{pid}) if $logger ne 'multilog';
        signal($log->{pid}, 'TERM') if $logger eq 'multilog';
        my $next = wait_state("$dir/log", state => 'up', deaths => 1);
        is(read_state($dir)->{pid}, wait_state($dir, state => 'up', starts => 2)->{pid}, 'the service does not mind its logger\'s death');
        kill9(read_state($dir)->{pid});
        wait_for { $logged->() =~ /line 600\n.*error text/s } 'the lines of the third run';
        pass('and a new logger takes the lines');
        kill9(read_state($dir)->{pid});
        wait_state($dir, state => 'up', starts => 4);
        wait_for { (file_text("$dir/next") || '') =~ /801/ } 'the fourth run';
        signal($pid, 'TERM');
        is(wait_exit($pid)->{exit}, 0, 'the scanner stops');
        my @lines = $logged->() =~ /line (\d+)$/mg;
        is_deeply(\@lines, [1 .. 800], 'no line is lost or doubled, what was written just before the stop included')
            or diag scalar @lines;
        unlike(file_text(tmp("$package.err")), qr/error/, 'nothing went wrong') or diag file_text(tmp("$package.err"));
        no_processes_left();
    }
}
no_zombies();
done_testing;
