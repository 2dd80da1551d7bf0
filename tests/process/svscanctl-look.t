# lares-svscanctl rescan, which waits until everything is as it should be, stop, and list.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More;

sub ctl { my @arguments = @_; return run([bin('svscanctl'), @arguments], timeout => 70) }
sub listening { my ($dir) = @_; return run([bin('svok'), $dir])->{exit} == 0 }
# name => [pid, state, remarks]
sub listed {
    my ($scan) = @_;
    my $r = ctl('list', $scan);
    return { map { my ($name, @rest) = split /\t/, $_, -1; ($name => \@rest) } split /\n/, $r->{out} };
}

subtest 'rescan waits' => sub {
    my ($scan, $def) = new_scan();
    my $scanner = scanner($scan);
    wait_for { listens($scan) } 'the scanner';
    is(ctl('rescan', $scan)->{exit}, 0, 'nothing to wait for');
    my @wrong;
    for my $round (1 .. 5) {
        sleeper("$scan/real$round");
        link_service($scan, $def, "link$round");
        my $r = ctl('rescan', $scan);
        push @wrong, "round $round: exit $r->{exit}, $r->{err}" if $r->{exit};
        push @wrong, "round $round: $_ is not supervised"
            for grep { !listening("$scan/$_") } map { ("$_$round", "$_$round/log") } qw(real link);
    }
    is_deeply(\@wrong, [], 'what is new is supervised when it ends, with its logger');
    # Removed: a service that takes its time.
    make_service("$def/slow", run => "trap '' TERM\n: >ready\nwhile :; do sleep 1; done", files => { 'timeout-kill' => "700\n" });
    symlink '../def/slow', "$scan/slow";
    is(ctl('rescan', $scan)->{exit}, 0, 'one that ends slowly');
    my $pid = up("$scan/slow");
    wait_for { -e "$def/slow/ready" } 'it to ignore TERM';
    unlink "$scan/slow";
    my $r = ctl('-T', '100', 'rescan', $scan);
    is($r->{exit}, 99, 'the time is over before it has gone');
    like($r->{err}, qr/the time is over$/m, 'said');
    like($r->{err}, qr/slow is still being stopped$/m, '... and who it is');
    like(join(' ', @{ listed($scan)->{slow} }), qr/being stopped$/, 'list shows it too');
    is(ctl('rescan', $scan)->{exit}, 0, 'with more time');
    ok(!alive($pid) && !supervisor('slow'), 'what is not there any more has gone');
    ok(!listed($scan)->{slow}, 'and is not listed');
    # Left, and replaced.
    run([bin('svc'), '-x', "$scan/link1"]);
    wait_for { said($scan, qr/`link1', pid \d+, left/) } 'link1 left';
    is(listed($scan)->{link1}[2], 'its supervisor was told to leave', 'list shows one that was told to leave');
    is(ctl('-a', $scan)->{exit}, 0, '-a');
    wait_for { listening("$scan/link1") } 'it is supervised again';
    my $old = supervisor('link2');
    sleeper("$def/other");
    unlink "$scan/link2";
    symlink '../def/other', "$scan/link2";
    is(ctl('-an', $scan)->{exit}, 0, '-an');
    is(ctl('rescan', $scan)->{exit}, 0, 'and waited for');
    isnt(supervisor('link2'), $old, 'a link that leads elsewhere');
    ok(service_pid("$def/other") || listening("$def/other"), '... is the other service');
    # What cannot run.
    mkdir "$scan/empty";
    make_service("$scan/plain", files => { run => "#!/bin/sh\n" });
    chmod 0644, "$scan/plain/run";
    write_file("$scan/README", "nothing\n");
    $r = ctl('rescan', $scan);
    is($r->{exit}, 1, 'what cannot run: exit 1');
    is($r->{err}, "lares-svscanctl: warning: empty is not supervised: it has no `run'\n"
        . "lares-svscanctl: warning: plain is not supervised: `run' is not executable\n", '... named, with the reason');
    # A link to a disk that is not mounted was passed over in silence.
    rmdir "$scan/empty";
    chmod 0755, "$scan/plain/run";
    symlink "$scan/README", "$scan/link-to-a-file";
    symlink 'nowhere', "$scan/.hidden";
    is(ctl('rescan', $scan)->{exit}, 0, 'files and hidden names are not wrong');
    symlink 'nowhere', "$scan/$_" for 'dangling', 'template@';
    symlink 'circle', "$scan/circle";
    $r = ctl('rescan', $scan);
    is("$r->{exit} $r->{err}", '1 ' . join('', map { "lares-svscanctl: warning: $_\n" }
        'circle is not supervised: a link that leads in a circle', 'dangling is not supervised: a link that leads nowhere',
        'template@ is not supervised: a link that leads nowhere'), 'a link that leads nowhere is named');
    unlink "$scan/$_" for 'dangling', 'template@', 'circle', 'link-to-a-file';
    # One whose supervisor cannot begin: it is not there in time.
    run([bin('svc'), '-x', "$scan/plain"]);
    wait_for { said($scan, qr/`plain', pid \d+, left/) } 'plain left';
    run(['rm', '-r', "$scan/plain/supervise"]);
    write_file("$scan/plain/supervise/lock/x", '');
    $r = ctl('-T', '500', 'rescan', $scan);
    is($r->{exit}, 99, 'one whose supervisor cannot begin: not in time');
    like($r->{err}, qr/plain has no supervisor yet$/m, '... named');
    run(['rm', '-r', "$scan/plain/supervise"]);
    is(ctl('rescan', $scan)->{exit}, 0, 'mended');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# "It has no `run'" where there was a link, and other words of the scanner than of ours.
subtest 'what is wrong with run' => sub {
    my ($scan) = new_scan();
    mkdir "$scan/$_" for qw(broken circle dir fifo none one@two closed);
    symlink 'nowhere', "$scan/broken/run";
    symlink 'run', "$scan/circle/run";
    mkdir "$scan/dir/run";
    run(['mkfifo', "$scan/fifo/run"]);
    write_file("$scan/closed/run", '');
    my %want = (
        broken => "`run' is a link that leads nowhere", circle => "`run' is a link that leads in a circle", dir => "`run' is a directory",
        fifo => "`run' is no regular file", none => "it has no `run'", 'one@two' => "it has no `run', and there is no template `one\@'",
        closed => "`run' is not executable",
    );
    my $scanner = scanner($scan);
    wait_for { listens($scan) && said($scan, 'waiting for') == keys %want } 'the scanner';
    my %told = said_text($scan) =~ /waiting for `(\S+)': (.*)/g;
    is_deeply(\%told, \%want, 'the scanner');
    %told = map { $_ => $want{$_} && listed($scan)->{$_}[2] =~ s/^not supervised, //r } keys %want;
    is_deeply(\%told, \%want, 'list says the same');
    %told = ctl('rescan', $scan)->{err} =~ /warning: (\S+) is not supervised: (.*)/g;
    is_deeply(\%told, \%want, 'rescan, too');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# Rescan waited for its whole time, and said that there is no supervisor yet.
subtest 'supervise/ is taken away' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/$_") for qw(a b);
    my $scanner = scanner($scan);
    both_up("$scan/$_") for qw(a b);
    is(ctl('rescan', $scan)->{exit}, 0, 'everything runs');
    my %pid = map { $_ => supervisor($_) } qw(a b/log);
    run(['rm', '-r', "$scan/$_/supervise"]) for qw(a b/log);
    my $r = ctl('rescan', $scan);
    is("$r->{exit} $r->{err}", '1 ' . join('', map { "lares-svscanctl: warning: $_ cannot be commanded: its supervise/ was taken away, "
        . "supervisor pid $pid{$_} runs on; after `kill $pid{$_}', which stops the service, rescan again\n" } qw(a b/log)), 'said, without waiting');
    is_deeply(listed($scan)->{$_}, [$pid{$_}, '-', 'its supervise/ was taken away'], "list: $_") for qw(a b/log);
    for my $name (qw(a b/log)) {
        kill 'TERM', $pid{$name};
        wait_for { said($scan, qr/`\Q$name\E', pid $pid{$name}, left/) } "$name left";
    }
    $r = ctl('rescan', $scan);
    is("$r->{exit} $r->{err}", '0 ', 'what is advised helps');
    ok(listening("$scan/a") && listening("$scan/b/log"), '... both are supervised again');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'rescan with definitions' => sub {
    my ($scan, $defs) = new_scan();
    sleeper("$defs/$_") for qw(a b);
    my $scanner = scanner($scan, '-d', $defs);
    wait_for { listens($scan) } 'the scanner';
    is(ctl('rescan', $scan)->{exit}, 0, 'rescan');
    ok(listening("$scan/a") && listening("$scan/b/log"), 'what is defined is supervised');
    sleeper("$defs/c");
    rename "$defs/b", tmp('away');
    is(ctl('rescan', $scan)->{exit}, 0, 'one comes, one goes');
    ok(listening("$scan/c"), 'the one is there');
    wait_for { !-e "$scan/b" } 'what was built for the other to be taken away';
    is(listed($scan)->{a}[2], "built from $defs/a", 'list says from what');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'list' => sub {
    my ($scan, $def) = new_scan();
    link_service($scan, $def, 'web');
    mkdir "$scan/t@";
    mkdir "$scan/empty";
    write_file("$scan/README", '');
    symlink 'nowhere', "$scan/dangling";
    mkdir "$scan/a\tb\\";
    make_service("$scan/down", run => 'exec sleep 1000', files => { down => '' });
    my $none = ctl('list', $scan);
    is($none->{exit}, 0, 'without a scanner');
    is(listed($scan)->{web}[2], 'not supervised', '... nothing is supervised');
    my $scanner = scanner($scan);
    my ($web, $log) = both_up("$scan/web");
    wait_state("$scan/down", state => 'down');
    symlink '../def/web', "$scan/www";
    is(ctl('rescan', $scan)->{exit}, 1, 'an alias needs no supervisor (something else cannot run)');
    my $listed = listed($scan);
    my %want = (
        web => [supervisor('web'), 'up', ''], 'web/log' => [supervisor('web/log'), 'up', ''],
        www => ['-', '-', 'alias of web'], 't@' => ['-', '-', 'template'],
        empty => ['-', '-', "not supervised, it has no `run'"], README => ['-', '-', 'not a directory'],
        dangling => ['-', '-', 'a link that leads nowhere'], 'a\x09b\x5c' => ['-', '-', 'no service can bear this name'],
        down => [supervisor('down'), 'down', ''],
    );
    is_deeply($listed->{$_}, $want{$_}, "$_: $want{$_}[2]") for sort keys %want;
    is_deeply([sort keys %$listed], [sort keys %want], 'and nothing else');
    kill9(supervisor('web'));
    wait_for { supervisor('web') && listening("$scan/web") && (listed($scan)->{web}[2] // '') eq 'adopted' } 'adopted';
    pass('a service that was adopted');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# Everything had its supervisor, and it ended before the scanner had read its letter: what was told to
# leave after it was started again, and what had changed was not followed yet.
subtest 'rescan waits for the scanner' => sub {
    my ($scan) = new_scan();
    make_service("$scan/web", run => 'exec sleep 1000');
    my $scanner = scanner($scan);
    up("$scan/web");
    is(ctl('rescan', $scan)->{exit}, 0, 'rescan');
    signal($scanner, 'STOP');
    my $err = tmp('waits.err');
    my $ctl = spawn([bin('svscanctl'), 'rescan', $scan], stderr => $err);
    wait_for { !alive($ctl) || slept($ctl) ne '' } 'it to wait, or to end';
    select undef, undef, undef, 0.3; # that time passes and it does not end is what is asked
    ok(alive($ctl), 'it does not end before the scanner has looked');
    is(scalar(my @fifos = glob "$scan/.lares/event/ftrig1:*"), 1, '... which tells it so');
    signal($scanner, 'CONT');
    is(wait_exit($ctl)->{exit}, 0, 'then it does');
    is(scalar(@fifos = glob "$scan/.lares/event/ftrig1:*"), 0, '... and takes away what it listened with');
    signal($scanner, 'STOP');
    $ctl = spawn([bin('svscanctl'), 'rescan', $scan], stderr => $err);
    wait_for { my @f = glob "$scan/.lares/event/ftrig1:*"; scalar @f } 'another one to wait';
    kill9($scanner);
    wait_exit($scanner);
    is(wait_exit($ctl)->{exit}, 102, 'a scanner that is killed has not looked');
    $scanner = scanner($scan);
    wait_for { listens($scan) && said($scan, qr/found supervisor/) } 'another scanner';
    signal($scanner, 'STOP');
    my $r = ctl('-T', '200', 'rescan', $scan);
    is("$r->{exit} $r->{err}", "99 lares-svscanctl: warning: the time is over: the scanner has not looked yet\n", 'one that does not look');
    # A scanner of before the note does not say that it has looked: only what is there can be seen.
    rename "$scan/.lares/program", "$scan/.lares/program.away";
    is(ctl('rescan', $scan)->{exit}, 0, 'an older one is not waited for');
    signal($scanner, 'CONT');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# It was "not supervised: it has no `run'", exit 1.
subtest 'what is half built' => sub {
    my ($scan, $defs) = new_scan();
    sleeper("$defs/a");
    my $scanner = scanner($scan, '-d', $defs);
    both_up("$scan/a");
    signal($scanner, 'STOP');
    make_service("$defs/b", run => 'exec sleep 1000');
    mkdir "$scan/b" or die;
    symlink "$defs/b", "$scan/b/.definition+" or die;
    like(run([bin('svscanctl'), 'list', $scan])->{out}, qr/^b\t.*defined, not built$/m, 'list says what it is');
    my $r = ctl('-T', '200', 'rescan', $scan);
    is($r->{exit}, 99, 'rescan waits for it');
    like($r->{err}, qr/warning: b is not built yet$/m, '... and says so');
    unlike($r->{err}, qr/it has no/, '... and nothing else of it');
    signal($scanner, 'CONT');
    is(ctl('rescan', $scan)->{exit}, 0, 'then it is');
    is(service_pid("$scan/b") ? 1 : 0, 1, 'b runs') if up("$scan/b");
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

# Who has taken the lock and not signed yet: the record is of the one before.
subtest 'a lock whose record names somebody dead' => sub {
    my ($scan) = new_scan();
    make_service("$scan/web", run => 'exec sleep 1000');
    my $scanner = scanner($scan);
    up("$scan/web");
    my $old = supervisor('web');
    signal($scanner, 'STOP');
    kill9($old);
    wait_for { !alive($old) } 'it to be dead';
    open my $lock, '<', "$scan/web/supervise/lock" or die;
    flock $lock, 2 or die; # LOCK_EX
    is(listed($scan)->{web}[0], '-', 'list does not name it') or diag(run([bin('svscanctl'), 'list', $scan])->{out});
    close $lock;
    signal($scanner, 'CONT');
    wait_for { supervisor('web') } 'another one';
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'stop' => sub {
    my ($scan) = new_scan();
    sleeper("$scan/web");
    make_service("$scan/stubborn", run => "trap '' TERM\n: >ready\nwhile :; do sleep 1; done", files => { 'timeout-kill' => "0\n", 'kill-mode' => "process\n" });
    my $scanner = scanner($scan);
    my $pid = up("$scan/stubborn");
    wait_for { -e "$scan/stubborn/ready" } 'it to ignore TERM';
    both_up("$scan/web");
    my $super = supervisor('stubborn');
    my $err = tmp('ctl.err');
    my $ctl = spawn([bin('svscanctl'), 'stop', $scan], stderr => $err);
    wait_for { !supervisor('web') && !supervisor('web/log') } 'web has gone';
    kill9($scanner);
    is(wait_exit($ctl)->{exit}, 1, 'a scanner that is killed leaves somebody behind: exit 1');
    is(file_text($err), "lares-svscanctl: warning: stubborn is left behind, supervisor pid $super\n", '... named');
    kill9($pid);
    wait_for { !alive($super) } 'the end';
    my $r;
    $r = ctl('stop', "$scan/web");
    is($r->{exit}, 102, 'of a service directory: no scanner');
    like($r->{err}, qr{no scanner runs in \Q$scan\E/web, which is the directory of a service$}, '... and why');
    for my $case ([ ['-b', '/', '-a', $scan], qr/-b is for upgrade/ ], [ ['-a', $scan, 'x'], qr/more than one scan directory: x/ ],
        [ ['rescan', $scan, 'x'], qr/more than one scan directory: x/ ], [ ['-q', $scan], qr/unknown option -q/ ],
        [ ['-T', '0', 'rescan', $scan], qr/option -T: `0' is not a number/ ], [ [], qr/no command/ ], [ ['-a', "$scan/none"], qr{use scan directory \S+/none: No such file} ]) {
        $r = ctl(@{ $case->[0] });
        is($r->{exit}, 100, "@{ $case->[0] }: exit 100");
        like($r->{err}, $case->[1], '... and why');
    }
    no_processes_left();
};
no_zombies();
done_testing;
