# A logger under lares-svscan has a buffer that outlives it: killed again and again while its
# service writes as fast as it can, and its supervisor with it, no line is lost, doubled or cut.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Test::More;

use constant { LINES => 400_000, KILLS => 40 };

my $scan = tmp('scan');
my $dir  = "$scan.d/web";
mkdir $scan;
make_service(
    $dir,
    run => ['sh', '-c', "[ -e done ] || { @{[probe('-', 'lines', LINES)]}; : >done; }; exec sleep 1000"],
    log => "exec @{[bin('log')]} s200000 n100 ./main\n",
    files => { 'log/restart-delays' => "0\n" },
);
symlink $dir, "$scan/web" or die "symlink: $!\n";
my $scanner = spawn([bin('svscan'), $scan]);

sub logger { my $s = eval { read_status("$dir/log") }; return $s && $s->{pid} }

my %killed;
for my $round (1 .. KILLS) {
    my $pid = wait_for { my $p = logger(); $p && !$killed{$p} && alive($p) && $p } 'a logger';
    # A moment of work, of a length that differs.
    my $size = -s "$dir/log/main/current";
    wait_for { -e "$dir/done" || rand() < 0.2 } 'a moment' for 1 .. $round % 5;
    $killed{$pid} = 1;
    my $supervisor = $round % 7 ? 0 : (process_info($pid) || {})->{ppid};
    kill9($supervisor) if $supervisor && $supervisor != $scanner && $supervisor > 1;
    kill9($pid) if alive($pid);
    last if -e "$dir/done" && $round > 20;
}
wait_for { -e "$dir/done" } 'the last line', 60;
signal($scanner, 'TERM');
is(wait_exit($scanner, 30)->{exit}, 0, 'stopped in an orderly manner');

my ($next, $wrong) = (1, '');
for my $file ((sort glob "$dir/log/main/\@*"), "$dir/log/main/current") {
    for my $line (split /\n/, file_text($file)) {
        my ($n) = $line =~ /^\d+ (\d+)$/;
        $wrong ||= "in $file: '$line' where $next was due" if !defined $n || $n != $next;
        $next++;
    }
}
is($wrong, '', scalar(keys %killed) . ' kills: every line in its place');
is($next - 1, LINES, 'and none is missing at the end');
no_processes_left();
done_testing;
