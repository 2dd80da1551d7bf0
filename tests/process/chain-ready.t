# lares-notifycheck and lares-sdnotify: between the conventions of readiness, under real supervisors.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Sd ();
use Lares::State;
use Test::More;

my $sdprobe = Lares::Sd::path();
sub tell_it { return Lares::Sd::sd_tell(@_) }

# In a shell, with descriptor 3 to a file: what the program said there, its exit code and messages.
sub plainly {
    my ($words, %opt) = @_;
    unlink tmp('said');
    my $r = run(['sh', '-c', 'exec 3>"$0"; exec "$@"', tmp('said'), @$words], cwd => tmp(), %opt);
    return ($r, file_text(tmp('said')));
}

subtest 'usage' => sub {
    for my $case (
        ['notifycheck', [], qr/no program given\n.*usage: /], ['notifycheck', ['-3', '2', 'true'], qr/option -3: `2' is no descriptor from 3 to 32767/],
        ['notifycheck', ['-3', 'x', 'true'], qr/option -3: `x'/], ['notifycheck', ['-3', '99', 'true'], qr/descriptor 99 is not open/],
        ['notifycheck', ['-n', 'x', '-3', '3', 'true'], qr/option -n: `x' is no number/], ['notifycheck', ['true'], qr/unable to read notification-fd/],
        ['sdnotify', [], qr/no program given\n.*usage: /], ['sdnotify', ['-T', '-1', '-3', '3', 'true'], qr/option -T: `-1' is no number/],
        ['sdnotify', ['true'], qr/unable to read notification-fd/], ['sdnotify', ['-r', 'true'], qr/-r needs NOTIFY_SOCKET to be set/],
        ['sdnotify', ['-r', '-3', '1', 'true'], qr/option -3: `1'/],
    ) {
        my ($tool, $args, $message) = @$case;
        my ($r, $said) = plainly([bin($tool), @$args], env => { NOTIFY_SOCKET => '' });
        like("$r->{exit} $r->{err}", qr/^1(?:00|11) .*$message/s, "$tool @$args");
        is($said, '', '... nothing was said');
    }
    my ($r) = plainly([bin('sdnotify'), '-3', '3', '/nowhere']);
    is($r->{exit}, 127, 'no such program');
    ($r) = plainly([bin('notifycheck'), '-3', '3', '-c', 'false', '/nowhere']);
    is($r->{exit}, 127, 'no such program');
};

subtest 'notifycheck under lares-supervise' => sub {
    my $dir = make_service(tmp('check'), run => 'exec ' . bin('notifycheck') . ' -d -s 0 -w 20 -n 0 sh -c "ls -l /proc/self/fd >fds; exec sleep 1000"',
        files => { 'notification-fd' => "7\n", 'data/check' => "#!/bin/sh\necho >>asked\n[ -e ready ]\n" });
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'starting', role => 'run');
    wait_for { length(file_text("$dir/asked") || '') > 3 } 'it to be asked';
    is(read_state($dir)->{state}, 'starting', 'not ready');
    write_file("$dir/ready", '');
    wait_state($dir, state => 'up', ready => 1);
    is(read_state($dir)->{pid}, $s->{pid}, 'the program is the process that was started');
    unlike(file_text("$dir/fds"), qr/notify/, 'and has no such descriptor');
    wait_for { 1 == grep { $_->{ppid} == $pid } descendants() } 'the other one to end';
    pass('nobody is left in the background');
    leave_service($dir, $pid);
};

subtest 'notifycheck: when it ends, gives up, takes too long' => sub {
    my $begun = time;
    my ($r, $said) = plainly([bin('notifycheck'), '-3', '3', '-n', '0', '-c', 'sleep 1000', 'true']);
    is("$r->{exit} $said", '0 ', 'the program ends first');
    ($r, $said) = plainly([bin('notifycheck'), '-3', '3', '-w', '10', '-n', '3', '-c', 'false', 'sleep', '1']);
    like("$r->{exit} $said$r->{err}", qr/^0 .*given up: no check has succeeded/, 'after some tries');
    ($r, $said) = plainly([bin('notifycheck'), '-3', '3', '-t', '50', '-w', '10', '-n', '2', '-c', 'sleep 1000', 'sleep', '1']);
    like("$r->{exit} $said$r->{err}", qr/^0 .*given up/, 'each takes too long');
    ($r, $said) = plainly([bin('notifycheck'), '-3', '3', '-T', '50', '-n', '0', '-c', 'sleep 1000', 'sleep', '1']);
    like("$r->{exit} $said$r->{err}", qr/^0 .*given up/, 'all take too long');
    # A check that hung was left behind when the program ended.
    my $dir = make_service(tmp('hangs'), files => { begun => { fifo => 0600 } });
    write_file(tmp('data/check'), "#!/bin/sh\necho >$dir/begun\nexec sleep 1000\n", 0755);
    ($r, $said) = plainly([bin('notifycheck'), '-3', '3', '-s', '0', 'head', '-n', '1', "$dir/begun"]);
    is("$r->{exit} $said", '0 ', 'the program ends while a check hangs');
    no_processes_left('and the check with it');
    unlink tmp('data/check');
    ($r, $said) = plainly([bin('notifycheck'), '-3', '3', '-c', 'true', 'sleep', '0.5']);
    is("$r->{exit} $said", "0 \n", 'a newline when it has succeeded');
    no_processes_left();
};

subtest 'sdnotify under lares-supervise' => sub {
    my $dir = make_service(tmp('socket'), run => 'exec ' . bin('sdnotify') . " $sdprobe", files => { 'notification-fd' => "3\n", gate => { fifo => 0600 } });
    my $pid = supervise($dir);
    my $main = Lares::Sd::sd_born($dir);
    is($main, wait_state($dir, state => 'starting', role => 'run')->{pid}, 'the program is the process that was started');
    like((grep { /^variables / } tell_it($dir, 'variables'))[0], qr/^variables \@lares\/\S+ - -$/, 'with a socket');
    tell_it($dir, 'send STATUS=x;READY=0');
    tell_it($dir, 'barrier');
    tell_it($dir, 'fds 3 FDSTORE=1');
    is(read_state($dir)->{state}, 'starting', 'what is not READY=1 is not');
    tell_it($dir, 'child READY=1');
    wait_state($dir, state => 'up', ready => 1);
    pass('READY=1 is, from a child as well');
    like(join(' ', tell_it($dir, 'send STATUS=y')), qr/refused/, 'then nobody listens');
    leave_service($dir, $pid);
};

subtest 'sdnotify: who speaks, and how long' => sub {
    my $dir = make_service(tmp('keep'), run => 'exec ' . bin('sdnotify') . " -k -d $sdprobe", files => { 'notification-fd' => "3\n", gate => { fifo => 0600 } });
    my $pid = supervise($dir);
    Lares::Sd::sd_born($dir);
    my ($name) = (grep { /^variables / } tell_it($dir, 'variables'))[0] =~ /^variables (\S+)/;
    is(run(['perl', '-MSocket', '-e', '($n = shift) =~ s/^@/\0/; socket $s, AF_UNIX, SOCK_DGRAM, 0; send $s, "READY=1", 0, pack "S a*", AF_UNIX, $n or die $!', $name])->{exit}, 0, 'a stranger says it');
    tell_it($dir, 'barrier');
    is(read_state($dir)->{state}, 'starting', 'and is not heard');
    tell_it($dir, 'send READY=1');
    wait_state($dir, state => 'up', ready => 1);
    is(join(' ', tell_it($dir, 'barrier')), 'barrier', '-k: it listens on');
    tell_it($dir, 'exit 0', wait => 0);
    wait_state($dir, starts => 2);
    leave_service($dir, $pid);
    my ($r) = plainly([bin('sdnotify'), '-3', '3', '-T', '50', 'sleep', '1']);
    like($r->{err}, qr/given up: the program has not said READY=1/, '-T: then it gives up');
    no_processes_left();
};

subtest 'sdnotify -r under lares-supervise' => sub {
    my $dir = make_service(tmp('reverse'), run => 'exec ' . bin('sdnotify') . ' -r -3 5 sh -c \'env >env; ls -l /proc/$$/fd >fds; read go <gate; printf x >&5; echo y >&5; exec 5>&-; exec sleep 1000\'',
        files => { notify => "sd\n", 'timeout-watchdog' => "100000\n", gate => { fifo => 0600 } });
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'starting', role => 'run');
    write_file("$dir/gate", "\n");
    wait_state($dir, state => 'up', ready => 1);
    is(read_state($dir)->{pid}, $s->{pid}, 'ready, and the program is the process that was started');
    unlike(file_text("$dir/env"), qr/NOTIFY_SOCKET|WATCHDOG/, 'it has no NOTIFY_SOCKET');
    like(file_text("$dir/fds"), qr/ 5 -> pipe/, 'and its descriptor');
    is(scalar(() = file_text("$dir/fds") =~ /pipe:/g), 1, 'and no other');
    leave_service($dir, $pid);
    is(messages($dir) =~ /warning/ ? messages($dir) : '', '', 'without a warning');
};

subtest 'sdnotify -r: it closes it, it ends, -k' => sub {
    require Socket;
    socket my $listen, Socket::PF_UNIX(), Socket::SOCK_DGRAM(), 0 or die;
    my $name = "lares-test-$$";
    bind $listen, pack 'S a*', Socket::PF_UNIX(), "\0$name" or die;
    $listen->blocking(0);
    my ($r) = plainly([bin('sdnotify'), '-r', '-k', 'sh', '-c', 'exec 3>&-; sleep 0.2; echo $NOTIFY_SOCKET'], env => { NOTIFY_SOCKET => "\@$name" });
    is("$r->{exit} $r->{out}", "0 \@$name\n", 'closed without a word');
    ok(!defined recv($listen, my $text, 100, 0), 'nothing is said');
    ($r) = plainly([bin('sdnotify'), '-r', 'sh', '-c', 'echo >&3; sleep 0.5'], env => { NOTIFY_SOCKET => "\@$name" });
    recv $listen, $text, 100, 0;
    is("$r->{exit} $text", '0 READY=1', 'a newline is READY=1');
    no_processes_left();
};

no_processes_left();
no_zombies();
done_testing;
