# Services in cgroups of their own: only where that was delegated; everything that a service has
# ever forked is ended by a stop, whoever its parent is and whatever it did to its environment.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Lares::Hostile;
use Test::More;
use POSIX ();

my ($mount) = map { (split)[1] } grep { (split)[2] eq 'cgroup2' } split /\n/, file_text('/proc/mounts');
plan skip_all => 'there is no cgroup2 file system' if !$mount;
my $own = "$mount/lares-test-$$";
mkdir $own or plan skip_all => "unable to make a cgroup in $mount: $!";
sub remove_cgroup {
    my ($dir) = @_;
    opendir my $list, $dir or return;
    for my $name (grep { !/^\./ && -d "$dir/$_" } readdir $list) { remove_cgroup("$dir/$name") }
    rmdir $dir;
}
my $owner = $$;
END {
    if ($$ == $owner && $own && -d $own) {
        local $?;
        if (open my $kill, '>', "$own/cgroup.kill") { syswrite $kill, '1' }
        eval { wait_for { remove_cgroup($own); !-d $own } 'the cgroup to be empty' };
    }
}
my @g = ('-g', $own);

sub cgroups { return map { m{([^/]+)$} } grep { -d } glob("$own/lares-*") }
sub cgroup_of {
    my ($pid) = @_;
    my ($path) = (file_text("/proc/$pid/cgroup") || '') =~ /^0::(.*)$/m;
    return $path;
}

# --- each its own ---
{
    my ($scan, $def) = new_scan();
    make_service("$def/a b", run => [ probe("$def/report", 'trap', 15, 'sleep') ], log => 'exec cat >/dev/null');
    symlink '../def/a b', "$scan/a b";
    my $scanner = scanner($scan, @g);
    my ($run, $log) = both_up("$scan/a b");
    my @found = cgroups();
    is(scalar(@found), 2, 'a service and its logger have a cgroup each');
    my ($mine) = grep { /^lares-a_b-[0-9a-f]{16}$/ } @found;
    my ($logs) = grep { /^lares-a_b:log-[0-9a-f]{16}$/ } @found;
    ok($mine && $logs, 'named after them');
    like(cgroup_of($run), qr{/\Q$mine\E$}, 'the service is in its own');
    like(cgroup_of($log), qr{/\Q$logs\E$}, 'so is the logger');
    unlike(cgroup_of($_), qr{/lares-a_b}, 'no supervisor is') for values %{ supervisors() };
    unlike(cgroup_of($scanner), qr{/lares-a_b}, 'nor the scanner');
    my ($born) = wait_for { probe_runs("$def/report") } 'the probe';
    is($born->{env}{LARES_CGROUP}, undef, 'the service is told nothing of it');
    is(join(' ', sort { $a <=> $b } keys %{ $born->{fds} }), '0 1 2', 'and gets no descriptor of ours') if $born->{fds} && %{ $born->{fds} };
    kill9($run);
    my $again = wait_for { my $p = service_pid("$scan/a b"); $p && $p != $run && $p } 'the next run';
    like(cgroup_of($again), qr{/\Q$mine\E$}, 'the next run is in the same');
    kill9(supervisor('a b'));
    wait_state("$scan/a b", adopted => 1);
    kill9($again);
    my $third = wait_for { my $p = service_pid("$scan/a b"); $p && $p != $again && $p } 'the next run';
    like(cgroup_of($third), qr{/\Q$mine\E$}, 'under another supervisor, too');
    ok(run([ bin('svscanctl'), 'upgrade', $scan ])->{exit} == 0, 'upgraded');
    kill9($third);
    my $fourth = wait_for { my $p = service_pid("$scan/a b"); $p && $p != $third && $p } 'the next run';
    like(cgroup_of($fourth), qr{/\Q$mine\E$}, 'after an upgrade, too');
    make_service("$scan/new", run => 'exec sleep 1000');
    my $new = up("$scan/new");
    like(cgroup_of($new), qr{/lares-new-}, 'and what is started by the upgraded scanner');
    leave_scan($scanner);
    is(join(' ', cgroups()), '', 'they are removed in the end');
}

