# What a service says by sd_notify while its supervisor is dead, replaced or upgraded is heard by
# the next one: the scanner keeps the socket meanwhile.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::Sd;
use Lares::State ();
use Test::More;

*read_state = \&Lares::State::read_state;
*wait_state = \&Lares::State::wait_state;

sub begin {
    my (%files) = @_;
    my ($scan, $def) = new_scan();
    sd_service("$def/sd", files => \%files);
    symlink "../def/sd", "$scan/sd" or die;
    my $scanner = scanner($scan);
    sd_born("$def/sd");
    wait_state("$def/sd", state => 'starting', role => 'run'); # it is started first, then written down
    return ($scan, "$def/sd", $scanner);
}
sub another {
    my ($before) = @_;
    return wait_for { my $now = supervisor('sd'); $now && $now != $before && $now } 'another supervisor';
}
sub stored { my ($scanner) = @_; return scalar grep { /socket/ } values %{ fds_of($scanner) } }

sub supervisors_command { my $pid = supervisor($_[0]); return $pid && file_text("/proc/$pid/cmdline") }

subtest 'the socket' => sub {
    my ($scan, $dir, $scanner) = begin();
    my ($name) = (grep { /^variables / } sd_tell($dir, 'variables'))[0] =~ /^variables (\S+)/;
    like($name, qr{^\Q$scan\E/\.lares/n/[\w-]+$}, 'lies in .lares/n');
    is(readlink "$dir/supervise/socket", $name, 'its name stands in supervise/');
    is(sprintf('%o %o %o', map { (stat $_)[2] & 07777 } "$scan/.lares", "$scan/.lares/n", $name), '711 711 666',
        'others get past to whoever names it');
    is(sprintf('%o', (stat "$scan/.lares/store")[2] & 07777), '600', 'and not to where it is kept');
    SKIP: {
        skip 'not root', 1 if $>;
        is(run(['perl', '-MSocket', '-e', 'socket my $s, AF_UNIX, SOCK_DGRAM, 0; send $s, "READY=1", 0, pack "S a*", AF_UNIX, $ARGV[0] or die $!', $name],
            uid => 65534, gid => 65534)->{exit}, 0, 'another user may write to it');
    }
    sd_tell($dir, 'barrier');
    is(read_state($dir)->{state}, 'starting', 'and is not heard, as it is not of the service');
    is(stop_scanner($scanner), 0, 'a stop');
    ok(!-e $name && !-l "$dir/supervise/socket", 'the socket has gone');
};

subtest 'a supervisor is killed' => sub {
    my ($scan, $dir, $scanner) = begin();
    my $main = read_state($dir)->{pid};
    my $before = supervisor('sd');
    # Said while nobody is there.
    kill 'STOP', $scanner;
    kill9($before);
    sd_tell($dir, 'send STATUS=alone;READY=1');
    kill 'CONT', $scanner;
    my $s = wait_state($dir, state => 'up', ready => 1);
    is("$s->{pid} $s->{adopted} $s->{starts}", "$main 1 1", 'what it said meanwhile is heard');
    for my $n (1 .. 3) {
        $before = supervisor('sd');
        kill9($before);
        sd_tell($dir, "send RELOADING=1");
        another($before);
        wait_state($dir, state => 'up', ready => 0);
        $before = supervisor('sd');
        kill9($before);
        sd_tell($dir, "send READY=1");
        another($before);
        wait_state($dir, state => 'up', ready => 1);
    }
    pass('again and again');
    is(read_state($dir)->{pid}, $main, 'it is the same');
    sd_tell($dir, 'barrier');
    is(stop_scanner($scanner), 0, 'a stop');
};

subtest 'a scanner is killed, and then the supervisor' => sub {
    my ($scan, $dir, $scanner) = begin();
    kill9($scanner);
    wait_exit($scanner);
    my $second = scanner($scan);
    wait_for { stored($second) > 1 } 'the new scanner to be given the socket';
    my $before = supervisor('sd');
    kill 'STOP', $second;
    kill9($before);
    sd_tell($dir, 'send READY=1');
    kill 'CONT', $second;
    is(wait_state($dir, state => 'up', ready => 1)->{starts}, 1, 'what it said meanwhile is heard');
    is(stop_scanner($second), 0, 'a stop');
};

