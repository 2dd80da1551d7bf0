# svhist: what the journal says, as text and as JSON; from a number on, the last ones, several in the
# order of their times; followed over the death, the upgrade and the restart of the supervisor, a
# reader that was stopped, a ring that was overtaken and a journal that is another.

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Lares;
use Lares::Fake;
use Lares::State;
use Test::More;

my $serial = 0;
sub hist { return run([ bin('svhist'), @_ ]) }
# The last line may be about to be written.
sub objects { return map { JSON::PP->new->utf8->decode($_) } $_[0] =~ /^(.*)\n/mg }

# --- what is printed -----------------------------------------------------------------------------
my $dir = fake_start(tmp('sv'));
fake_tell($dir, 'state=up role=run want=up pid=77 starts+ event=boot publish');
fake_tell($dir, 'flags=1 event=pause reason=1 detail=112 publish');
fake_tell($dir, 'flags=0 event=continue detail=99 publish');
fake_tell($dir, 'state=backoff role=none pid=0 deaths+ reason=3 detail=11 wstat=139 event=run-died publish');
fake_tell($dir, 'state=finishing flags=8 stop=1 want=down role=finish pid=78 reason=1 detail=100 event=down publish');
fake_tell($dir, 'state=down stop=0 flags=0 role=none pid=0 wstat=25600 event=finish-done publish');
my $time = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;
my $r = hist($dir);
like($r->{out}, qr/\A$time 1 boot -> up, want up, pid 77
$time 2 pause -> up, paused, want up, pid 77 \(told to by command p\)
$time 3 continue -> up, want up, pid 77 \(told to by command c\)
$time 4 run-died -> backoff, want up \(killed by SIGSEGV\)
$time 5 down -> finishing, want down, finish pid 78 \(told to by command d\)
$time 6 finish-done -> down, want down \(told to by command d\)\n\z/, 'text: a line a record');
is("$r->{exit} $r->{err}", '0 ', 'and nothing else');
is(join('', map { / (\d+) / } split /\n/, hist('-n', 2, $dir)->{out}), '56', '-n: the last two');
is(hist('-n', 100, $dir)->{out}, $r->{out}, '-n: all when there are no more');
is(hist('-n', 0, $dir)->{out}, '', '-n 0: none');
is(join('', map { / (\d+) / } split /\n/, hist('-s', 4, $dir)->{out}), '456', '-s: from a number on');
is(hist('-s', 7, $dir)->{out}, '', '-s: the next to come');
is(hist('-s', 0, $dir)->{out}, $r->{out}, '-s 0: all');

my @o = objects(hist('-j', $dir)->{out});
is(scalar @o, 6, '-j: an object a record');
is_deeply($o[3], { version => 1, directory => $dir, sequence => 4, at => $o[3]{at}, event => 'run-died', state => 'backoff',
    want => 'up', process => 'none', stop => 'none', map({ $_ => JSON::PP::false } qw(ready paused leaving finish_owed killed)),
    early_deaths => 0, pid => 0, reason => 'killed', reason_detail => 11, reason_text => 'killed by SIGSEGV',
    exit_code => undef, exit_signal => 11 }, '-j: every field');
like($o[3]{at}, qr/^$time$/, '-j: the time');
is("$o[5]{exit_code} $o[5]{pid}", '100 0', '-j: an exit code');
is("$o[4]{process} $o[4]{stop} $o[4]{finish_owed}", 'finish full 1', '-j: finish runs');
is(hist('--json', $dir)->{out}, hist('-j', $dir)->{out}, '--json is -j');
my $odd = fake_start(tmp("odd\xff\"name"));
fake_tell($odd, 'state=up role=run want=up pid=79 starts+ event=boot publish');
@o = objects(hist('-j', $odd)->{out});
is(pack('H*', $o[0]{directory_hex}), $odd, '-j: a name that is not UTF-8');

my @lines = split /\n/, hist($dir, $odd)->{out};
is(scalar @lines, 7, 'several: all of both');
is_deeply([ map { / (\S+)$/; (split)[0] } @lines ], [ sort map { (split)[0] } @lines ], 'several: in the order of their times');
is(scalar(grep { /^$time \Q$odd\E 1 boot/ } @lines), 1, 'several: each line says which');