# --- two of one name are two ---
{
    my @scans = map { [ new_scan() ] } 1 .. 2;
    sleeper("$_->[0]/web", log => [ 'cat' ]) for @scans;
    my @scanners = map { scanner($_->[0], @g) } @scans;
    my @pids = map { up("$_->[0]/web") } @scans;
    isnt(cgroup_of($pids[0]), cgroup_of($pids[1]), 'two services of one name do not share one');
    control("$scans[0][0]/web", 'd');
    wait_state("$scans[0][0]/web", state => 'down');
    ok(alive($pids[1]), 'a stop of one does not concern the other');
    is(stop_scanner($_), 0, 'the scanner stops') for @scanners;
    no_processes_left();
}

# --- a stop ends all of it, under its first supervisor and when it was adopted ---
my @everything = (stray => 3, deep => 5, forker => 2, hopper => 2, child => 2, bare => 2, wiped => 3);
for my $case ([ wiped => 5 ], [ @everything ], [ @everything, 'proof' ]) {
    my ($scan, $def) = new_scan();
    service("$def/web", $case);
    symlink '../def/web', "$scan/web";
    my $scanner = scanner($scan, @g);
    ready("$def/web");
    control("$scan/web", 'd');
    wait_state("$scan/web", state => 'down');
    is(left(), '', "@$case: down, and nothing is left");
    leave_scan($scanner);
    ($scan, $def, $scanner) = adopted_scan({ web => $case }, arguments => \@g);
    control("$scan/web", 'd');
    my $s = wait_state("$scan/web", state => 'down');
    is(left(), '', "adopted, @$case: down, and nothing is left");
    is($s->{unattributed}, 0, '... nothing doubtful');
    leave_scan($scanner);
}
is(join(' ', cgroups()), '', 'no cgroup is left');

# What an earlier instance left that bears no mark; another service is not hit.
{
    my ($scan, $def, $scanner) = adopted_scan({ web => [ wiped => 2 ], other => [ wiped => 1, stray => 1 ] }, arguments => \@g);
    my $before = pids_of("$def/other");
    kill9(read_state("$scan/web")->{pid});
    ready("$def/web", 2);
    # Who has said that it is there may not bear its name yet.
    ok(wait_for(sub { left('wiped') eq 'wiped wiped wiped wiped wiped' }, 'all five'),
        'crashed and started again: two of web by each, one of other');
    control("$scan/web", 'd');
    my $s = wait_state("$scan/web", state => 'down');
    is(left(), 'hostile stray wiped', 'a stop ends what earlier instances left, and nothing of another service');
    is($s->{unattributed}, 0, '... whose are not doubtful');
    is(pids_of("$def/other"), $before, '... which was not started again either');
    leave_scan($scanner);
}

# The kernel tells of the end: no timer. What it waits for is named.
{
    my ($scan, $def, $scanner) = adopted_scan({ web => [ wiped => 2 ] }, 'timeout-kill' => "0\n", arguments => \@g);
    control("$scan/web", 'd');
    my $s = wait_state("$scan/web", state => 'stopping', awaited_name => 'wiped', rest => 2);
    my ($supervisor, $call) = supervisor('web');
    wait_for { $call = file_text("/proc/$supervisor/syscall"); defined $call && $call =~ /^\d+ / } 'it to wait';
    SKIP: {
        my @args = split ' ', $call;
        skip 'not x86_64', 1 if (POSIX::uname())[4] ne 'x86_64';
        like("$args[0] $args[3]", qr/^(?:7 0xffffffff(?:ffffffff)?|271 0x0)$/, 'a stop that waits for a cgroup has no timer');
    }
    kill9($_->{pid}) for hostile_ones('wiped');
    wait_state("$scan/web", state => 'down');
    leave_scan($scanner);
}

