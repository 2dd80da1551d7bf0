# svstat: the last lines of the log of a service that has failed or is in backoff.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use JSON::PP;
use Test::More;

my $dir = make_service(tmp('web'), run => 'exit 1', files => { 'restart-delays' => "100000\n", 'max-deaths' => "2 100000\n" });
my $current = "$dir/log/main/current";
sub text { return run([bin('svstat'), @_, $dir])->{out} }
sub json { return decode_json(run([bin('svstat'), '--json', $dir])->{out})->[0] }

my $pid = supervise($dir);
wait_state($dir, state => 'backoff');
is(scalar(() = text('-l', 5) =~ /\n/g), 1, 'no log: one line');
is(json()->{last_output}, undef, '... and null');
my $stamp = '@4000000065f0c0de0badcafe ';
write_file($current, join '', map { "$stamp" . "line $_\n" } 1 .. 500);
my $line = text();
unlike($line, qr/\n./, 'for programs it is one line a directory');
is((split /\n/, text('-l', 3), 2)[1], "    | line 498\n    | line 499\n    | line 500\n", '-l: so many lines, without their stamps');
is(json()->{last_output}, join("\n", map { "line $_" } 496 .. 500), '--json: five');
my @most = text('-l', 100) =~ /^    \| (.*)/mg;
ok(@most > 50 && @most < 60, 'bounded by what is read') or diag scalar @most;
is($most[0], 'line ' . (501 - @most), '... in whole lines');
write_file($current, "a\e[2Jb\x00\x07\xff up\tc\r\nhalf");
is((split /\n/, text('-l', 2), 2)[1], "    | a?[2Jb??? up c?\n    | half\n", 'nothing that a terminal would act on; a line without its end, too');
unlink $current;
make_fifo($current);
is(json()->{last_output}, undef, 'a FIFO in its place is not waited for');
unlink $current;
mkdir $current;
is(json()->{last_output}, undef, 'nor a directory');
rmdir $current;
write_file($current, '');
is(json()->{last_output}, undef, 'an empty one');
write_file($current, "the reason\n");
control($dir, 'u');
wait_state($dir, state => 'backoff', starts => 2);
write_file("$dir/restart-delays", "0\n");
control($dir, 'o');
control($dir, 'u');
my $s = wait_state($dir, state => 'failed');
is(json()->{last_output}, 'the reason', 'failed: with the reason and the last lines');
is(json()->{reason}, 'too-many-deaths', '...');
control($dir, 'd');
wait_state($dir, state => 'down');
is(json()->{last_output}, undef, 'not when it is down on purpose');
is(run([bin('svstat'), '-l', $_, $dir])->{exit}, 100, "-l $_") for 'x', 101, '-1';
leave_service($dir, $pid);
done_testing;
