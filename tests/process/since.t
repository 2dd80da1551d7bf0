# Regression: `since` in supervise/state stayed what it was when the supervisor began, so that
# clients showed every state as lasting from then.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Test::More;

# State (byte 8) and since (bytes 64 to 75) of the record, lares-status(5).
sub state_and_since {
    my ($dir) = @_;
    my $bytes = file_text("$dir/supervise/state");
    return if !defined $bytes || length $bytes != 256 || substr($bytes, 0, 2) ne 'LS';
    return (ord substr($bytes, 8, 1), substr($bytes, 64, 12));
}

my $dir = make_service(tmp('a'), run => 'exec sleep 1000');
my $pid = spawn([bin('supervise'), $dir]);
my $up = wait_for { my ($state, $since) = state_and_since($dir); $since && $state == 3 && $since } 'up';
append_file("$dir/supervise/control", 'd');
my $down = wait_for { my ($state, $since) = state_and_since($dir); $since && $state == 0 && $since } 'down';
ok($down gt $up, 'down since later than up');
append_file("$dir/supervise/control", 'u');
my $again = wait_for { my ($state, $since) = state_and_since($dir); $since && $state == 3 && $since } 'up again';
ok($again gt $down, 'up again since later than down');
kill9(read_status($dir)->{pid});
wait_for { my ($state, $since) = state_and_since($dir); $since && $since gt $again } 'a new life or a delay has its own since';
pass('a death changes since');
signal($pid, 'TERM');
is(wait_exit($pid)->{exit}, 0, 'left when told');
no_processes_left();
done_testing;
