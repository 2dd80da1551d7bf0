# lares-supervise where it cannot work well: directories that are unreadable, read-only, not ours,
# full. Refused with a clear message before anything runs; after that nothing stops it.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;
use Time::HiRes ();

sub refused {
    my ($dir, $exit, $message, $name, %opt) = @_;
    my $r = run([bin('supervise'), $dir], %opt);
    like("$r->{exit} $r->{err}", qr/^$exit lares-supervise: fatal: $message$/, "$name: refused, and said why");
}
my $run = 'echo start >>starts; exec sleep 1000';

# --- supervise/ ---
{
    my $dir = make_service(tmp('group'), run => $run, files => { supervise => { dir => 0770 } });
    refused($dir, 100, "\Q$dir\E/supervise can be written by others: chmod it to 0700", 'supervise/ group-writable');
    chmod 0702, "$dir/supervise";
    refused($dir, 100, "\Q$dir\E/supervise can be written by others: chmod it to 0700", 'supervise/ world-writable');
    chmod 0755, "$dir/supervise";
    my $pid = supervise($dir);
    ok(wait_state($dir, state => 'up'), 'readable by others is fine');
    leave_service($dir, $pid);

    $dir = make_service(tmp('file'), run => $run, files => { supervise => '' });
    refused($dir, 111, "unable to make directory \Q$dir\E/supervise: Not a directory", 'supervise a file');
    $dir = make_service(tmp('linkfile'), run => $run, files => { supervise => { link => 'run' } });
    refused($dir, 111, "unable to make directory \Q$dir\E/supervise: Not a directory", 'supervise a link to a file');
    is(substr(file_text("$dir/run"), 0, 2), '#!', 'which is not touched');
    $dir = make_service(tmp('loop'), run => $run, files => { supervise => { link => 'supervise' } });
    refused($dir, 111, "unable to make directory \Q$dir\E/supervise: Too many levels of symbolic links", 'supervise a link to itself');

    $dir = make_service(tmp('dangling'), run => $run, files => { supervise => { link => '../place' } });
    $pid = supervise($dir);
    ok(wait_state($dir, state => 'up'), 'supervise a dangling link: its target is made');
    is(sprintf('%o', (stat tmp('place'))[2] & 07777), '700', 'with mode 0700');
    leave_service($dir, $pid);
    $dir = make_service(tmp('deep'), run => $run, files => { supervise => { link => '../no/such/place' } });
    refused($dir, 111, "unable to make directory \Q$dir\E/supervise: No such file or directory", 'but one level only');
    SKIP: {
        skip 'not root: nobody else', 1 if $>;
        $dir = make_service(tmp('other'), run => $run, files => { supervise => { dir => 0700 } });
        chown 65534, 65534, "$dir/supervise";
        refused($dir, 100, "\Q$dir\E/supervise belongs to another user", 'supervise/ of somebody else');
        $dir = make_service(tmp('noaccess'), run => $run);
        refused($dir, 111, "unable to make directory \Q$dir\E/supervise: Permission denied", 'a directory we may not write to', uid => 65534, gid => 65534);
        chmod 0, $dir;
        refused($dir, 111, "unable to chdir to \Q$dir\E: Permission denied", 'a directory we may not enter', uid => 65534, gid => 65534);
    }
}
{
    my $file = write_file(tmp('plainfile'), '');
    refused($file, 111, "unable to chdir to \Q$file\E: Not a directory", 'a file');
}

# --- a directory that becomes unreadable (for who is not root) ---
SKIP: {
    skip 'not root: nobody else', 2 if $>;
    mkdir tmp('theirs');
    chown 65534, 65534, tmp('theirs');
    my $dir = tmp('theirs/web');
    make_service($dir, run => 'exec sleep 1000', files => { 'restart-delays' => "0\n", 'down-signal' => "KILL\n" });
    chown 65534, 65534, $dir;
    my $pid = supervise($dir, uid => 65534, gid => 65534, stderr => do { open my $f, '>', "$dir.messages"; $f });
    my $s = wait_state($dir, state => 'up');
    chmod 0311, $dir;
    kill9($s->{pid});
    wait_state($dir, state => 'up', starts => 2);
    like(messages($dir), qr/warning supervise web unable to read the service directory, going on with what it said: Permission denied/,
        'the directory cannot be listed any more: said');
    control($dir, 'd');
    is(wait_state($dir, state => 'down')->{wstat}, 9, 'and what it said last still counts');
    chmod 0755, $dir;
    leave_service($dir, $pid);
}

