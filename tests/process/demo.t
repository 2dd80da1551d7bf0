# The demos as people run them: exit code 0, what they are to show, nothing left.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Test::More;

my $scratch = tmp('scratch');
mkdir $scratch or die "unable to make $scratch: $!\n";
my $demo = source_dir() . '/examples/demo/run';
# Half a minute is what the demo may take.
my $result = run(['sh', $demo], timeout => 30, env => { LARES_BUILD => build_dir() . '/bin', TMPDIR => $scratch });
is($result->{exit}, 0, 'the demo ends well') or diag($result->{out}, $result->{err});
is($result->{err}, '', 'nothing on standard error');

my $out = $result->{out};
my @shown = (
    ['the table of all six services', qr{^scan/broken: .*\n(?:scan/.*\n){4}scan/stubborn: up }m],
    ['a start that fails, and the next try', qr{^scan/broken: down .*backoff: start failed.*next start in \d}m],
    ['a server that is ready', qr{^scan/greeter: up \(pid \d+\) \d+ seconds, ready }m],
    ['a service killed and restarted', qr{^scan/greeter: up .*restarts 1, last run killed by SIGKILL}m],
    ['growing delays', qr{(?:^\S+Z started\n^\S+Z dying\n){4}}m],
    ['a bounded log directory', qr{^-\S+ .* \@4[0-9a-f]{23}\.s\n(?:.*\n)?.* current\n}m],
    ['down at last', qr{^scan/stubborn: down .*killed by SIGKILL}m],
    ['the stop', qr{^scan/greeter: supervise not running$}m],
);
like($out, $_->[1], "shows $_->[0]") for @shown;

my ($before, $after) = $out =~ /^hello from pid (\d+), answer 1$/mg;
ok($before && $after && $before != $after, 'the server answers before and after the kill, as another process');
my ($kept, $adopted) = $out =~ /^scan\/counter: up \(pid (\d+)\)/mg;
ok($kept && $kept == $adopted, 'the counter keeps its pid when its supervisor is killed');
like($out, qr/^scan\/counter: up .*, adopted/m, 'and is adopted');
my ($bytes, $most) = $out =~ /^(\d+) bytes of at most (\d+)\.$/m;
ok($bytes && $bytes <= $most && $bytes > 8000, 'the bounded log is full and within its bound');
my ($ms) = $out =~ /killed: (\d+) ms/;
ok($ms && $ms >= 2000, 'not killed before its time');

is(join(' ', files_in($scratch)), '', 'its folder is removed');
no_processes_left();

# Forty seconds is what this one may take.
$result = run(['sh', source_dir() . '/examples/demo/survival'], timeout => 40,
    env => { LARES_BUILD => build_dir() . '/bin', TMPDIR => $scratch });
is($result->{exit}, 0, 'survival: ends well') or diag($result->{out}, $result->{err});
is($result->{err}, '', 'survival: nothing on standard error');
$out = $result->{out};
my ($counter) = $out =~ /^Remember the counter's process id: (\d+)\./m;
my @pids = $out =~ /\bcounter(?: is|) +(?:was |)pid (\d+)/g;
cmp_ok(scalar @pids, '>=', 11, 'survival: the pid is shown again and again') or diag($out);
is(join(' ', grep { $_ != $counter } @pids), '', 'survival: always the same');
my ($killed, @each) = $out =~ /^killed with -9 +(\d+) processes: the scanner (\d+) times, the supervisor (\d+),\n +the logger's supervisor (\d+), the logger (\d+)$/m;
cmp_ok($killed, '>=', 50, "survival: $killed kills");
is(scalar(grep { $_ >= 5 } @each), 4, "survival: of each sort: @each");
like($out, qr/^upgraded in place     6 times, and once refused$/m, 'survival: upgraded');
like($out, qr/^lares-svscanctl: fatal: upgrade refused by the scanner: .*lares-supervise (?:was killed by signal \d+ when it was tried|cannot be executed: .*)$/m, 'survival: why one was refused');
my ($wrote) = $out =~ /^lines it wrote +(\d+)$/m;
cmp_ok($wrote, '>', 50, 'survival: lines were written');
like($out, qr/^lines in its log +$wrote, missing 0, doubled 0$/m, 'survival: and none is missing or doubled');
like($out, qr/^processes left +0$/m, 'survival: no process is left');
is(join(' ', files_in($scratch)), '', 'survival: its folder is removed');
no_processes_left();
done_testing;
