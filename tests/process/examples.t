# The service directories of examples/services run as they are: started by a scanner, ready or
# logging, stopped. (nginx and PostgreSQL: tests/process/daemons.t has them in its own form.)
use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Socket::INET;
use Lares;
use Test::More;

my $examples = source_dir() . '/examples/services';
my $scan = tmp('scan');
mkdir $scan or die "unable to make $scan: $!\n";

# Copied beside its place and renamed, as one should.
sub take {
    my ($name) = @_;
    my $new = tmp("new.$name");
    system('cp', '-R', "$examples/$name", $new) == 0 or die "unable to copy $name\n";
    return $new;
}
sub place { my ($name) = @_; rename tmp("new.$name"), "$scan/$name" or die "unable to move $name: $!\n" }
sub words { return run([bin('svstat'), "$scan/$_[0]"])->{out} }
sub log_of { return file_text("$scan/$_[0]/log/main/current") // '' }
sub svc { my $r = run([bin('svc'), @_], timeout => 30); is($r->{exit}, 0, "svc @_[0 .. $#_ - 1]") or diag($r->{err}) }

# A port nobody has just now.
sub free_port {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "unable to listen: $!\n";
    return $socket->sockport;
}

# Programs of the peers, where they are unpacked.
my $execline = -x '/usr/bin/execlineb' ? '' : 'execline is not installed';
my $runit = unpacked_peer('runit');
my $redis = unpacked_peer('redis-server');
my $daemontools = unpacked_peer('daemontools');
my %path = map { $_ => 1 } grep { defined } map { $_ && ("$_/usr/bin", "$_/bin", "$_/usr/sbin") } $runit, $redis, $daemontools;
my $libraries = peer_env()->{LD_LIBRARY_PATH};
my $scanner = spawn([bin('svscan'), $scan], env => {
        PATH => join(':', build_dir() . '/bin', sort(keys %path), $ENV{PATH}),
        LD_LIBRARY_PATH => $libraries });

subtest 'clock' => sub {
    take('clock');
    place('clock');
    wait_for { log_of('clock') =~ /^\@4[0-9a-f]{23} .*\d\d:\d\d/ } 'a stamped line by the built-in logger';
    svc('-wD', '-d', "$scan/clock");
};

subtest 'background' => sub {
    take('background');
    place('background');
    wait_for { words('background') =~ /: up \(pid \d+\)(?!.*starting)/ } 'the daemon, not its launcher';
    my ($pid) = words('background') =~ /\(pid (\d+)\)/;
    is($pid, (file_text("$scan/background/daemon.pid") =~ /(\d+)/)[0], 'the one that its pid file names');
    wait_for { log_of('background') =~ /\d\d:\d\d/ } 'a line';
    kill9($pid);
    wait_for { words('background') =~ /: up \(pid (?!$pid\b)\d+\)(?!.*starting)/ } 'the next daemon';
    svc('-wD', '-d', "$scan/background");
    ok(!-e "$scan/background/daemon.pid", 'told to end, it has tidied up');
};

subtest 'ready' => sub {
    take('ready');
    place('ready');
    wait_for { run([bin('svok'), "$scan/ready"])->{exit} == 0 } 'supervised';
    svc('-wU', '-u', "$scan/ready");
    like(words('ready'), qr/, ready \d+ s/, 'svstat says ready');
};

subtest 'execline' => sub {
    plan skip_all => $execline if $execline;
    take('execline');
    place('execline');
    wait_for { log_of('execline') =~ /Z it is .*\d\d:\d\d/ } 'a line';
    like(words('execline'), qr/: up /, 'up');
};

subtest 's6' => sub {
    plan skip_all => $execline if $execline;
    take('s6');
    place('s6');
    wait_for { words('s6') =~ /, ready / } 'ready on descriptor 5';
    wait_for { log_of('s6') =~ /starting/ } 'logged';
    svc('-wD', '-d', "$scan/s6");
    like(words('s6'), qr/killed by SIGINT/, 'stopped by its down-signal');
    wait_for { log_of('s6') =~ /ended: 256 2 s6/ } 'finish with s6\'s arguments';
};

subtest 'runit' => sub {
    plan skip_all => 'runit is not unpacked (make peers)' if !$runit;
    take('runit');
    place('runit');
    wait_for { log_of('runit') =~ /^\d{4}-\d\d-\d\d_\S+ starting/ } 'logged by svlogd';
    svc('-wD', '-d', "$scan/runit");
    wait_for { log_of('runit') =~ /ended: 256 15/ } 'finish, in the log';
};

subtest 'void' => sub {
    plan skip_all => 'runit is not unpacked (make peers)' if !$runit;
    my $dir = take('void');
    my $elsewhere = tmp('run.void'); # as Void links it to /run/runit/supervise.NAME, which a reboot empties
    symlink $elsewhere, "$dir/supervise" or die "unable to link supervise: $!\n";
    place('void');
    wait_for { words('void') =~ /, ready / } 'ready by its check';
    ok(-e "$elsewhere/status", 'supervise/ is where its link leads, made anew');
    wait_for { log_of('void') =~ /^\S+ server -v one with 128 descriptors/m } 'settings from conf, limits by chpst';
    svc('-wD', '-d', "$scan/void");
    ok(!-e "$scan/void/listening", 'finish has tidied up');
};

subtest 's6-overlay' => sub {
    plan skip_all => $execline if $execline;
    take('s6-overlay');
    place('s6-overlay');
    wait_for { words('s6-overlay') =~ /, ready / } 'ready by data/check';
    svc('-wD', '-d', "$scan/s6-overlay");
    wait_for { log_of('s6-overlay') =~ /ended with 143/ } 'finish, with its arguments';
};

subtest 'djbdns' => sub {
    plan skip_all => 'daemontools is not unpacked (make peers)' if !$daemontools;
    my $dir = take('djbdns');
    my $moved = tmp('dnscache'); # linked, as its users do
    rename $dir, $moved and symlink $moved, "$scan/djbdns" or die "unable to link $moved: $!\n";
    my $uid = (getpwnam 'nobody')[2];
    wait_for { log_of('djbdns') =~ /^\@4[0-9a-f]{23} starting on 127\.0\.0\.1 as $uid with 128 bytes of seed, 250 descriptors, 127\.0\.0\.1$/m } 'the program, with all that was set for it';
    svc('-wD', '-d', "$scan/djbdns");
    unlink "$scan/djbdns";
    wait_for { run([bin('svok'), $moved])->{exit} == 100 } 'the link is taken away: nobody supervises it';
};

subtest 'a template and its instances' => sub {
    my $definitions = source_dir() . '/examples/definitions';
    my $built = tmp('built');
    mkdir $built and mkdir "$built/worker\@red" or die "unable to make $built: $!\n";
    my $of = spawn([bin('svscan'), '-d', $definitions, $built], env => { PATH => build_dir() . "/bin:$ENV{PATH}" });
    my $said = sub { file_text("$built/worker\@$_[0]/log/main/current") // '' };
    wait_for { $said->('red') =~ /worker red, which supervisors call worker\@red$/m } 'an instance';
    mkdir "$built/worker\@blue" or die "unable to make worker\@blue: $!\n";
    wait_for { $said->('blue') =~ /worker blue,/ } 'one more, while it runs';
    like(run([bin('svstat'), "$built/worker\@blue"])->{out}, qr/: up /, 'up');
    is(join(' ', map { s{.*/}{}r } glob "$definitions/*@/*"), 'log run timeout-kill', 'nothing is written where it is defined');
    signal($of, 'TERM');
    is(wait_exit($of, 30)->{exit}, 0, 'the scanner stops them');
};

subtest 'redis' => sub {
    plan skip_all => 'redis is not unpacked (make peers)' if !$redis;
    plan skip_all => 'only root can become another user' if $> != 0;
    my $dir = take('redis');
    my ($port, $data) = (free_port(), tmp('redis-data'));
    my ($uid, $gid) = (getpwnam 'nobody')[2, 3];
    mkdir $data and chown $uid, $gid, $data or die "unable to make $data: $!\n";
    write_file("$dir/env/$_->[0]", "$_->[1]\n") for [PORT => $port], [DATA => $data], [ACCOUNT => 'nobody'];
    place('redis');
    wait_for { log_of('redis') =~ /Ready to accept connections/ } 'ready by its own log';
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or die "no Redis on port $port: $!\n";
    print $socket "PING\r\n";
    is(scalar <$socket>, "+PONG\r\n", 'it answers');
    close $socket;
    svc('-wD', '-d', "$scan/redis");
    wait_for { log_of('redis') =~ /bye bye/ } 'it had time to say goodbye';
};

# What cannot be run here is at least a script that parses.
for my $name (qw(nginx postgresql)) {
    is(system('sh', '-n', "$examples/$name/run"), 0, "$name/run parses");
    ok(-x "$examples/$name/$_", "$name/$_ is executable") for grep { -e "$examples/$name/$_" } qw(run log/run);
}

signal($scanner, 'TERM');
is(wait_exit($scanner, 30)->{exit}, 0, 'the scanner stops everything');
no_processes_left();
no_stray_files($scan);
done_testing;
