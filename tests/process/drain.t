# A stop does not end a logger before it has what its service wrote, whatever the logger is like;
# what it does not take in its time is kept and comes first next time. Every line is counted.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Lares::Drain;
use Test::More;

my $log = 'exec lares-log s1000000 n1000 ./main';

sub counted {
    my ($dir, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($have, $want) = account($dir);
    is($have, $want, "$what: every line in its place");
    return;
}

# A stop with a full pipe. before: what is done then; during: once the service has gone.
sub stopped {
    my ($what, %c) = @_;
    my ($scan) = new_scan();
    my $dir = make_pair($scan, 'web', log => $c{log}, files => $c{files});
    my $scanner = scanner($scan);
    $c{before} ? $c{before}->($dir, $scan) : full($dir);
    my $service = service_pid($dir);
    signal($scanner, 'TERM');
    wait_for { !alive($service) } 'the service to end';
    $c{during}->($dir, $scan) if $c{during};
    is(wait_exit($scanner, 30)->{exit}, 0, "$what: the scanner stops everything");
    no_processes_left();
    my $rest = rest_of($dir);
    ok($c{rest} ? $rest > 60_000 : !-e "$dir/log/supervise/rest", "$what: " . ($c{rest} ? 'what is left is kept' : 'nothing is left'))
        or diag("$rest bytes in rest");
    if ($c{rest}) {
        is((stat "$dir/log/supervise/rest")[2] & 07777, 0600, '... and nobody else reads it');
        like(said_text($scan), qr{web/log the logger has left $rest bytes in its pipe}, '... and said');
    }
    counted($dir, $what) if !$c{rest};
    is(goes_on($scan, $dir), 0, "$what: and it goes on");
    ok(!-e "$dir/log/supervise/rest", '... with nothing kept') if $c{rest};
    no_processes_left();
    counted($dir, "$what, and the next life");
    return;
}

my $slow = <<'END';
mkdir -p main
exec perl -e 'open my $out, ">>", "main/current";
    while (sysread STDIN, my $text, 2000) { syswrite $out, $text; select undef, undef, undef, 0.005 }'
END

stopped('a logger that is slow', log => $slow);
stopped('a logger that begins late', log => gated($log), during => sub {
    my ($dir) = @_;
    wait_for { draining($dir) } 'the drain';
    my $out = run([bin('svstat'), "$dir/log"])->{out};
    like($out, qr/log: up \(pid \d+\) \d+ seconds.*, draining for at most \d+\.\d s/, 'svstat tells that it is drained');
    like(run([bin('svstat'), '--json', "$dir/log"])->{out}, qr/"draining":true/, '... to programs, too');
    open_gate($dir);
});
stopped('a logger that hears of no end and ignores TERM', log => "trap '' TERM\nread go <gate", rest => 1,
    files => { 'log/timeout-kill' => "200\n" });
stopped('a logger that stops reading in the middle', rest => 1, log => <<'END', files => { 'log/timeout-kill' => "200\n" });
mkdir -p main
trap '' TERM
for n in 1 2 3 4 5 6 7 8 9; do read -r line && echo "$line"; done >>main/current
exec sleep 1000
END
stopped('a logger that is paused', log => $log, before => sub {
    my ($dir) = @_;
    up("$dir/log");
    control("$dir/log", 'p');
    full($dir);
});
stopped('a logger that was told to be down', log => $log, before => sub {
    my ($dir) = @_;
    up("$dir/log");
    control("$dir/log", 'd');
    wait_state("$dir/log", state => 'down');
    full($dir);
});
stopped('a logger that cannot start for the time being', log => "[ ! -e broken ] || exit 1\n$log",
    files => { 'log/restart-delays' => "0 60000\n" }, before => sub {
        my ($dir) = @_;
        my $logger = up("$dir/log");
        write_file("$dir/log/broken", '');
        kill9($logger);
        wait_state("$dir/log", state => 'backoff');
        full($dir);
        unlink "$dir/log/broken";
    });
stopped('a logger that has failed', log => $log, files => {
        'log/finish' => "#!/bin/sh\n[ ! -e broken ] || exit 125\n" }, before => sub {
        my ($dir) = @_;
        my $logger = up("$dir/log");
        write_file("$dir/log/broken", '');
        kill9($logger);
        wait_state("$dir/log", state => 'failed');
        full($dir);
        unlink "$dir/log/broken";
    });
stopped('a logger that ends at once, always', log => 'exit 1', rest => 1,
    files => { 'log/timeout-kill' => "200\n", 'log/restart-delays' => "0 60000\n" });
stopped('a logger whose supervisor has left', log => $log, before => sub {
    my ($dir, $scan) = @_;
    up("$dir/log");
    is(run([bin('svc'), '-wD', '-x', "$dir/log"])->{exit}, 0, 'it leaves though the service writes on');
    wait_for { !supervisor('web/log') } 'its supervisor to leave';
    full($dir);
});
stopped('a logger that is killed as KILL is all there is time for', log => "trap '' TERM\nread go <gate", rest => 1,
    during => sub {
        my ($dir) = @_;
        wait_for { draining($dir) } 'the drain';
        control("$dir/log", 'K');
    });

# Its directory is removed meanwhile: there is nowhere to keep it, and nobody stays for ever.
{
    my ($scan) = new_scan();
    my $dir = make_pair($scan, 'web', log => "trap '' TERM\nread go <gate", files => { 'log/timeout-kill' => "200\n" });
    my $scanner = scanner($scan);
    my $service = full($dir);
    signal($scanner, 'TERM');
    wait_for { !alive($service) && draining($dir) } 'the drain';
    system('rm', '-rf', $dir) == 0 or die;
    is(wait_exit($scanner, 30)->{exit}, 0, 'a directory that was removed: the scanner stops everything');
    no_processes_left();
    is(said($scan, 'unable to keep what the logger has left in its pipe in supervise/rest, it is lost'), 1, '... it is said what is lost');
}

done_testing();
