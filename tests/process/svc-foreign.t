# lares' svc, svok and svstat drive Debian's daemontools supervise and runit's runsv, unmodified.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Test::More;

my ($dir, $supervisor);
my $stamp = qr/\d+ seconds/;

sub tool { my ($name, @args) = @_; return run([ bin($name), @args ], cwd => tmp()) }
sub svc {
    my ($args, $name, $code, $message) = @_;
    my $result = tool('svc', @$args, $dir);
    is($result->{exit}, $code || 0, "svc @$args: " . ($name || 'exit'));
    $message ? like($result->{err}, $message, 'and why') : is($result->{err}, '', 'says nothing');
}
sub svstat { return tool('svstat', $dir)->{out} }
sub is_now {
    my ($want, $name) = @_;
    my $line = svstat();
    like($line, qr/^\Q$dir\E: $want$/, $name);
    return $line =~ /\(pid (\d+)\)/ ? $1 : 0;
}
sub becomes {
    my ($want, $name) = @_;
    ok(eval { wait_for { svstat() =~ /^\Q$dir\E: $want$/ } $name }, $name) or diag(svstat());
}
sub report { return tmp("report." . substr $dir, rindex($dir, '/') + 1) }
sub events { my @runs = probe_runs(report()); return @runs ? "@{ $runs[-1]{events} }" : '' }
sub supervised {
    my ($name, @command) = @_;
    $dir = make_service(tmp($name), run => [ probe(tmp("report.$name"), 'trap', 1, 'sleep') ]);
    is(tool('svok', $dir)->{exit}, 100, "$name: svok says no before there is a supervisor");
    is(svstat(), "$dir: supervise not running\n", 'svstat too');
    $supervisor = spawn([ @command, $dir ]);
    wait_for { tool('svok', $dir)->{exit} == 0 && probe_runs(report()) } 'the supervisor';
    pass('svok says yes');
}

# What both know.
sub drive {
    my ($normally) = @_;
    svc([ '-wu', '-T', 5000 ], 'it is up');
    my $pid = is_now(qr/up \(pid \d+\) $stamp/, 'svstat: up');
    svc(['-h']);
    wait_for { events() =~ /signal 1\b/ } 'HUP';
    svc(['-p']);
    becomes(qr/up \(pid $pid\) $stamp, paused/, 'paused');
    svc(['-c']);
    becomes(qr/up \(pid $pid\) $stamp/, 'continued');
    svc([ '-wr', '-t', '-T', 5000 ], 'terminated and started anew');
    my $next = is_now(qr/up \(pid \d+\) $stamp/, 'up again');
    isnt($next, $pid, 'another process');
    ok(!alive($pid), 'the first one is gone');
    svc([ '-wD', '-d', '-T', 5000 ], 'down');
    is_now(qr/down $stamp, normally up/, 'svstat: down');
    ok(!alive($next), 'its process is gone');
    svc([ '-wD', '-d', '-T', 5000 ], 'still down');
    svc([ '-wu', '-T', 60 ], 'nobody starts it', 99, qr/not up in time/);
    svc([ '-wu', '-u', '-T', 5000 ], 'up');
    svc([ '-wr', '-k', '-T', 5000 ], 'killed and started anew');
    svc([ '-wD', '-d', '-T', 5000 ], 'down');
    svc([ '-wu', '-o', '-T', 5000 ], 'once');
    $pid = is_now(qr/up \(pid \d+\) $stamp(?:, want down)?/, 'up for once');
    svc([ '-wD', '-t', '-T', 5000 ], 'over');
    becomes(qr/down $stamp, normally up/, 'not restarted');
    write_file("$dir/down", '');
    is_now(qr/down $stamp/, 'a down file');
    svc([ '-wu', '-u', '-T', 5000 ], 'up');
    is_now(qr/up \(pid \d+\) $stamp, normally down/, 'normally down');
}

SKIP: {
    my ($root, $reason) = unpacked_peer('daemontools');
    skip $reason, 1 if !$root;
    my $theirs = sub { run([ "$root/usr/bin/$_[0]", @_[ 1 .. $#_ ] ], env => peer_env(), cwd => tmp()) };
    supervised('classic', "$root/usr/bin/supervise");
    drive();
    my ($before, $said, $after); # a second may begin in between, or have begun: theirs counts those
    wait_for {
        ($before, $said, $after) = (svstat(), $theirs->('svstat', $dir)->{out}, svstat());
        $before eq $after && $said eq $before
    } 'the same answers within a second';
    is($said, $before, 'the same words as their svstat');
    is($theirs->('svok', $dir)->{exit}, tool('svok', $dir)->{exit}, 'the same answer as their svok');
    for my $letter (qw(r R q 1 2 b K D O Z)) {
        svc([ '-u', "-$letter" ], "$letter is refused", 100,
            qr/supervised by daemontools, which does not know -$letter: .*nothing was sent/);
    }
    svc(['-+t'], 'modifiers too', 100, qr/-\+/);
    svc([ '-wD', '-dx', '-T', 5000 ], 'down, and the supervisor leaves');
    is(wait_exit($supervisor)->{exit}, 0, 'it has left');
    is(tool('svok', $dir)->{exit}, 100, 'svok says no');
    is($theirs->('svstat', $dir)->{out}, svstat(), 'the same words as their svstat');
    svc(['-u'], 'DJB: 0', 0, qr/^lares-svc: warning: unable to control \Q$dir\E: supervise not running$/);
    svc([ '-wu', '-u' ], 'waiting: 102', 102, qr/supervise not running/);
    no_processes_left();
}

SKIP: {
    my ($root, $reason) = unpacked_peer('runit');
    skip $reason, 1 if !$root;
    supervised('runit', "$root/usr/bin/runsv");
    drive();
    svc(['-1']);
    svc(['-q']);
    becomes(qr/up \(pid \d+\) $stamp.*/, 'up after QUIT');
    svc(['-b'], 'b is refused', 100, qr/supervised by runit, which does not know -b/);
    svc([ '-wD', '-x', '-T', 5000 ], 'x stops and leaves');
    wait_exit($supervisor);
    no_processes_left();
}

no_zombies();
done_testing();