# --- file systems: read-only, full ---
sub mount_tmpfs {
    my ($name, $options) = @_;
    mkdir tmp($name);
    return 'there is no mount' if !grep { -x "$_/mount" } split /:/, $ENV{PATH};
    my $r = run(['mount', '-t', 'tmpfs', '-o', $options, 'tmpfs', tmp($name)]);
    return '' if !$r->{exit};
    chomp $r->{err};
    return "no tmpfs can be mounted here: $r->{err}";
}
# Whatever happens to the test, no mount is left.
my $owner = $$;
END { if ($$ == $owner) { my $status = $?; run(['umount', '-l', tmp($_)]) for grep { mounted($_) } qw(ro full); $? = $status } }
sub mounted { my $at = tmp($_[0]); return scalar grep { (split)[1] eq $at } split /\n/, file_text('/proc/mounts') }
sub unmount { my $r = run(['umount', tmp($_[0])]); is($r->{exit}, 0, 'unmounted') or diag $r->{err} }

SKIP: {
    my $why = mount_tmpfs('ro', 'size=256k');
    skip $why, 1 if $why;
    my $dir = make_service(tmp('scan/ro'), run => $run);
    rename_over($dir, tmp('ro/web'));
    run(['mount', '-o', 'remount,ro', tmp('ro')]);
    refused(tmp('ro/web'), 111, 'unable to make directory \S+/ro/web/supervise: Read-only file system', 'a read-only file system');
    run(['mount', '-o', 'remount,rw', tmp('ro')]);
    symlink tmp('elsewhere'), tmp('ro/web/supervise');
    write_file(tmp('ro/web/run'), "#!/bin/sh\nexec sleep 1000\n", 0755);
    run(['mount', '-o', 'remount,ro', tmp('ro')]);
    my $pid = supervise(tmp('ro/web'), stderr => tmp('ro.err'), stdout => tmp('ro.out'));
    ok(wait_state(tmp('ro/web'), state => 'up'), 'but with supervise linked to a writable place it works');
    control(tmp('ro/web'), 'D');
    wait_state(tmp('ro/web'), state => 'down');
    like(file_text(tmp('ro.err')), qr/warning supervise web unable to make the file down, this will not be remembered: Read-only file system/,
        'D: done, and said that it cannot be remembered');
    leave_service(tmp('ro/web'), $pid);
    unmount('ro');
}

SKIP: {
    my $why = mount_tmpfs('full', 'size=128k');
    skip $why, 1 if $why;
    my $dir = tmp('full/web');
    rename_over(make_service(tmp('scan/full'), run => 'exec sleep 1000', files => { 'restart-delays' => "0\n", 'restart-reset' => "0\n" }), $dir);
    my $pid = supervise($dir, stderr => tmp('full.err'), stdout => tmp('full.out'));
    my $s = wait_state($dir, state => 'up');
    control($dir, 'r'); # the second of the two files that change places
    $s = wait_state($dir, state => 'up', starts => 2);
    my $filled = fill(tmp('full/filler'));
    ok($filled > 0, "the disk is full ($filled bytes more)");
    my %pids = ($s->{pid} => 1);
    for my $n (3 .. 7) {
        kill9($s->{pid});
        $s = wait_state($dir, state => 'up', starts => $n);
        $pids{ $s->{pid} } = 1;
    }
    is(keys %pids, 6, 'the service is restarted all the same, and state says so');
    wait_for { read_status($dir)->{pid} == $s->{pid} } 'status';
    pass('so does status, which needs no room either');
    unlike(file_text(tmp('full.err')), qr/unable/, 'nothing to complain about');
    is(scalar(grep { $_->{event} eq 'run-died' } read_history($dir)), 6, 'the journal has all of it');
    control($dir, 'd');
    wait_state($dir, state => 'down');
    control($dir, 'u');
    $s = wait_state($dir, state => 'up');
    pass('d and u work');
    kill9($pid);
    wait_exit($pid);
    $pid = supervise($dir, stderr => tmp('full.err2'), stdout => tmp('full.out'));
    is(wait_state($dir, state => 'up', adopted => 1)->{pid}, $s->{pid}, 'a supervise that begins on the full disk adopts the service');
    unlink tmp('full/filler');
    leave_service($dir, $pid);
    no_stray_files($dir);

    # It begins on a full disk.
    rename_over(make_service(tmp('scan/late'), run => 'exec sleep 1000'), tmp('full/late'));
    fill(tmp('full/filler'));
    refused(tmp('full/late'), 111, 'unable to \S.* \S+/full/late/supervise\S*: No space left on device', 'a new service on a full disk');
    unlink tmp('full/filler');
    $pid = supervise(tmp('full/late'), stderr => tmp('full.err'), stdout => tmp('full.out'));
    ok(wait_state(tmp('full/late'), state => 'up'), 'and it works when there is room');
    leave_service(tmp('full/late'), $pid);
    unmount('full');
}

sub rename_over { my ($from, $to) = @_; run(['cp', '-r', $from, $to])->{exit} == 0 or die "cp $from $to" }

# Writes zeros until there is no room at all; how many bytes.
sub fill {
    my ($file) = @_;
    open my $out, '>', $file or die "unable to open $file: $!";
    my $n = 0;
    for my $size (4096, 1) { while (my $put = syswrite $out, "\0" x $size) { $n += $put } }
    return $n;
}
no_processes_left();
no_zombies();
done_testing;
