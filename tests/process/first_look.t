# Regression: for a moment after the first supervisor of a directory had opened its FIFOs there
# was no status and no state yet: svstat said that it cannot open them, svc -w gave up.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Fcntl qw(O_WRONLY O_NONBLOCK);
use Lares;
use Test::More;

my (@no_status, @no_state);
for my $round (1 .. 20) {
    my $dir = make_service(tmp("service$round"), run => 'exec sleep 1000', files => { down => '' });
    my $pid = spawn([bin('supervise'), $dir], quiet => 1);
    my $until = time + 10;
    # No pause: the moment is short.
    until (sysopen my $ok, "$dir/supervise/ok", O_WRONLY | O_NONBLOCK) {
        die "the supervisor does not begin\n" if time > $until;
    }
    my $status = file_text("$dir/supervise/status");
    my $state = file_text("$dir/supervise/state");
    push @no_status, $round if !defined $status || length $status != 20;
    push @no_state, $round if !defined $state || substr($state, 0, 2) ne 'LS';
    signal($pid, 'TERM');
    wait_exit($pid);
}
is("@no_status", '', 'whoever is supervised has a status');
is("@no_state", '', 'and a state');
no_processes_left();
done_testing;