# --- what is not there -----------------------------------------------------------------------------
$r = hist(tmp('none'), $dir);
is("$r->{exit} " . scalar(() = $r->{out} =~ /\n/g), '102 6', 'one that does not exist: the others are printed, 102');
like($r->{err}, qr/none: there is no such directory/, 'and it is named');
File::Path::make_path(tmp('bare'));
like(hist(tmp('bare'))->{err}, qr/bare: no supervise\/history in it/, 'one without a journal');
write_file(tmp('torn/supervise/history'), "x" x 500);
is(hist(tmp('torn'))->{out}, '', 'nonsense holds no records');
File::Path::make_path(tmp('not/supervise/history'));
$r = hist(tmp('not'));
is($r->{exit}, 111, 'a directory in its place');
like($r->{err}, qr/not: it is damaged/, 'is told');
open my $full, '>', '/dev/full' or die;
is(wait_exit(spawn([ bin('svhist'), $dir ], stdout => $full, stderr => tmp('.full')))->{exit}, 111, 'no space for what is printed');
like(file_text(tmp('.full')), qr/unable to write to standard output: No space/, 'is told');
for my $case ([ [], qr/no service directory given/ ], [ [ '-n', 'x', 'a' ], qr/-n: a number from 0 to \d+ is expected, not x/ ],
    [ [ '-s', '', 'a' ], qr/-s: a number from 0 to \d+ is expected, not \(empty\)/ ], [ [ '-n', 1, '-s', 1, 'a' ], qr/-n or -s, not both/ ], [ ['-x'], qr/unknown option -x/ ]) {
    $r = hist(@{ $case->[0] });
    is($r->{exit}, 100, "svhist @{ $case->[0] }: wrong usage");
    like($r->{err}, $case->[1], 'says what is wrong');
}
fake_end($_) for $dir, $odd;

# --- followed ------------------------------------------------------------------------------------------
my $web = make_service(tmp('web'), run => [ probe(tmp('web.report'), 'sleep') ],
    files => { 'restart-delays' => "0\n", 'restart-reset' => "0\n", 'max-history' => "64\n" });
