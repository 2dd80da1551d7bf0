# Services that speak sd_notify with systemd's own code: libsystemd, loaded as it is installed, and
# systemd-notify, which runs without systemd. Under lares-svscan, as another user where possible.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State ();
use JSON::PP ();
use Test::More;

*read_state = \&Lares::State::read_state;
*wait_state = \&Lares::State::wait_state;

sub svstat { return JSON::PP->new->utf8->decode(run([bin('svstat'), '--json', $_[0]])->{out})->[0] }
my $as = $> ? '' : bin('setuidgid') . ' 65534:65534 ';

subtest 'libsystemd' => sub {
    my $client = ($ENV{LARES_TESTS} || build_dir() . '/tests') . '/probe/sdlib';
    my $try = run([$client, '--try']);
    plan skip_all => 'libsystemd.so.0 cannot be loaded here' if ($try->{exit} // 1) == 77;
    plan skip_all => "it does not run under sanitizers: $try->{err}" if $try->{exit} || $try->{signal};
    my ($scan, $def) = new_scan();
    my $dir = make_service("$def/sd", run => "exec $as$client", files => { notify => "sd\n", 'timeout-watchdog' => "60000\n",
        gate => { fifo => 0666 }, said => { text => '', mode => 0666 }, 'restart-delays' => "100000\n" });
    chmod 0666, "$dir/gate";
    symlink $dir, "$scan/sd" or die;
    my $said = sub { return (split /\n/, file_text("$dir/said"))[-1] || '' };
    my $tell = sub {
        my ($line, $word) = @_;
        my $before = () = file_text("$dir/said") =~ /\n/g;
        open my $gate, '+<', "$dir/gate" or die;
        syswrite $gate, "$line\n";
        wait_for { $before < (() = file_text("$dir/said") =~ /\n/g) } $line;
        return $said->() =~ /^\d+ (.*)/ && $1;
    };
    my $scanner = scanner($scan);
    wait_for { $said->() =~ / born / } 'the service';
    is($tell->('watchdog'), 'watchdog 60000000', 'sd_watchdog_enabled');
    is($tell->('notify STATUS=warming up'), 'notify 1', 'sd_notify');
    is($tell->('barrier'), 'barrier 1', 'sd_notify_barrier');
    is(svstat("$scan/sd")->{status_text}, 'warming up', 'STATUS is shown when the barrier is over');
    is(read_state("$scan/sd")->{state}, 'starting', 'not ready yet');
    $tell->("notify READY=1;STATUS=serving");
    $tell->('barrier');
    is(read_state("$scan/sd")->{ready}, 1, 'READY=1');
    $tell->('notify RELOADING=1;MONOTONIC_USEC=' . int(Lares::Process::now() * 1e6));
    $tell->('barrier');
    is(read_state("$scan/sd")->{ready}, 0, 'RELOADING=1');
    is($tell->('store'), 'store 1', 'FDSTORE=1 with descriptors is sent');
    # The supervisor dies in between.
    my $before = supervisor('sd');
    kill 'STOP', $scanner;
    kill9($before);
    is($tell->('notify READY=1'), 'notify 1', 'sd_notify without a supervisor');
    kill 'CONT', $scanner;
    wait_state("$scan/sd", state => 'up', ready => 1);
    is($tell->('barrier'), 'barrier 1', 'heard by the next one');
    is(said($scan, qr/FDSTORE/), 1, 'which does not keep descriptors');
    $tell->('notify STOPPING=1');
    wait_state("$scan/sd", state => 'stopping');
    pass('STOPPING=1');
    is(stop_scanner($scanner), 0, 'stopped');
};

subtest 'systemd-notify' => sub {
    plan skip_all => 'there is no systemd-notify' if !grep { -x "$_/systemd-notify" } split /:/, $ENV{PATH};
    my $try = run(['systemd-notify', '--version']);
    plan skip_all => "systemd-notify does not run: $try->{err}" if $try->{exit} // 1;
    my ($scan, $def) = new_scan();
    make_service("$def/sd", run => "exec ${as}sh ./go", files => { notify => "sd\n", gate => { fifo => 0666 },
        go => "systemd-notify --status='warming up' && read x <gate && systemd-notify --ready --status='serving us' && read x <gate &&\n"
            . "systemd-notify RELOADING=1 && read x <gate && systemd-notify --ready && exec sleep 1000\nexit 1\n" });
    chmod 0666, "$def/sd/gate";
    symlink "$def/sd", "$scan/sd" or die;
    my $scanner = scanner($scan);
    my $go = sub { open my $gate, '+<', "$def/sd/gate" or die; syswrite $gate, "\n"; sleep_until_read($gate) };
    wait_for { (svstat("$scan/sd")->{status_text} || '') eq 'warming up' } 'the status';
    is(read_state("$scan/sd")->{state}, 'starting', '--status: shown');
    my $begun = time;
    $go->();
    wait_state("$scan/sd", state => 'up', ready => 1);
    is(svstat("$scan/sd")->{status_text}, 'serving us', '--ready: ready')
        or diag(said_text($scan), map { "$_->{sequence} $_->{event}:$_->{state} $_->{reason} $_->{detail}\n" } read_history("$scan/sd"));
    $go->();
    wait_state("$scan/sd", state => 'up', ready => 0);
    $go->();
    my $s = wait_state("$scan/sd", state => 'up', ready => 1);
    is($s->{starts}, 1, 'RELOADING=1 and READY=1 again');
    is(said($scan, qr/notification of pid/), 0, 'each was heard');
    is(stop_scanner($scanner), 0, 'stopped');
};

# What was written has been read.
sub sleep_until_read {
    my ($fifo) = @_;
    wait_for { my $count = pack 'i', 0; ioctl $fifo, 0x541B, $count; !unpack 'i', $count } 'it to be read';
}

no_processes_left();
no_zombies();
done_testing;