# The down-signal comes once to each, though it is a descendant and in the cgroup.
for my $adopted (0, 1) {
    my ($scan, $def) = new_scan();
    make_service("$def/web", run => <<'END', files => { 'timeout-kill' => "200\n" });
perl -e 'use POSIX; sub note { open my $f, ">>", $_[0]; syswrite $f, "$_[0]\n"; close $f }
  if (!fork) { POSIX::setsid(); exit if fork; $SIG{TERM} = sub { note("terms") }; note("there"); sleep 1000 while 1 } wait'
exec sleep 1000
END
    symlink '../def/web', "$scan/web";
    my $scanner = scanner($scan, @g);
    up("$scan/web");
    wait_for { -s "$def/web/there" } 'the other process';
    adopt("$scan/web", 'web') if $adopted;
    control("$scan/web", 'd');
    wait_state("$scan/web", state => 'down');
    is(file_text("$def/web/terms"), "terms\n", 'the down-signal comes once to each' . ($adopted ? ', adopted' : ''));
    leave_scan($scanner);
}

# --- kill-mode ---
{
    my @kinds = (child => 1, stray => 1, bare => 1, wiped => 1);
    my ($scan, $def, $scanner) = adopted_scan({ web => \@kinds }, 'kill-mode' => "group\n", arguments => \@g);
    control("$scan/web", 'd');
    wait_state("$scan/web", state => 'down');
    is(left(), 'stray wiped', 'kill-mode group: the group and nobody else');
    control("$scan/web", 'u');
    ready("$def/web", 2);
    write_file("$def/web/kill-mode", "tree\n");
    signal(supervisor('web'), 'HUP');
    control("$scan/web", 'd');
    wait_state("$scan/web", state => 'down', starts => 2);
    is(left(), '', 'what was left is still known, and ended when it is meant');
    leave_scan($scanner);
    ($scan, $def, $scanner) = adopted_scan({ web => \@kinds }, 'kill-mode' => "process\n", arguments => \@g);
    control("$scan/web", 'd');
    wait_state("$scan/web", state => 'down');
    is(left(), 'bare child stray wiped', 'kill-mode process: nobody else');
    is(stop_scanner($scanner), 0, 'a cgroup that is in use keeps nobody from leaving');
    is(scalar(cgroups()), 1, '... and is left');
    kill9($_->{pid}) for hostile_ones();
    wait_for { !left() } 'them to go';
    no_processes_left();
    remove_cgroup("$own/$_") for cgroups();
}

# --- a cgroup of the service's own, and one that somebody has removed ---
{
    my ($scan, $def) = new_scan();
    make_service("$def/web", run => <<"END", files => { 'timeout-kill' => "200\n" });
cg=$mount\$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir -p "\$cg/deep/er"
(trap '' TERM; echo \$\$ >there; exec setsid env -i sleep 1001) &
echo \$! >"\$cg/deep/er/cgroup.procs"
exec sleep 1000
END
    symlink '../def/web', "$scan/web";
    my $scanner = scanner($scan, @g);
    up("$scan/web");
    wait_for { grep { $_->{command} =~ /1001/ && cgroup_of($_->{pid}) =~ m{/deep/er$} } descendants() } 'a process in a cgroup below';
    adopt("$scan/web", 'web');
    control("$scan/web", 'd');
    wait_state("$scan/web", state => 'down');
    is(scalar(grep { $_->{name} eq 'sleep' } descendants()), 0, 'a process in a cgroup that the service made is ended as well');
    remove_cgroup("$own/$_") for cgroups();
    is(scalar(cgroups()), 0, 'the cgroup is removed under the supervisor');
    control("$scan/web", 'u');
    my $pid = up("$scan/web");
    like(cgroup_of($pid), qr{/lares-web-}, 'it is made again');
    leave_scan($scanner);
    is(join(' ', cgroups()), '', 'and removed with what was made below');
}

