# A stop while the disk is full: the logger waits for room as long as it may, what it has read stays
# in its buffer and what it has not comes into a file, or stays in the pipe until that has room.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Lares::Drain;
use Lares::Mounts;
use Test::More;

my $log = "exec lares-log s1000000 n1000 ./main";

sub fill {
    my ($dir) = @_;
    open my $out, '>>', "$dir/filler" or die;
    for my $size (65_536, 4096, 512, 1) {
        1 while syswrite $out, "\0" x $size;
    }
}

sub counted {
    my ($dir, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($have, $want) = account($dir);
    is($have, $want, "$what: every line in its place");
}

# A pair whose log/main, or another directory, is a small disk which is full by the time it is
# drained. quick: the service writes as fast as it can, else the logger has read all that there is.
sub stop_on_full {
    my ($what, %c) = @_;
    my ($scan) = new_scan();
    my $dir = make_pair($scan, 'web', log => $log, pause => $c{quick} ? 0 : 5000, files => $c{files});
    for my $place (@{ $c{places} }) {
        mkdir "$dir/log/$place", 0700;
        if (!mount_tmpfs("$dir/log/$place", 'mode=700,size=' . ($place eq 'supervise' ? '400k' : '64k'))) { return }
    }
    fill("$dir/log/main") if !$c{quick}; # no room for the first line, and no second one for long
    my $scanner = scanner($scan);
    if ($c{quick}) {
        wait_for { log_lines($dir) } 'lines';
        fill("$dir/log/$_") for @{ $c{places} };
        full($dir);
    }
    wait_for { said($scan, 'writing file in directory|unable to write') } 'the full disk to be said';
    my $service = service_pid($dir);
    signal($scanner, 'TERM');
    wait_for { !alive($service) && draining($dir) } 'the drain';
    return ($scan, $dir, $scanner);
}

# Room for all that there is.
sub freed {
    my ($dir, $place) = @_;
    unlink "$dir/log/$place/filler" or die "$place: $!\n";
    system('mount', '-o', 'remount,size=9m', "$dir/log/$place") == 0 or die;
}

# Its next life writes line by line: one that writes as fast as it can may fill that room, too, before
# it is stopped.
sub unhurried {
    my ($dir) = @_;
    my $run = file_text("$dir/run");
    $run =~ s/'0'\n\z/'5000'\n/ or die "no pause in $run";
    write_file("$dir/run", $run);
}

sub ended {
    my ($what, $scanner) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(wait_exit($scanner, 30)->{exit}, 0, "$what: the scanner stops everything");
    no_processes_left();
}

for my $quick (0, 1) {
    my $load = $quick ? 'with a full pipe' : 'with an empty pipe';
    # The third again and again: a logger just started for the drain was taken for one that shares its
    # pipe with a stranger, as the child held a writing end until it had become the logger; it was told
    # to end before it had written what the one before had read (one in ten on a busy machine).
    my @both = ('logger', 'log supervisor');
    for my $kill ([], ['logger'], (\@both) x ($quick ? 1 : 8), ['log supervisor']) {
    SKIP: {
            my $what = "freed in time, $load, " . (@$kill ? 'after kill of ' . join ' and ', @$kill : 'nobody killed');
            my ($scan, $dir, $scanner) = stop_on_full($what, quick => $quick, places => ['main'],
                files => { 'log/restart-delays' => $quick ? "0\n" : "300\n" });
            skip $Lares::Mounts::why, 1 if !$scan;
            my %pid = ('log supervisor' => supervisor('web/log'), logger => service_pid("$dir/log"));
            # With both, nobody starts a logger in between.
            signal($pid{'log supervisor'}, 'STOP') if @$kill == 2;
            for (@$kill) {
                kill9($pid{$_});
                wait_for { !alive($pid{$_}) } "the end of the $_";
            }
            ok(alive($scanner), "$what: nobody leaves");
            freed($dir, 'main');
            ended($what, $scanner);
            is(rest_of($dir), 0, "$what: nothing is left");
            counted($dir, $what);
        }
    }
}

SKIP: {
    my $what = 'never freed';
    my ($scan, $dir, $scanner) = stop_on_full($what, quick => 1, places => ['main'], files => { 'log/timeout-kill' => "300\n" });
    skip $Lares::Mounts::why, 1 if !$scan;
    ended($what, $scanner);
    cmp_ok(rest_of($dir), '>', 60_000, "$what: what is left is kept");
    freed($dir, 'main');
    unhurried($dir);
    is(goes_on($scan, $dir), 0, "$what: and it goes on");
    no_processes_left();
    counted($dir, $what);
}

SKIP: {
    my $what = 'no room for what is left';
    my ($scan, $dir, $scanner) = stop_on_full($what, quick => 1, places => ['main', 'supervise'], files => { 'log/timeout-kill' => "300\n" });
    skip $Lares::Mounts::why, 1 if !$scan;
    wait_for { said($scan, 'unable to keep what the logger has left .*No space left') } 'the complaint';
    my $old = supervisor('web/log');
    kill9($old);
    wait_for { my $pid = supervisor('web/log'); $pid && $pid != $old } 'another one';
    ok(alive($scanner), "$what: nobody leaves");
    freed($dir, 'supervise');
    ended($what, $scanner);
    cmp_ok(rest_of($dir), '>', 60_000, "$what: what is left is kept");
    freed($dir, 'main');
    unhurried($dir);
    is(goes_on($scan, $dir), 0, "$what: and it goes on");
    no_processes_left();
    counted($dir, $what);
}

done_testing();
