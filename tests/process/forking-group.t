# A daemon whose main process does not lead its process group (the shell that it has come from
# does): what svc sends to the group reaches all of it, and nobody else. STOP was undone by a CONT
# behind it; of an adopted one only the main process was hit.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;

sub text_of { my ($file) = @_; my $text = wait_for { my $t = file_text($file); $t && $t =~ /\n/ && $t } $file; chomp $text; return $text }
sub state_of { my $info = process_info($_[0]); return $info ? $info->{state} : 'gone' }
sub come_to { my ($want, @pids) = @_; return wait_for { Lares::Process::reap_orphans(); !grep { state_of($_) !~ $want } @pids } "all of @pids to be $want" }

for my $whose (qw(own adopted)) {
    # The other one is of the service, too, in a session of its own.
    my $dir = make_service(tmp($whose), run => 'setsid sh ./daemon </dev/null >/dev/null 2>&1 &',
        files => { type => "forking\n", 'pid-file' => "p\n", 'restart-delays' => "1000000\n", 'timeout-kill' => "100\n", daemon => <<'END' });
echo $$ >led
setsid sh -c 'echo $$ >other; exec sleep 2002' &
sh -c 'sleep 2001 & echo $! >worker; echo $$ >p; exec sleep 2000' &
END
    my $pid = supervise($dir);
    my ($group, $other, $worker, $main) = map { text_of("$dir/$_") } qw(led other worker p);
    wait_state($dir, state => 'up', pid => $main, group => $group);
    if ($whose eq 'adopted') {
        kill9($pid);
        wait_exit($pid);
        $pid = supervise($dir);
        wait_state($dir, state => 'up', pid => $main, group => $group, adopted => 1);
    }
    control($dir, 'P');
    wait_state($dir, paused => 1);
    come_to(qr/T/, $main, $worker);
    pass("$whose: STOP to the group pauses all of it");
    come_to(qr/S/, $other);
    pass('... and nobody else');
    control($dir, 'C');
    wait_state($dir, paused => 0);
    come_to(qr/S/, $main, $worker);
    pass("$whose: CONT lets all of it go on");
    control($dir, 'K');
    come_to(qr/Z|gone/, $main, $worker);
    pass("$whose: KILL ends all of it");
    wait_state($dir, state => 'backoff'); # those of a failed start are ended, too
    is(leave_service($dir, $pid), 0, "$whose: it leaves");
    no_processes_left();
}

# Two are left and nobody says which one it is; one has somebody below it.
{
    my $dir = make_service(tmp('left'), run => 'setsid sh ./one </dev/null >/dev/null 2>&1 & setsid sleep 2003 </dev/null >/dev/null 2>&1 & echo $! >two',
        files => { type => "forking\n", 'timeout-start' => "0\n", 'timeout-kill' => "100\n", one => "sleep 2001 &\necho \$! >below\nwait\n" });
    my $pid = supervise($dir);
    my @left = map { text_of("$dir/$_") } qw(below two);
    wait_state($dir, state => 'starting', pid => 0);
    control($dir, 'p');
    wait_state($dir, paused => 1);
    come_to(qr/T/, @left);
    pass('STOP to what a launcher has left pauses also who is below one of them');
    control($dir, 'c');
    wait_state($dir, paused => 0);
    come_to(qr/S/, @left);
    is(leave_service($dir, $pid), 0, 'it leaves');
    no_processes_left();
}
no_zombies();
done_testing;
