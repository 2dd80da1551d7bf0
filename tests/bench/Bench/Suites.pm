# The suites that are measured: how each supervises one service, is controlled, runs a scan
# directory and is told to stop. Peers are Debian's packages unpacked by tests/lib/peers, never
# installed; one that is not there is n/a, with the reason.
#
# A suite is a hash: name; reason, when it cannot be measured; and as far as it can do that
#   supervise => sub (dir): the command that keeps the one service of dir running
#   down, up  => sub (dir): [until, words...] for tests/bench/control.c
#   scan      => sub (scan, dirs): [signal, [start...], [stop...]] for tests/bench/fleet.c
#   most      => how many services it takes at most
#   without   => the reason why it cannot do what is missing here
#   env       => variables for its scanner
#   files     => what its service directories need besides; logger => its log/run

package Bench::Suites;

use strict;
use warnings;
use Exporter 'import';
use File::Basename 'dirname';
use File::Copy ();
use Lares;

our @EXPORT = qw(suites helper peers_root make_bench_service);

# A program built from tests/bench/NAME.c.
sub helper { return ($ENV{LARES_TESTS} || build_dir() . '/tests') . "/bench/$_[0]" }

sub peers_root { return $ENV{LARES_PEERS} || source_dir() . '/build/peers/root' }

# A service directory whose `run` is the smallest program there is; `report` is its own FIFO, or
# a link to a common one.
sub make_bench_service {
    my ($dir, $suite, $report) = @_;
    File::Path::make_path($dir);
    File::Copy::copy(helper('service'), "$dir/run") or die "unable to copy to $dir/run: $!\n";
    chmod 0755, "$dir/run";
    if (defined $report) { symlink $report, "$dir/report" or die "unable to link $dir/report: $!\n" }
    else                 { make_fifo("$dir/report") }
    my $files = $suite->{files} || {};
    write_file("$dir/$_", $files->{$_}) for keys %$files;
    return $dir;
}

sub supervisor_config {
    my ($file, @dirs) = @_;
    my $base = dirname($file);
    my $text = "[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\n"
        . "pidfile=$base/supervisord.pid\n"
        . "[unix_http_server]\nfile=$base/supervisor.sock\n[supervisorctl]\n"
        . "serverurl=unix://$base/supervisor.sock\n[rpcinterface:supervisor]\n"
        . "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n";
    my $n = 0;
    $text .= sprintf "[program:s%d]\ncommand=%s/run\ndirectory=%s\nautorestart=true\n"
        . "stdout_logfile=NONE\nstderr_logfile=NONE\n", $n++, $_, $_ for @dirs;
    return write_file($file, $text);
}

