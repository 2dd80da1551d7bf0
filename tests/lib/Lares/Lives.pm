# A service of many short lives under supervisors that are killed again and again, and what has
# to be true of it in the end. Each run notes that it started and how it is going to end; an
# instance that finds another one says so. Part of the harness; not exported by Lares.

package Lares::Lives;

use strict;
use warnings;
use Exporter 'import';
use Lares        ();
use Lares::State;
use Test::More   ();

our @EXPORT = qw(make_lives check_lives);

my $body = <<'END';
#!/bin/sh
echo "start $$" >>runs
sleep 0.0$(($$ % 3))
case $(($$ % 5)) in
0) echo "end 9" >>runs; kill -9 $$ ;;
*) echo "end $(($$ % 100 * 256))" >>runs; exit $(($$ % 100)) ;;
esac
END

sub make_lives {
    my ($dir, %opt) = @_;
    my $setlock = Lares::bin('setlock');
    my $run = "exec $setlock -n only ./body || echo double >>double";
    return Lares::make_service($dir, run => $run, $opt{finish} ? (finish => 'echo "start $1 $2" >>finishes') : (),
        files => { body => { text => $body, mode => 0755 }, 'restart-delays' => "0\n", 'max-history' => "100000\n" });
}

# With a last supervisor, $pid, running: waits for one more life, stops it and checks all.
sub check_lives {
    my ($dir, $pid, %opt) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $seen = read_state($dir)->{starts};
    Lares::wait_for { read_state($dir)->{starts} > $seen } 'one more life';
    control($dir, 'd');
    my $s      = wait_state($dir, state => 'down');
    my $text   = Lares::file_text("$dir/runs");
    my @ends   = $text =~ /^end (\d+)/mg;
    my $starts = starts_of("$dir/runs");
    Test::More::ok(!-e "$dir/double", 'never two at once');
    # The last run may have been ended by d before it said how it would end, or after.
    my @died = grep { $_->{event} eq 'run-died' } read_history($dir);
    pop @died if @died && $died[-1]{wstat} == 15;
    Test::More::is(scalar(grep { $_->{wstat} == -1 } @died), 0, 'no exit status is unknown');
    pop @ends if @ends == @died + 1 && $s->{wstat} == 15;
    Test::More::is(join(' ', map { $_->{wstat} } @died), join(' ', @ends),
        'each death is told once, in order, with its status')
        or Test::More::diag(scalar(@died) . ' told, ' . scalar(@ends) . ' happened');
    Test::More::is($s->{starts}, $s->{deaths}, 'starts and deaths are counted alike');
    Test::More::ok($s->{starts} - $starts <= 1 && $s->{starts} >= $starts, 'and as many as there were')
        or Test::More::diag("counted $s->{starts}, happened $starts");
    Test::More::cmp_ok($starts, '>=', $opt{least} || 1, "lives: $starts");
    my @h = read_history($dir);
    Test::More::is_deeply([map { $_->{sequence} } @h], [1 .. @h], 'the journal has no gap');
    Test::More::cmp_ok(starts_of("$dir/finishes"), '>=', $s->{deaths}, 'finish ran for each death') if -e "$dir/finish";
    Test::More::is(leave_service($dir, $pid), 0, 'leaves');
    Lares::Process::reap_orphans();
    Lares::Check::no_processes_left();
    Lares::Check::no_stray_files("$dir/supervise", undef,
        qr/^(?:lock|child|state|status|history|control|ok|event\/|status\.spare)$/);
    return;
}

1;
