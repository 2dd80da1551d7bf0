# Scan directories on a full disk, on a read-only one, removed, moved and unmounted: services go
# on, are controlled and restarted, it is said once, and all is in order again afterwards.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Mounts;
use Lares::Scan;
use JSON::PP ();
use Test::More;

sub status_of { my ($dir) = @_; return JSON::PP::decode_json(run([bin('svstat'), '--json', $dir])->{out})->[0] }
sub svc { my (@words) = @_; return run([bin('svc'), '-T', 5000, @words])->{exit} }

# Lines that say the same but for the time and pids, more often than that. (Each supervisor says
# once what it cannot write.)
sub said_more_than {
    my ($most, $scan) = @_;
    my %times;
    $times{ s/^\S+ //r =~ s/pid \d+/pid N/gr }++ for split /\n/, said_text($scan);
    return join "\n", grep { $times{$_} > $most } sort keys %times;
}

# No byte and no inode left.
sub fill {
    my ($dir) = @_;
    mkdir $dir;
    open my $out, '>', "$dir/bytes" or die "$dir: $!\n";
    for my $size (4096, 1) { 1 while syswrite $out, 'x' x $size }
    close $out;
    my $n = 0;
    1 while symlink '.', "$dir/" . $n++;
}

sub main_of { my ($dir) = @_; my $s = status_of($dir); return $s->{state} eq 'up' && alive($s->{pid}) ? $s->{pid} : undef }

subtest 'full disk' => sub {
    my ($scan, $def) = new_scan();
    mount_tmpfs($scan, 'size=2m,nr_inodes=200') or plan skip_all => $Lares::Mounts::why;
    sleeper("$def/web");
    make_service("$def/notifier", run => 'echo >&3; exec sleep 1000', files => { 'notification-fd' => "3\n" });
    make_service("$def/late", run => 'exec sleep 1000');
    chmod 0644, "$def/late/run";
    is(run(['cp', '-r', "$def/web", "$def/notifier", "$def/late", $scan])->{exit}, 0, 'copied');
    my $scanner = scanner($scan);
    my ($web, $log) = both_up("$scan/web");
    my $notifier = up("$scan/notifier");
    wait_for { said($scan, qr/waiting for `late'/) } 'late seen';
    fill("$scan/.filler");
    chmod 0755, "$scan/late/run";
    wait_for { said($scan, qr{unable to make directory late/supervise: No space left}) } 'what is wrong with late';
    kill9($_) for $web, $notifier;
    my $next = wait_for { my $p = main_of("$scan/web"); $p && $p != $web && $p } 'another web';
    wait_for { my $s = status_of("$scan/notifier"); $s->{pid} != $notifier && $s->{ready} } 'another notifier';
    pass('services that die are started again, and become ready');
    is(service_pid("$scan/web"), $next, 'the classic status says so, too');
    is(svc('-d', "$scan/web"), 0, 'svc -d');
    wait_for { status_of("$scan/web")->{state} eq 'down' } 'down';
    ok(!alive($next), 'it is down');
    is(svc('-u', "$scan/web"), 0, 'svc -u');
    my $main = wait_for { main_of("$scan/web") } 'up';
    my $old = supervisor('web');
    kill9($old);
    wait_for { my $new = supervisor('web'); $new && $new != $old && said($scan, qr/web found the service running/) } 'another supervisor';
    is(main_of("$scan/web"), $main, 'a new supervisor keeps the service');
    File::Path::remove_tree("$scan/.filler");
    ok((wait_for { service_pid("$scan/late") } 'late', 30), 'with room again what could not begin does, by itself');
    is(service_pid("$scan/web"), $main, '... and all is as it was');
    is(service_pid("$scan/web/log"), $log, '... the logger, too');
    is(svc('-wD', '-d', "$scan/web"), 0, 'svc -wD -d');
    is(stop_scanner($scanner), 0, 'TERM: exit 0');
    no_processes_left();
    diag(said_text($scan)) if $ENV{LARES_SHOW};
    unmount($scan);
};

subtest 'read-only' => sub {
    my ($scan, $def) = new_scan();
    my $state = "$scan/../state";
    mkdir $state;
    sleeper("$scan/web");
    mkdir "$state/$_" for qw(web);
    symlink "$state/web/service", "$scan/web/supervise";
    symlink "$state/web/log", "$scan/web/log/supervise";
    sleeper("$scan/none");
    mount_readonly($scan) or plan skip_all => $Lares::Mounts::why;
    my $tries = tmp('tries');
    my $real  = bin('supervise');
    write_file(tmp('b/lares-supervise'), "#!$^X\nopen my \$out, '>>', '$tries';\nsyswrite \$out, qq{\@ARGV\\n};\n"
            . "exec { '$real' } 'lares-supervise', \@ARGV;\n", 0755);
    my $scanner = scanner($scan, '-b', tmp('b'));
    my ($web) = both_up("$scan/web");
    ok($web, 'a service whose supervise is a link to a writable place runs');
    wait_for { said($scan, qr/Read-only/) >= 2 } 'complaints';
    like(said_text($scan), qr/warning svscan unable to use \.lares.*Read-only file system/, 'the scanner says what it cannot write');
    like(said_text($scan), qr/none\/supervise.*Read-only/, '... and the supervisor of the other');
    wait_for { (() = (file_text($tries) // '') =~ /^-q?s none$/mg) > 3 } 'four tries';
    is(said($scan, qr{none/supervise}), 2, '... twice, not each time it is tried again');
    kill9($web);
    ok((wait_for { my $p = service_pid("$scan/web"); $p && $p != $web } 'another'), 'it is restarted');
    $web = service_pid("$scan/web");
    kill9($scanner);
    wait_exit($scanner);
    $scanner = scanner($scan);
    wait_for { said($scan, qr/found supervisor of `web' running/) } 'another scanner';
    is(service_pid("$scan/web"), $web, 'another scanner finds it');
    is(svc('-wD', '-d', "$scan/web"), 0, 'svc -wD -d');
    is(stop_scanner($scanner), 0, 'TERM: exit 0');
    no_processes_left();
    diag(said_text($scan)) if $ENV{LARES_SHOW};
    unmount($scan);
};

# Where the definitions stay and the scan directory goes. Its emptiness where a mount was does not
# mean that everything is to be stopped.
subtest 'moved, unmounted' => sub {
    my (%scan, %def, %scanner, %pid);
    for my $case (qw(moved unmounted)) {
        ($scan{$case}, $def{$case}) = new_scan();
        if ($case eq 'unmounted' && !mount_tmpfs($scan{$case}, 'size=2m')) {
            diag($Lares::Mounts::why);
            delete $scan{$case};
            next;
        }
        sleeper("$def{$case}/$_") for qw(web other);
        symlink "$def{$case}/web", "$scan{$case}/web";
        $scanner{$case} = scanner($scan{$case});
        ($pid{$case}) = both_up("$scan{$case}/web");
    }
    my @cases = sort keys %scan;
    rename $scan{moved}, "$scan{moved}.away";
    unmount($scan{unmounted}) if $scan{unmounted};
    for my $case (@cases) {
        signal($scanner{$case}, 'HUP') if $case eq 'unmounted'; # an unmount says nothing
        wait_for { said($scan{$case}, qr/ is gone; what runs goes on/) } "$case noticed";
        signal($scanner{$case}, 'HUP');
        wait_for { said($scan{$case}, qr/looking at everything anew/) == 1 + ($case eq 'unmounted') } 'another look';
        kill9($pid{$case});
        my $next = wait_for { my $p = service_pid("$def{$case}/web"); $p && $p != $pid{$case} && $p } 'the next';
        ok($next, "$case: the service goes on, and is restarted when it dies");
        $pid{$case} = $next;
    }
    rename "$scan{moved}.away", $scan{moved};
    if ($scan{unmounted}) {
        mount_tmpfs($scan{unmounted}, 'size=2m');
        symlink "$def{unmounted}/web", "$scan{unmounted}/web";
    }
    for my $case (@cases) {
        wait_for { said($scan{$case}, qr/is there again/) } "$case: back"; # by itself
        symlink "$def{$case}/other", "$scan{$case}/other";
        ok(up("$def{$case}/other"), "$case: back again, new entries are seen");
        is(service_pid("$def{$case}/web"), $pid{$case}, "$case: the service is the same");
        is(stop_scanner($scanner{$case}), 0, "$case: TERM: exit 0");
        is(said_more_than(2, $scan{$case}), '', "$case: nothing was said again and again");
        diag(said_text($scan{$case})) if $ENV{LARES_SHOW};
    }
    no_processes_left();
    unmount($scan{unmounted}) if $scan{unmounted};
};

# With rm -r each entry vanishes before the directory does.
subtest 'removed' => sub {
    my ($scan, $def) = new_scan();
    sleeper("$def/web");
    symlink "$def/web", "$scan/web";
    my $scanner = scanner($scan);
    my ($old, $logger) = both_up("$scan/web");
    is(run(['rm', '-r', $scan])->{exit}, 0, 'rm -r');
    wait_for { !alive($old) && !alive($logger) && said($scan, qr/is gone/) } 'the stop';
    pass('the service is stopped, its logger too, the scanner stays');
    mkdir $scan;
    symlink "$def/web", "$scan/web";
    signal($scanner, 'HUP');
    ok(up("$scan/web"), 'a new directory at its place is taken up');
    is(recorded($scan), 'web', '... and noted for the next scanner');
    is(run([bin('svscan'), $scan])->{exit}, 100, '... which cannot run beside this one');
    is(stop_scanner($scanner), 0, 'TERM: exit 0');
    no_processes_left();
    is(said_more_than(1, $scan), '', 'nothing was said twice');
    diag(said_text($scan)) if $ENV{LARES_SHOW};
};

done_testing();
