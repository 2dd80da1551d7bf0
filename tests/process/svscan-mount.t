# lares-svscan on a full, a read-only and an unmounted scan directory. The whole test runs in a
# mount namespace of its own, so that nothing it mounts outlives it.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

BEGIN {
    if (!$ENV{LARES_TEST_UNSHARED}) {
        plan skip_all => 'not allowed to mount (or no unshare)'
            if $> || system(q{unshare -m sh -c 'mount -t tmpfs none /mnt' >/dev/null 2>&1});
        $ENV{LARES_TEST_UNSHARED} = 1;
        exec 'unshare', '-m', $^X, $0 or die "unshare: $!\n";
    }
}
use Lares;
use Lares::Scan;

sub mounted {
    my ($dir, $options) = @_;
    is(run(['mount', '-t', 'tmpfs', '-o', $options, 'none', $dir])->{exit}, 0, "mount with $options");
}
sub umounted { my ($dir, @how) = @_; is(run(['umount', @how, $dir])->{exit}, 0, 'umount') }

# Files until there is no room for another; how many.
sub fill {
    my ($dir) = @_;
    for my $count (0 .. 1000) {
        open my $file, '>', "$dir/.fill" . ($count + 1) or return $count;
    }
    die "$dir is never full\n";
}

subtest 'a full disk' => sub {
    my ($scan, $def) = new_scan();
    mounted($scan, 'size=16k,nr_inodes=14');
    link_service($scan, $def, $_) for qw(a b);
    my $fill = fill($scan);
    my $scanner = scanner($scan);
    my ($a) = both_up("$scan/a");
    both_up("$scan/b");
    is(said($scan, qr/unable to use .lares.*: No space left/), 1, 'no inode: told once, and it works');
    unlink "$scan/.fill$_" for 1 .. $fill;
    signal($scanner, 'HUP');
    wait_for { recorded($scan) eq 'a b' } 'recorded';
    is(service_pid("$scan/a"), $a, 'with room and HUP, .lares is made up for');
    fill($scan);
    unlink "$scan/.fill1";
    link_service($scan, $def, 'c');
    both_up("$scan/c");
    is(said($scan, qr/unable to note c, so that.*No space/), 1, 'no room for a record: told, started all the same');
    is(stop_scanner($scanner), 0, 'and stopped');
    no_processes_left();
    umounted($scan);
};

subtest 'read-only' => sub {
    my ($scan, $def) = new_scan();
    mounted($scan, 'size=1m');
    link_service($scan, $def, 'a');
    is(run(['mount', '-o', 'remount,ro', $scan])->{exit}, 0, 'read-only');
    my $scanner = scanner($scan);
    my ($a) = both_up("$scan/a");
    is(said($scan, qr/unable to use .lares.*: Read-only file system/), 1, 'told, and it works');
    stop_scanner($scanner, 'QUIT');
    $scanner = scanner($scan);
    wait_for { said($scan, qr/found supervisor of `a.*running/) == 2 } 'found';
    is(service_pid("$scan/a"), $a, 'the next scanner finds the supervisors all the same');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
    umounted($scan);
};

subtest 'unmounted and mounted again' => sub {
    my ($scan, $def) = new_scan();
    mounted($scan, 'size=1m');
    link_service($scan, $def, $_) for qw(a b);
    my $scanner = scanner($scan);
    my ($a) = both_up("$scan/a");
    both_up("$scan/b");
    umounted($scan, '-l');
    signal($scanner, 'HUP'); # nobody reports that it is hidden now
    wait_for { said($scan, qr/the scan directory \S+ is gone/) || said($scan, qr/a new one/) } 'noticed';
    is(service_pid("$def/a"), $a, 'lazily unmounted: the services run on');
    mounted($scan, 'size=1m');
    symlink '../def/a', "$scan/a";
    signal($scanner, 'HUP');
    wait_for { recorded($scan) eq 'a' } 'taken up';
    is(service_pid("$def/a"), $a, 'mounted again: the same entry is the same service');
    wait_for { !supervisor('b') } 'b stopped';
    pass('one that is not there any more is stopped');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
    umounted($scan);
};

# All it said was "unable to find lares-supervise: No such file or directory". An absolute path that it
# was started by says where it is.
subtest 'without /proc' => sub {
    my ($scan) = new_scan();
    my @hidden = ('unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /proc && exec "$@"', 'sh', bin('svscan'));
    my @by_name = ('unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /proc && cd "$1" && exec ./lares-svscan "$2"',
        'sh', build_dir() . '/bin');
    my ($installed) = file_text(bin('svscan')) =~ m{(/[^\0]*/lares-supervise)\0};
  SKIP: {
        skip 'there is an installed one, which is found', 2 if $installed && -x $installed;
        my $r = run([@by_name, $scan]);
        is($r->{exit}, 111, 'no lares-supervise is found: exit code 111');
        like($r->{err}, qr/unable to find lares-supervise: No such file or directory; give -b DIR$/, '... and what helps');
    }
  SKIP: {
        # Its leak checker is told by /proc/self/environ to be quiet, and fails.
        skip 'AddressSanitizer does not work without /proc', 6 if $ENV{LARES_SANITIZE};
        for my $options (['-b', build_dir() . '/bin'], []) {
            my $scanner = spawn([@hidden, @$options, $scan], stderr => "$scan/../said");
            ok(eval { wait_for { listens($scan) } 'a scanner' }, @$options ? '... and that does help' : 'nor does an absolute path need it')
                or diag(said_text($scan));
            is(stop_scanner($scanner), 0, 'stopped');
            no_processes_left();
        }
    }
};

done_testing();