# --- a kernel, or a container, that does not let a process be born into one ---
SKIP: {
    skip 'not x86_64', 2 if (POSIX::uname())[4] ne 'x86_64';
    my ($scan, $def) = new_scan();
    service("$def/web", [ wiped => 2 ]);
    symlink '../def/web', "$scan/web";
    my $scanner = spawn([ ($ENV{LARES_TESTS} || build_dir() . '/tests') . '/probe/without', 435, bin('svscan'), @g, $scan ]);
    ready("$def/web");
    like(cgroup_of(read_state("$scan/web")->{pid}), qr{/lares-web-}, 'without clone3: it moves there itself');
    adopt("$scan/web", 'web');
    control("$scan/web", 'd');
    wait_state("$scan/web", state => 'down');
    is(left(), '', '... and nothing is left by a stop');
    leave_scan($scanner);
}

# --- which cgroup is used ---
sub started_in {
    my ($cgroup, $argv, %opt) = @_;
    return spawn([ '/bin/sh', '-c', 'echo $$ >"$0/cgroup.procs"; exec "$@"', $cgroup, @$argv ], %opt);
}
{
    my ($scan, $def) = new_scan();
    make_service("$scan/web", run => 'exec sleep 1000');
    my $scanner = started_in($own, [ bin('svscan'), $scan ]);
    my $pid = up("$scan/web");
    like(cgroup_of($pid), qr{/lares-test-$owner$}, 'one that happens to be writable is not used');
    leave_scan($scanner);
    my ($attribute, $one) = ('user.delegate', '1');
    my $given = syscall(188, $own, $attribute, $one, 1, 0); # setxattr, on x86_64
    SKIP: {
        skip "no attributes in $mount", 1 if $given || (POSIX::uname())[4] ne 'x86_64';
        $scanner = started_in($own, [ bin('svscan'), $scan ]);
        $pid = up("$scan/web");
        like(cgroup_of($pid), qr{/lares-test-$owner/lares-web-}, 'our own is used when it is marked as delegated');
        leave_scan($scanner);
        syscall(197, $own, $attribute); # removexattr
    }
    SKIP: {
        my $try = run([ 'unshare', '-pfmC', '--mount-proc', 'mount', '-t', 'cgroup2', 'none', $scan ]);
        skip "no name spaces: $try->{err}", 4 if $try->{exit};
        mkdir "$own/container";
        make_service("$scan/web2", run => 'exec sleep 1000');
        mkdir tmp('cg');
        for my $program ('svscan', 'init') {
            my $container = started_in("$own/container", [ 'unshare', '-pfmC', '--mount-proc', '--kill-child', '/bin/sh', '-c',
                    'mount -t cgroup2 none "$0" && exec "$@"', tmp('cg'), bin($program), $scan ]);
            $pid = wait_for { my ($p) = grep { $_->{command} =~ /^sleep 1000/ } descendants($container); $p && $p->{pid} } 'a service in the container';
            like(cgroup_of($pid), qr{/container/lares-web2?-}, "$program as pid 1 of a container: its own cgroup is used");
            my ($inner) = grep { $_->{command} =~ /lares-$program/ && $_->{command} !~ /unshare/ } descendants($container);
            signal($inner->{pid}, 'TERM');
            is(wait_exit($container)->{exit}, 0, '... and it stops');
        }
        remove_cgroup("$own/container");
    }
}
{
    my ($scan) = new_scan();
    my $r = run([ bin('svscan'), '-g', tmp(), $scan ]);
    is($r->{exit}, 100, '-g that is no cgroup: exit 100');
    like($r->{err}, qr/option -g: \S+ is not a directory of a cgroup2 file system$/, '... and says so');
    $r = run([ bin('svscan'), '-g', "$own/nowhere", $scan ]);
    is($r->{exit}, 100, '-g that is not there: exit 100');
    like($r->{err}, qr{unable to use cgroup \Q$own\E/nowhere: No such file or directory}, '... and says so');
}
no_processes_left();
remove_cgroup($own);
ok(!-d $own, 'the cgroup of the test is empty in the end');
done_testing;
