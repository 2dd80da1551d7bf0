# A logger that may drop, since what it writes to is not read: lares-svstat shows how much was lost,
# also after the logger was killed.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Lares;
use Test::More;

use constant LINES => 30_000;

my $scan = tmp('scan');
my $dir  = "$scan.d/web";
mkdir $scan;
make_service(
    $dir,
    run   => ['sh', '-c', "[ -e done ] || { @{[probe('-', 'lines', LINES)]}; : >done; }; exec sleep 1000"],
    log   => "exec @{[bin('log')]} n100 ./main o 1 1<>fifo\n",
);
make_fifo("$dir/log/fifo");
symlink $dir, "$scan/web" or die "symlink: $!\n";
my $scanner = spawn([bin('svscan'), $scan]);

sub status { return JSON::PP->new->decode(scalar qx(@{[bin('svstat')]} --json $dir/$_[0]))->[0] }

wait_for { -e "$dir/done" } 'a service that is not held up', 60;
my $dropped = wait_for { my $n = status('log')->{dropped_lines}; $n } 'a count';
cmp_ok($dropped, '<', LINES, 'lines that were dropped are counted');
cmp_ok(status('log')->{dropped_bytes}, '>', $dropped, 'and their bytes');
like(scalar qx(@{[bin('svstat')]} $dir/log), qr/, lines of the log dropped: \d+\b/, 'and shown');
is(status('')->{dropped_lines}, undef, 'a service has no such count');
my $pid = read_status("$dir/log")->{pid};
kill9($pid);
wait_for { my $s = eval { read_status("$dir/log") }; $s && $s->{pid} && $s->{pid} != $pid } 'another logger';
cmp_ok(status('log')->{dropped_lines}, '>=', $dropped, 'the next one goes on counting');
sub written { return scalar(join('', map { file_text($_) } (sort glob "$dir/log/main/\@*"), "$dir/log/main/current") =~ tr/\n//) }
# What was in the pipe just then the next one writes.
wait_for { LINES <= written() } 'all lines to be written';
is(written(), LINES, 'the file has them all');
signal($scanner, 'TERM');
is(wait_exit($scanner, 30)->{exit}, 0, 'stopped in an orderly manner');
no_processes_left();
done_testing;