my $supervisor = supervise($web);
wait_state($web, state => 'up');
my ($out, $follower);
sub follow {
    $out = tmp('.follow' . ++$serial);
    $follower = spawn([ bin('svhist'), '-f', @_ ], stdout => $out, stderr => "$out.err");
    # Asleep: it has looked where the journal ends.
    return wait_for { my @fifo = glob "$web/supervise/event/ftrig1*"; @fifo && (process_info($follower) || {})->{state} eq 'S' } 'svhist to listen';
}
sub last_told { return (objects(file_text($out)))[-1] || {} }
# Every number from the first on, each once, in order; ranges that are lost count.
sub all_told {
    my ($first, $name) = @_;
    my ($expected, $wrong, @lost) = ($first, '');
    my $latest = wait_for {
        my $s = read_state($web);
        my $told = last_told();
        $s && ($told->{sequence} || 0) == $s->{sequence} ? $s : undef
    } "$name: the last to be told";
    for my $o (objects(file_text($out))) {
        my $at = $o->{sequence} // $o->{lost_from};
        $wrong .= " $at instead of $expected" if $at != $expected;
        push @lost, "$o->{lost_from}-$o->{lost_to}" if defined $o->{lost_from};
        $expected = ($o->{sequence} // $o->{lost_to}) + 1;
    }
    is($wrong, '', "$name: each change once, in order");
    return join ' ', @lost;
}
sub say_to { my ($letters) = @_; control($web, $letters) or die 'control' }
sub pairs {
    my ($count) = @_;
    for (1 .. $count) {
        my $before = read_state($web)->{sequence};
        say_to('pc');
        wait_for { read_state($web)->{sequence} >= $before + 2 } 'the letters to be obeyed';
    }
}
follow('-j', $web);
pairs(5);
is(all_told(1, 'as they come'), '', 'nothing is lost');
say_to('k');
wait_state($web, deaths => 1, state => 'up');
all_told(1, 'a death');
kill9($supervisor);
wait_exit($supervisor);
$supervisor = supervise($web);
pairs(3);
all_told(1, 'after a kill of the supervisor');
say_to('Z');
wait_for { (file_text("/proc/$supervisor/cmdline") // '') =~ /\0-r/ } 'the upgrade';
pairs(3);
all_told(1, 'after an upgrade');

signal($follower, 'STOP');
my $mark = read_state($web)->{sequence};
pairs(20);
signal($follower, 'CONT');
is(all_told(1, 'stopped for a while'), '', 'nothing is lost while the ring holds it');
signal($follower, 'STOP');
$mark = read_state($web)->{sequence};
pairs(80);
signal($follower, 'CONT');
my $now = read_state($web)->{sequence};
is(all_told(1, 'stopped for longer'), ($mark + 1) . '-' . ($now - 64), 'overtaken: exactly what the ring no longer holds is said to be lost');
is((objects(hist('-j', '-s', $mark + 1, $web)->{out}))[0]{lost_to}, $now - 64, '-s: the same for who comes late');
ok(!grep({ defined $_->{lost_from} } objects(hist('-j', $web)->{out})), 'who asks for no number has lost nothing');

signal($follower, 'TERM');
is(wait_exit($follower)->{signal}, 15, 'a signal ends it');
is(join(' ', glob "$web/supervise/event/*"), '', 'and no FIFO is left');
follow('-j', '-n', 0, $web);
$mark = read_state($web)->{sequence} + 1;
pairs(1);
all_told($mark, '-n 0 -f: only what comes');

# Another journal under the same name; nobody wakes us for that.
leave_service($web, $supervisor);
File::Path::remove_tree("$web/supervise");
$supervisor = supervise($web);
wait_state($web, state => 'up');
wait_for { grep { defined $_->{anew_after} } objects(file_text($out)) } 'the other journal to be told';
wait_for { (last_told()->{sequence} || 0) == read_state($web)->{sequence} } 'its records';
my @told = objects(file_text($out));
my ($anew) = grep { defined $told[$_]{anew_after} } 0 .. $#told;
is($told[$anew]{anew_after}, $told[ $anew - 1 ]{sequence}, 'another journal: where the old one ended');
is($told[ $anew + 1 ]{sequence}, 1, 'and numbers begin anew');
pairs(2);
wait_for { (last_told()->{sequence} || 0) == read_state($web)->{sequence} } 'to be woken again';

# One more, whose numbers have reached the reader's before it looks: they were taken for the old one's.
signal($follower, 'STOP');
$mark = read_state($web)->{sequence};
leave_service($web, $supervisor);
File::Path::remove_tree("$web/supervise");
$supervisor = supervise($web);
wait_state($web, state => 'up');
pairs($mark);
signal($follower, 'CONT');
wait_for { (last_told()->{at} || '') eq ((objects(hist('-j', '-n', 1, $web)->{out}))[0]{at}) } 'its records';
@told = objects(file_text($out));
($anew) = reverse grep { defined $told[$_]{anew_after} } 0 .. $#told;
is($told[$anew]{anew_after}, $told[ $anew - 1 ]{sequence}, 'another journal with the same numbers');
is($told[ $anew - 1 ]{state}, 'down', 'the old one was read to its end, though it was removed meanwhile');
is(join(' ', map { $_->{sequence} } @told[ $anew + 1 .. $#told ]), join(' ', 1 .. read_state($web)->{sequence}), 'from its beginning');

# The name of a service is taken away: its end is told all the same.
symlink $web, tmp('name') or die;
signal($follower, 'TERM'); # so that no FIFO is left but the next one's
wait_exit($follower);
follow('-j', '-n', 0, tmp('name'));
unlink tmp('name') or die;
leave_service($web, $supervisor);
wait_for { (last_told()->{state} || '') eq 'down' } 'the end of what has no name any more';
ok(last_told()->{leaving}, 'told: it was to leave');
$supervisor = supervise($web);
wait_state($web, state => 'up');

# Whoever reads it has seen enough.
signal($follower, 'KILL');
wait_exit($follower);
pairs(1);
wait_for { !glob "$web/supervise/event/*" } 'its FIFO to be removed';
pipe my $reader, my $writer or die;
$follower = spawn([ bin('svhist'), '-f', '-n', 0, $web ], stdout => $writer, stderr => tmp('.pipe'));
close $writer;
wait_for { my @fifo = glob "$web/supervise/event/ftrig1*"; @fifo && slept($follower) ne '' } 'svhist to listen';
close $reader;
pairs(1);
is(wait_exit($follower)->{exit}, 111, 'it ends when nobody reads any more');
is(file_text(tmp('.pipe')), '', 'without a word');
leave_service($web, $supervisor);
no_processes_left();
done_testing();
