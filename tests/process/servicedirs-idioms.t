# Service directories in the idioms of Void Linux, s6-overlay and djbdns start, log and stop under
# lares-svscan, driven by the tools they were written for. (What belongs to those systems alone is
# replaced: agetty and dnscache by small programs, s6-setuidgid by ours, with-contenv by nothing.)
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More;

plan skip_all => 'not root: every one of them becomes another user' if $>;
my ($nobody, $nogroup) = (getpwnam 'nobody')[2, 3];
my $group = getgrgid $nogroup;
my $peers = peer_env();
my %env = (%$peers, PATH => build_dir() . "/bin:$peers->{PATH}");

# Lines of a log directory, the stamp before each taken off.
sub lines {
    my ($dir) = @_;
    return map { s/^\d{4}-\d\d-\d\d \S+  //r =~ s/^[\d\@]\S+ //r } split /\n/, join '', map { file_text($_) // '' } sort(glob "$dir/@*"), "$dir/current";
}
sub owner { my ($pid) = @_; return (stat "/proc/$pid")[4] // 'none' }

subtest 'Void Linux' => sub {
    my ($root, $why) = unpacked_peer('runit');
    plan skip_all => $why if !$root;
    my ($scan, $sv) = new_scan();
    # /etc/sv/NAME, linked into /var/service; supervise/ below /run, as everything there is read-only.
    my $run = tmp('run.runit');
    mkdir $run;
    my %links = (supervise => { link => "$run/supervise.NAME" }, 'log/supervise' => { link => "$run/supervise.NAME-log" });
    my $links = sub { my ($name) = @_; return map { ($_ => { link => $links{$_}{link} =~ s/NAME/$name/r }) } keys %links };
    my $log = "#!/bin/sh\n[ -d main ] || install -d -o nobody main\nexec chpst -u nobody svlogd -tt ./main\n";
    make_service("$sv/dbus", files => { $links->('dbus'), 'log/run' => $log, conf => "OPTS='--nofork slow'\n",
        check => "#!/bin/sh\nexec test -e \"$run/bus\"\n",
        run => <<"END", finish => "#!/bin/sh\nrm -f \"$run/bus\"\necho \"dbus ended \$1 \$2\"\n" });
#!/bin/sh
exec 2>&1
rm -f "$run/bus"
[ -r ./conf ] && . ./conf
install -d -m 0755 -o nobody -g $group "$run/dbus"
echo "dbus begins \${OPTS:---nofork}" >&2
(sleep 0.4; echo 'dbus is there'; >"$run/bus") &
exec chpst -u nobody:$group -o 64 -P sleep 1000
END
    make_service("$sv/web", files => { $links->('web'), 'log/run' => $log, run => <<"END" });
#!/bin/sh
sv check dbus >/dev/null || exit 1
exec 2>&1
[ -e "$run/bus" ] || echo 'web is too early'
echo web begins
exec chpst -b webd -u nobody sleep 1000
END
    # One script for all terminals, by the name of the directory.
    make_service("$sv/agetty-generic", files => { run => "#!/bin/sh\ntty=\${PWD##*-}\n[ -r conf ] && . ./conf\nexec chpst -P sh -c \"echo \$tty \$GETTY_ARGS >>$run/ttys; exec sleep 1000\"\n" });
    make_service("$sv/agetty-tty1", files => { run => { link => '../agetty-generic/run' }, conf => "GETTY_ARGS=--noclear\n", supervise => { link => "$run/supervise.agetty-tty1" } });
    symlink "$sv/$_", "$scan/$_" for qw(dbus agetty-tty1);
    my $scanner = scanner($scan, { env => { %env, SVDIR => $scan } });
    my $sv_tool = sub { my @words = @_; return run(["$root/usr/bin/sv", @words], env => { %env, SVDIR => $scan }, timeout => 30) };
    # (sv check calls a service that has not begun to start there.)
    my $dbus = wait_for { my $p = service_pid("$scan/dbus"); $p && process_info($p)->{name} eq 'sleep' && $p } 'dbus';
    symlink "$sv/web", "$scan/web";
    my ($web) = wait_for { my $p = service_pid("$scan/web"); $p && process_info($p)->{name} eq 'sleep' && $p } 'web';
    wait_for { grep { $_ eq 'web begins' } lines("$scan/web/log/main") } 'its log';
    is(scalar(grep { /too early/ } lines("$scan/web/log/main")), 0, 'web begins when sv check says that dbus is there');
    is(owner($dbus) . ' ' . owner($web), "$nobody $nobody", 'chpst -u');
    ok(-d "$run/supervise.dbus" && -d "$run/supervise.dbus-log", 'supervise/ is where its dangling link leads');
    is(join(' | ', lines("$scan/dbus/log/main")), 'dbus begins --nofork slow | dbus is there', 'exec 2>&1: all is logged');
    wait_for { file_text("$run/ttys") } 'the terminal';
    is(file_text("$run/ttys"), "tty1 --noclear\n", 'a generic script finds its name in PWD');
    like($sv_tool->('status', 'dbus')->{out}, qr{^run: dbus: \(pid $dbus\) \d+s; run: log: \(pid \d+\) \d+s$}, 'sv status by name');
    my $r = $sv_tool->('restart', 'dbus');
    like($r->{out}, qr/^ok: run: dbus: \(pid \d+\)/, 'sv restart, which waits for check');
    # Where the supervisor is slow to take the letter the old run is there still, and sv is content with that one.
    ok((wait_for { my $p = service_pid("$scan/dbus"); $p && $p != $dbus && -e "$run/bus" } 'another dbus'), '... it was');
    $r = $sv_tool->('down', 'web', 'dbus');
    is($r->{exit}, 0, 'sv down');
    is($sv_tool->('stop', 'web', 'dbus')->{exit}, 0, 'sv stop');
    ok(!alive($web), 'both have ended');
    wait_for { 2 <= scalar(grep { /dbus ended/ } lines("$scan/dbus/log/main")) } 'finish, twice';
    like(join('|', lines("$scan/dbus/log/main")), qr/dbus ended \S+ \d+\|dbus begins .*dbus ended/, 'finish, in the log, twice');
    unlink "$scan/dbus";
    wait_for { !supervisor('dbus') && !supervisor('dbus/log') } 'unlinked: gone';
    is(stop_scanner($scanner), 0, 'stopped');
    is(said($scan, qr/warning|error/), 0, 'nothing was complained of') or diag said_text($scan);
    no_processes_left();
};

subtest 's6-overlay' => sub {
    my ($execlineb) = grep { (-x) } map { "$_/execlineb" } split /:/, "$ENV{PATH}:/usr/bin";
    plan skip_all => 'no execlineb on this system' if !$execlineb;
    my ($root, $why) = unpacked_peer('s6');
    plan skip_all => $why if !$root;
    my ($scan, $services) = new_scan();
    # Of services.d, with its logger; a failure ends the container.
    my $failure = "#!$execlineb -S1\nif { test \${1} -ne 0 }\nif { test \${1} -ne 256 }\nlares-svscanctl -t $scan\n";
    make_service("$services/app", files => {
        run => <<"END",
#!$execlineb -P
lares-envdir env
lares-setuidgid nobody
fdmove -c 2 1
importas -u GREETING GREETING
foreground { echo \${GREETING} }
foreground { fdmove 1 2 echo on standard error }
fdclose 0
redirfd -r 0 /dev/null
sleep 1000
END
        finish => $failure, 'env/GREETING' => "hello\n", 'timeout-finish' => "5000\n", 'down-signal' => "TERM\n",
        'log/run' => "#!$execlineb -P\nforeground { install -d -o nobody main }\nlares-setuidgid nobody\ns6-log n20 s1000000 T ./main\n" });
    # Of s6-rc.d: files that are for s6-rc do not disturb.
    make_service("$services/ready", files => { type => "longrun\n", 'notification-fd' => "3\n", 'dependencies.d/base' => '', 'producer-for' => "ready-log\n", 'contents.d/x' => '',
        'timeout-up' => "3000\n", 'data/check' => "#!/bin/sh\ntrue\n",
        run => "#!$execlineb -P\nfdmove -c 2 1\nforeground { fdmove 1 3 echo }\nfdclose 3\nlares-setuidgid nobody sleep 1000\n" });
    make_service("$services/fails", files => { down => '', finish => $failure, run => "#!$execlineb -P\nforeground { sleep 0.1 }\nexit 3\n" });
    symlink "$services/$_", "$scan/$_" for qw(app ready fails);
    my $scanner = scanner($scan, { env => \%env });
    my ($app) = both_up("$scan/app");
    wait_for { my @l = lines("$scan/app/log/main"); @l >= 2 } 'its log';
    is(join('|', lines("$scan/app/log/main")), 'hello|on standard error', 'both outputs are logged');
    wait_for { process_info($app)->{name} eq 'sleep' } 'the program';
    is(owner($app), $nobody, 'lares-setuidgid in the place of s6-setuidgid');
    wait_state("$scan/ready", state => 'up', ready => 1);
    pass('notification-fd');
    # Told to end, it goes by its signal: that is no failure.
    is(run([bin('svc'), '-wD', '-T', '10000', '-d', "$scan/app"])->{exit}, 0, 'stopped');
    ok(alive($scanner), 'an end by a signal stops nothing else');
    is(run([bin('svc'), '-u', "$scan/app"])->{exit}, 0, 'started again');
    up("$scan/app");
    my $began = time;
    is(run([bin('svc'), '-o', "$scan/fails"])->{exit}, 0, 'one that fails');
    is(wait_exit($scanner)->{exit}, 0, 'its finish stops everything');
    cmp_ok(time - $began, '<', 5, '... at once');
    is(scalar(grep { $_ eq 'hello' } lines("$scan/app/log/main")), 2, 'no line was lost');
    is(said($scan, qr/warning|error/), 0, 'nothing was complained of') or diag said_text($scan);
    no_processes_left();
};

subtest 'djbdns' => sub {
    my ($root, $why) = unpacked_peer('daemontools');
    plan skip_all => $why if !$root;
    my ($scan, $etc) = new_scan();
    # Takes its user, limits and root from the environment and its seed from standard input.
    my $program = write_file(tmp('dnscached'), <<'END', 0755);
#!/usr/bin/perl
use POSIX ();
my $seed = do { local $/ = \128; <STDIN> };
chdir $ENV{ROOT} or die "fatal: unable to chdir to $ENV{ROOT}: $!\n";
chroot '.' or die "fatal: unable to chroot: $!\n";
$( = $ENV{GID}; $) = "$ENV{GID} $ENV{GID}";
POSIX::setuid($ENV{UID});
$| = 1; select STDERR; $| = 1;
print STDERR "starting ", length($seed // q()), " $ENV{IP} $ENV{CACHESIZE} $>\n";
my @names = sort map { s{.*/}{}r } glob 'ip/*';
print STDERR "ip @names\n";
my $n = 0;
$SIG{TERM} = sub { print STDERR "stats $n\n"; POSIX::_exit(0) };
while (1) { print STDERR "query ", ++$n, "\n"; select undef, undef, undef, 0.01 }
END
    my %common = ('log/run' => "#!/bin/sh\nexec setuidgid nobody multilog t ./main\n", 'log/main' => { dir => 0755 }, 'log/status' => '',
        'root/ip/127.0.0.1' => '', 'root/servers/@' => "198.41.0.4\n");
    make_service("$etc/dnscache", files => { %common, seed => 'x' x 128, map({ ("env/$_->[0]" => "$_->[1]\n") }
            [ CACHESIZE => 1000000 ], [ DATALIMIT => 300000000 ], [ IP => '127.0.0.1' ], [ IPSEND => '0.0.0.0' ], [ ROOT => "$etc/dnscache/root" ]),
        'env/GONE' => '', run => <<"END" });
#!/bin/sh
exec 2>&1
exec <seed
exec envdir ./env sh -c '
  exec envuidgid nobody softlimit -o250 -d "\$DATALIMIT" $program
'
END
    make_service("$etc/tinydns", files => { %common, map({ ("env/$_->[0]" => "$_->[1]\n") } [ IP => '127.0.0.2' ], [ CACHESIZE => 0 ], [ ROOT => "$etc/tinydns/root" ]),
        run => "#!/bin/sh\nexec 2>&1\nexec envuidgid nobody envdir ./env softlimit -d300000000 $program\n" });
    chown $nobody, $nogroup, map { ("$etc/$_/log/main", "$etc/$_/log/status") } qw(dnscache tinydns);
    symlink "$etc/$_", "$scan/$_" for qw(dnscache tinydns);
    my $scanner = scanner($scan, { env => { %env, GONE => 'still' } });
    for my $name (qw(dnscache tinydns)) {
        my ($pid) = both_up("$scan/$name");
        wait_for { my @l = lines("$scan/$name/log/main"); @l > 5 } "the log of $name";
        my @lines = lines("$scan/$name/log/main");
        is($lines[0], $name eq 'dnscache' ? "starting 128 127.0.0.1 1000000 $nobody" : "starting 0 127.0.0.2 0 $nobody", "$name: environment, seed and user");
        is($lines[1], 'ip 127.0.0.1', '... in its root');
        is(owner($pid), $nobody, '... it is nobody');
    }
    {
        is(run(["$root/usr/bin/svc", '-t', "$scan/dnscache"], env => \%env)->{exit}, 0, 'svc -t');
        wait_for { scalar(grep { /^starting/ } lines("$scan/dnscache/log/main")) == 2 } 'the next one';
        like(run(["$root/usr/bin/svstat", "$scan/dnscache"], env => \%env)->{out}, qr/^\S+: up \(pid \d+\) \d+ seconds$/, 'svstat');
    }
    is(run(["$root/usr/bin/svc", '-dx', "$scan/tinydns"], env => \%env)->{exit}, 0, 'svc -dx, as it is removed by hand');
    wait_for { !supervisor('tinydns') } 'left';
    is(run(["$root/usr/bin/svc", '-dx', "$scan/tinydns/log"], env => \%env)->{exit}, 0, '... and its log');
    wait_for { !supervisor('tinydns') && !supervisor('tinydns/log') } 'both left';
    is(stop_scanner($scanner), 0, 'stopped');
    for my $name (qw(dnscache tinydns)) {
        my ($n, $runs, @wrong) = (0, 0);
        for (lines("$scan/$name/log/main")) {
            if (/^starting/) { $n = 0; $runs++ }
            elsif (/^query (\d+)$/) { push @wrong, "query $1 after $n" if $1 != $n + 1; $n = $1 }
            elsif (/^stats (\d+)$/) { push @wrong, "stats $1 after $n" if $1 != $n }
        }
        is_deeply(\@wrong, [], "$name: every line of $runs runs is in the log");
        like((lines("$scan/$name/log/main"))[-1], qr/^stats \d+$/, '... to the last');
    }
    is(said($scan, qr/warning|error/), 0, 'nothing was complained of') or diag said_text($scan);
    no_processes_left();
};
no_zombies();
done_testing;
