#!/usr/bin/perl
# A limit of processes that leaves room for supervisor and service alone: the dead one counts until
# it is reaped, and the next start does not fail by that.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;

plan skip_all => 'prlimit is not installed' if !grep { -x "$_/prlimit" } split /:/, $ENV{PATH};
plan skip_all => 'not root: limits of processes are by user' if $>;

my $uid = 40_000 + $$ % 20_000; # nobody else's
my $dir = make_service(tmp('tight'), run => [probe(tmp('tight') . '.report', 'sleep')],
    files => { 'restart-delays' => "0\n" });
write_file("$dir.report", '');
chown $uid, $uid, $dir, "$dir.report" or die "chown: $!\n";
my $pid = spawn(['prlimit', '--nproc=2:2', bin('supervise'), $dir], uid => $uid, gid => $uid, stderr => "$dir.err");
my $first = wait_state($dir, state => 'up');
for my $life (2 .. 6) {
    my $now = read_state($dir)->{pid};
    kill9($now);
    my $next = wait_state($dir, state => 'up', starts => $life);
    isnt($next->{pid}, $now, "start $life");
}
is(file_text("$dir.err"), '', 'nothing was short');
is(run(['prlimit', '--nproc=2:2', 'sh', '-c', 'true; true & wait'], uid => $uid, gid => $uid)->{exit} ? 1 : 0, 1,
    'the limit is one: a third process cannot be made');
control($dir, 'dx');
is(wait_exit($pid)->{exit}, 0, 'and it leaves');
no_processes_left();
done_testing;
