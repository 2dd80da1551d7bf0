# A stop that comes when a supervisor and the main process of its service are dead: another
# supervisor ends what is left and runs `finish`, and starts nothing. (It heard of the stop when
# it had begun the service once more.)
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More;

# The scanner does not see both die before it hears of the stop: it is stopped meanwhile.
sub at_once {
    my ($scanner, @doings) = @_;
    kill 'STOP', $scanner;
    wait_for { process_state($scanner) eq 'T' } 'the scanner to stand still';
    $_->() for @doings;
    kill 'CONT', $scanner;
}
sub process_state { return (file_text("/proc/$_[0]/stat") // '') =~ /\) (\w)/ ? $1 : '' }
# Dead, also where nobody reaps it yet.
sub both_dead {
    my @pids = @_;
    kill9($_) for @pids;
    wait_for { !grep { my $s = process_state($_); $s ne '' && $s ne 'Z' } @pids } 'both to be dead';
}
sub lines_of { return scalar(() = (file_text($_[0]) // '') =~ /\n/g) }

my %left = (
    'nothing' => '',
    'one in a session of its own' => "setsid sh -c 'trap \"\" TERM; echo \$\$ >stray; while :; do sleep 0.1; done' &\nuntil [ -s stray ]; do sleep 0.01; done\n",
);
for my $left (sort keys %left) {
    for my $how ('the scanner', 'the service alone') {
        subtest "$left is left, $how is told to stop" => sub {
            my ($scan, $def) = new_scan();
            make_service("$def/a",
                run    => "echo x >>runs\n$left{$left}exec sleep 1000",
                finish => 'echo "$1 $2" >>finishes',
                log    => "exec cat >>$def/log",
                files  => { 'timeout-kill' => "100\n", 'restart-delays' => "0\n" });
            make_service("$def/a/control/t", run => 'echo t >>asked');
            rename "$def/a/control/t/run", "$def/a/control/run" and rmdir "$def/a/control/t" and rename "$def/a/control/run", "$def/a/control/t" or die;
            symlink "$def/a", "$scan/a" or die;
            my $scanner = scanner($scan);
            my ($service) = both_up("$scan/a");
            wait_for { lines_of("$def/a/runs") == 1 } 'it to be what it becomes';
            wait_for { -s "$def/a/stray" } 'the one that stays' if $left{$left};
            my $supervisor = supervisors()->{a};
            at_once($scanner, sub { both_dead($supervisor, $service) },
                sub { $how eq 'the scanner' ? kill 'TERM', $scanner : unlink "$scan/a" });
            wait_for { !%{ supervisors() } } 'no supervisor', 20;
            is(lines_of("$def/a/runs"), 1, 'it was not started again');
            is(file_text("$def/a/finishes"), "256 9\n", 'finish was run, with how it ended') or diag(file_text("$scan.err"));
            ok(!-e "$def/a/asked", 'nobody was asked to end who had ended');
            my $stray = file_text("$def/a/stray");
            ok(!alive($stray =~ s/\s//gr), 'what was left has been ended') if defined $stray;
            is(read_state("$def/a")->{wstat}, 9, 'and how it ended is on record');
            like(run([bin('svhist'), "$def/a"])->{out}, qr/ run-died -> /, '... and in its history');
            is($how eq 'the scanner' ? wait_exit($scanner)->{exit} : stop_scanner($scanner), 0, 'the scanner ends');
            no_processes_left();
        };
    }
}
done_testing();
