# Which process group the last `run` had is known to the supervisor that comes after: by an upgrade
# in place or a death, also when the main process is dead by then. kill-mode group ended nobody
# after that, and finish was told 0.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;

sub text_of { my ($file) = @_; my $text = wait_for { my $t = file_text($file); $t && $t =~ /\n/ && $t } $file; chomp $text; return $text }

# One of the group that ignores TERM, its pid in kid; the main process does not.
my $kid = q(sh -c 'trap "" TERM; echo $$ >kid; exec sleep 1000' </dev/null >/dev/null 2>&1 &);

my %successor = (
    'no other supervisor' => sub { return $_[1] },
    'an upgrade'          => sub {
        my ($dir, $pid) = @_;
        control($dir, 'Z');
        wait_for { process_info($pid)->{command} =~ / -r / } 'the new image';
        return $pid;
    },
    'a killed supervisor' => sub {
        my ($dir, $pid) = @_;
        kill9($pid);
        wait_exit($pid);
        return supervise($dir);
    },
);

sub down {
    my ($dir) = @_;
    return wait_for { Lares::Process::reap_orphans(); state_is($dir, state => 'down') } 'down';
}
sub over {
    my ($dir, $pid, $kid) = @_;
    kill9($kid) if alive($kid);
    is(leave_service($dir, $pid), 0, '... and it leaves');
    no_processes_left();
}
sub file_name { my ($name) = @_; $name =~ tr/ /-/; return tmp($name) }

for my $who (sort keys %successor) {
    my $next = $successor{$who};

    # In the middle of a stop: who is left is waited for, and finish is told.
    my $dir = make_service(file_name("stopping $who"), run => "$kid\necho \$\$ >main; exec sleep 2000", finish => 'echo $4 >told',
        files => { 'kill-mode' => "group\n", 'timeout-kill' => "0\n" });
    my $pid = supervise($dir);
    my ($one, $main) = map { text_of("$dir/$_") } qw(kid main);
    wait_state($dir, state => 'up', group => $main);
    control($dir, 'd');
    wait_state($dir, state => 'stopping', awaited => $one);
    $pid = $next->($dir, $pid);
    control($dir, 'h'); # means nothing now, but is read behind what it begins with
    my $s = wait_for { my $s = read_state($dir); $s && ($s->{state} eq 'down' || ($s->{awaited} == $one && slept($pid))) && $s } 'it to have looked';
    is("$s->{state} " . (alive($one) ? 'alive' : 'dead'), 'stopping alive', "$who in a stop: one of the group is waited for");
    kill9($one);
    down($dir);
    is(text_of("$dir/told"), $main, '... finish is told the group');
    over($dir, $pid, $one);

    # Between two lives: the stop that comes then ends who is left of the last one.
    for my $state (qw(finishing backoff)) {
        my $slow = $state eq 'finishing' ? 'read x <gate; ' : '';
        $dir = make_service(file_name("$state $who"), run => "$kid\necho \$\$ >main; exec sleep 2000", finish => "${slow}echo \$4 >told",
            files => { 'kill-mode' => "group\n", 'timeout-kill' => "100\n", 'timeout-finish' => "0\n", 'restart-delays' => "1000000\n", gate => { fifo => 0600 } });
        $pid = supervise($dir);
        ($one, $main) = map { text_of("$dir/$_") } qw(kid main);
        wait_state($dir, state => 'up');
        control($dir, 'k');
        wait_state($dir, state => $state);
        $pid = $next->($dir, $pid);
        control($dir, 'd');
        if ($slow) {
            wait_state($dir, want => 'down');
            write_file("$dir/gate", "\n");
        }
        down($dir);
        ok(!alive($one), "$who in $state: the stop that follows ends who is left of the group");
        is(text_of("$dir/told"), $main, '... finish was told the group');
        over($dir, $pid, $one);
    }

    # A daemon whose group is not its pid: the shell that it has come from leads that.
    $dir = make_service(file_name("forking $who"), run => 'setsid sh ./daemon </dev/null >/dev/null 2>&1 &',
        files => { type => "forking\n", 'pid-file' => "p\n", 'kill-mode' => "group\n", 'timeout-kill' => "0\n",
            daemon => "echo \$\$ >led\n$kid\nwhile [ ! -s kid ]; do sleep .01; done\nsh -c 'echo \$\$ >p; exec sleep 2000' &\n" });
    $pid = supervise($dir);
    ($one, $main) = map { text_of("$dir/$_") } qw(kid p);
    my $group = text_of("$dir/led");
    wait_state($dir, state => 'up', pid => $main, group => $group);
    control($dir, 'd');
    wait_state($dir, state => 'stopping', awaited => $one);
    $pid = $next->($dir, $pid);
    $s = wait_for { my $s = read_state($dir); $s && ($s->{state} eq 'down' || ($s->{awaited} == $one && slept($pid))) && $s } 'it to have looked';
    is($s->{state}, 'stopping', "$who in a stop of a daemon: one of its group is waited for");
    kill9($one);
    down($dir);
    over($dir, $pid, $one);

    # What undoes a oneshot is told, too.
    $dir = make_service(file_name("oneshot $who"), run => 'echo $$ >main', finish => 'echo $4 >told', files => { type => "oneshot\n" });
    $pid = supervise($dir);
    wait_state($dir, state => 'done');
    $pid = $next->($dir, $pid);
    control($dir, 'd');
    down($dir);
    is(text_of("$dir/told"), text_of("$dir/main"), "$who while a oneshot is done: its finish is told the group");
    over($dir, $pid, 0);
}
no_zombies();
done_testing;