subtest 'an upgrade of all, the supervisor killed in the middle' => sub {
    my ($scan, $dir, $scanner) = begin();
    wait_for { stored($scanner) > 1 } 'the scanner to be given the socket';
    is(run([bin('svscanctl'), 'upgrade', $scan])->{exit}, 0, 'told to upgrade');
    wait_for { said($scan, qr/upgraded in place/) == 1 } 'the upgrade';
    wait_for { (supervisors_command('sd') || '') =~ /-r/ } 'the supervisor to follow';
    sd_tell($dir, 'send STATUS=a');
    sd_tell($dir, 'barrier');
    wait_for { stored($scanner) > 1 } 'it is kept';
    my $before = supervisor('sd');
    # The scanner is told to upgrade and stopped before it can, the supervisor dies.
    kill 'STOP', $scanner;
    kill9($before);
    open my $control, '+<', "$scan/.lares/control" or die;
    syswrite $control, 'Z';
    sd_tell($dir, 'send READY=1');
    kill 'CONT', $scanner;
    is(wait_state($dir, state => 'up', ready => 1)->{starts}, 1, 'what it said meanwhile is heard');
    wait_for { said($scan, qr/upgraded in place/) == 2 } 'the second upgrade';
    is(stop_scanner($scanner), 0, 'a stop');
};

subtest 'both die' => sub {
    my ($scan, $dir, $scanner) = begin('timeout-ready' => "3000\n");
    my $main = read_state($dir)->{pid};
    kill9($scanner);
    wait_exit($scanner);
    kill9(supervisor('sd'));
    wait_for { !supervisor('sd') } 'nobody is there';
    my ($sent) = sd_tell($dir, 'send READY=1');
    like($sent, qr/refused/, 'its word is lost, which it is told');
    my $second = scanner($scan);
    my $s = wait_state($dir, state => 'up', ready => 1);
    is("$s->{pid} $s->{starts}", "$main 1", 'not ready in time, it is taken for ready and not ended');
    is(said($scan, qr/it may have said so while nobody listened: taking it for ready/), 1, 'which is said');
    sd_tell($dir, 'send RELOADING=1');
    wait_state($dir, state => 'up', ready => 0);
    pass('and it is heard again under the same name');
    is(stop_scanner($second), 0, 'a stop');
};

subtest 'no supervisor above' => sub {
    my $dir = sd_service(tmp('alone'));
    my $pid = Lares::State::supervise($dir);
    sd_born($dir);
    Lares::State::control($dir, 'Z');
    wait_for { (file_text("/proc/$pid/cmdline") || '') =~ /-r/ } 'an upgrade';
    sd_tell($dir, 'send READY=1');
    wait_state($dir, state => 'up', ready => 1);
    pass('an upgrade in place keeps the socket');
    kill9($pid);
    wait_exit($pid);
    $pid = Lares::State::supervise($dir);
    wait_state($dir, state => 'up', adopted => 1);
    sd_tell($dir, 'send RELOADING=1');
    wait_state($dir, state => 'up', ready => 0);
    pass('and another supervisor listens under the same name');
    Lares::State::leave_service($dir, $pid);
};

subtest 'a path that is too long, and no place' => sub {
    my $scan = tmp('x' x 100);
    mkdir $scan or die;
    sd_service("$scan/sd");
    my $scanner = spawn([bin('svscan'), $scan], stderr => tmp('long.said'));
    sd_born("$scan/sd");
    like((grep { /^variables / } sd_tell("$scan/sd", 'variables'))[0], qr/^variables \@lares\//, 'an abstract name');
    sd_tell("$scan/sd", 'send READY=1');
    wait_state("$scan/sd", state => 'up', ready => 1);
    is(stop_scanner($scanner), 0, 'a stop');
};

no_processes_left();
no_zombies();
done_testing;