sub supervisor {
    my ($bin) = @_;
    my $config = sub { supervisor_config("$_[0]/supervisord.conf", @_[ 1 .. $#_ ]) };
    my $control = sub {
        my ($verb, $dir) = @_;
        return ['-', "$bin/supervisorctl", '-c', "$dir/supervisord.conf", $verb, 's0'];
    };
    return (
        supervise => sub { [ "$bin/supervisord", '-c', $config->($_[0], $_[0]) ] },
        down => sub { $control->('stop', @_) },
        up   => sub { $control->('start', @_) },
        scan => sub { [ 15, [ "$bin/supervisord", '-c', $config->(@_) ] ] },
    );
}

sub daemontools {
    my ($bin) = @_;
    return (
        supervise => sub { [ "$bin/supervise", $_[0] ] },
        down => sub { [ "$_[0]/supervise/status:down", "$bin/svc", '-d', $_[0] ] },
        up   => sub { [ "$_[0]/supervise/status:up",   "$bin/svc", '-u', $_[0] ] },
        # svscan leaves its supervisors running.
        scan   => sub { my $scan = shift; [ 15, [ "$bin/svscan", $scan ], [ "$bin/svc", '-dx', @_ ] ] },
        most   => 1000,
        logger => "exec $bin/multilog t ./main",
    );
}

# runit's programs, or busybox's, whose words begin with its own path.
sub runit {
    my ($dir, @before) = @_;
    my $word = sub { @before ? (@before, $_[0]) : "$dir/$_[0]" };
    return (
        supervise => sub { [ $word->('runsv'), $_[0] ] },
        # These wait, up and down do not.
        down => sub { [ '-', $word->('sv'), 'stop', $_[0] ] },
        up   => sub { [ '-', $word->('sv'), 'start', $_[0] ] },
        scan => sub { [ 1, [ $word->('runsvdir'), $_[0] ] ] },
        logger => 'exec ' . join(' ', $word->('svlogd')) . ' -t ./main',
    );
}

# Debian's s6 has a library of its own and starts its helpers by absolute path: what needs these
# is measured where it is installed.
sub s6 {
    my ($bin) = @_;
    my $libraries = peer_env()->{LD_LIBRARY_PATH};
    my @library = "LD_LIBRARY_PATH=$libraries";
    return (
        supervise => sub { [ "$bin/s6-supervise", $_[0] ] },
        files     => { 'notification-fd' => "3\n" },
        -x '/usr/bin/s6-supervise' ? () : (without => "Debian's s6-svc and s6-svscan run helpers of"
                . ' /usr/bin, where s6 is not installed'),
        !-x '/usr/bin/s6-supervise' ? () : (
        env => { LD_LIBRARY_PATH => $libraries },
        down => sub { [ '-', @library, "$bin/s6-svc", '-wD', '-d', $_[0] ] },
        up   => sub { [ '-', @library, "$bin/s6-svc", '-wU', '-u', $_[0] ] },
        scan => sub { [ 15, [ "$bin/s6-svscan", '-c', '5000', $_[0] ] ] },
        logger => "exec $bin/s6-log t ./main",
        ),
    );
}

sub lares {
    my ($dir) = @_;
    return (
        supervise => sub { [ "$dir/lares-supervise", $_[0] ] },
        down => sub { [ '-', "$dir/lares-svc", '-wD', '-d', $_[0] ] },
        up   => sub { [ '-', "$dir/lares-svc", '-wU', '-u', $_[0] ] },
        scan => sub { [ 15, [ "$dir/lares-svscan", '-b', $dir, $_[0] ] ] },
    );
}

sub peer {
    my ($name, $package, %suite) = @_;
    my ($root, $reason) = unpacked_peer($package);
    return { name => $name, reason => $reason, peer => 1, %suite };
}

sub suites {
    my $root    = peers_root();
    my $usr     = "$root/usr/bin";
    my $dynamic = dirname(bin('supervise'));
    my $static  = "$dynamic/../static/bin";
    my $busybox = peer('busybox', 'busybox-static', runit(undef, "$usr/busybox"));
    my $python  = peer('supervisor', 'supervisor', supervisor($usr));

    if (!$busybox->{reason} && `$usr/busybox --list` !~ /^runsv$/m) {
        $busybox->{reason} = "Debian's busybox is built without runsv, sv and runsvdir";
    }
    if (!$python->{reason} && (qx(python3 -c 'import pkg_resources' 2>&1), $?)[1]) {
        $python->{reason} = 'there is no python3 with pkg_resources';
    }
    $ENV{PYTHONPATH} = "$root/usr/lib/python3/dist-packages" if !$python->{reason};
    # s6's and runit's tools call each other by name.
    $ENV{PATH} = "$usr:$ENV{PATH}";
    return (
        { name => 'floor', supervise => sub { [ helper('parent'), 'restart' ] },
            down => sub { [ '-', helper('true') ] },
            scan => sub { shift; [ 15, [ helper('parent'), 'start', helper('standin'), @_ ] ] } },
        { name => 'session', supervise => sub { [ helper('parent'), 'restart-session' ] } },
        { name => 'lares', lares($dynamic) },
        { name => 'static', lares($static),
            reason => -x "$static/lares-supervise" ? undef : 'not built: make static' },
        peer('daemontools', 'daemontools', daemontools($usr)),
        peer('runit', 'runit', runit($usr), most => 1000),
        peer('s6', 's6', s6($usr)),
        $busybox,
        $python,
    );
}

1;
