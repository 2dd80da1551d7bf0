# lares-svperms: who may read the state, command and wait for changes; that it stays so whatever
# happens to the supervisor and its files; what stays closed; what is said to be insecure.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Test::More;

my ($readers, $others) = (54321, 54322);
sub svperms { my @args = @_; return run([bin('svperms'), @args]) }
sub shown { my ($dir) = @_; my $r = svperms($dir); return join ', ', map { s/^\Q$dir\E //r } split /\n/, $r->{out} }
sub mode { my ($path) = @_; my @st = lstat $path or return 'none'; return sprintf '%o %d', $st[2] & 07777, $st[5] }
# Modes of everything in supervise/ that is not for the owner alone.
sub open_modes {
    my ($dir) = @_;
    return join ', ', map { my $m = mode("$dir/supervise/$_"); $m =~ /^\d?[67]00 / ? () : "$_ $m" }
        sort map { s{.*/}{}r } glob "$dir/supervise/*";
}

# What needs nobody else.
subtest 'usage' => sub {
    my $dir = make_service(tmp('usage'), run => 'exec sleep 1000');
    for my $case ([ [], qr/no service directory/ ], [ ['-z', $dir], qr/unknown option -z/ ], [ ['-g'], qr/option -g needs an argument/ ],
        [ ['-u', '-o', $dir], qr/only one of -u, -g, -G, -o and -O/ ], [ ['-e', '-E', ':1', $dir], qr/only one of -e and -E/ ],
        [ ['-g', 'no such group', $dir], qr/option -g: there is no group `no such group'/ ],
        [ ['-G', ':x', $dir], qr/option -G: `x' is no number of a group/ ], [ ['-O', ':4294967295', $dir], qr/option -O: `4294967295' is no number/ ],
        [ ['-E', '', $dir], qr/option -E: there is no group `'/ ]) {
        my $r = svperms(@{ $case->[0] });
        is($r->{exit}, 100, "@{ $case->[0] }: exit 100");
        like($r->{err}, $case->[1], '... and why');
    }
    my $r = svperms($dir);
    is($r->{exit}, 111, 'never supervised: exit 111');
    is($r->{err}, "lares-svperms: warning: $dir has no supervise/ yet: it has never been supervised\n", '... and why');
    like(svperms('-u', tmp('none'))->{err}, qr{unable to look into \S+/none/supervise: No such file}, 'no such directory');
};

if ($>) {
    diag 'not root: cannot become somebody else';
    done_testing;
    exit;
}

my %who = (member => { uid => 65534, gid => $readers }, other => { uid => 65534, gid => 65534 });
sub as { my ($who, $tool, @args) = @_; return run([bin($tool), @args], %{ $who{$who} }) }
# What these may do: s(tate) o(k) c(ommand) e(vents).
sub may {
    my ($who, $dir) = @_;
    my $can = '';
    $can .= 's' if as($who, 'svstat', $dir)->{out} =~ /: up .* seconds.*\n/ && as($who, 'svstat', '-o', 'state', $dir)->{out} eq "up\n";
    $can .= 'o' if as($who, 'svok', $dir)->{exit} == 0;
    $can .= 'h' if as($who, 'svhist', $dir)->{out} =~ /up/;
    $can .= 'c' if as($who, 'svc', '-c', $dir)->{exit} == 0 && as($who, 'svc', '-c', $dir)->{err} eq '';
    $can .= 'e' if run(['/bin/sh', '-c', 'mkfifo "$0" && rm -f "$0"', "$dir/supervise/event/test"], %{ $who{$who} })->{exit} == 0;
    return $can;
}

my $dir = make_service(tmp('web'), run => 'exec sleep 1000', files => { 'timeout-kill' => "2000\n" });
my $pid = supervise($dir);
wait_state($dir, state => 'up');
my $mine = (getgrgid $))[0];
my $private = 'lock child exit';

subtest 'each' => sub {
    is(shown($dir), "status: owner, control: owner, events: owner", 'at first');
    is(may('member', $dir) . '|' . may('other', $dir), '|', 'nobody may do anything');
    my %cases = (
        '-g' => [ ['-g', ":$readers"], 'soh', '', "status: group: :$readers, control: owner, events: group: $mine" ],
        '-G' => [ ['-G', ":$readers"], 'sohc', '', "status: group: :$readers, control: group: :$readers, events: group: $mine" ],
        '-G -E' => [ ['-G', ":$readers", '-E', ":$readers"], 'sohce', '', "status: group: :$readers, control: group: :$readers, events: group: :$readers" ],
        '-o' => [ ['-o'], 'soh', 'soh', "status: public, control: owner, events: group: $mine" ],
        '-o -e' => [ ['-o', '-e'], 'sohe', 'sohe', 'status: public, control: owner, events: public' ],
        '-O' => [ ['-O', ":$readers"], 'sohc', 'soh', "status: public, control: group: :$readers, events: group: $mine" ],
        '-O -E' => [ ['-O', ":$readers", '-E', ":$readers"], 'sohce', 'soh', "status: public, control: group: :$readers, events: group: :$readers" ],
    );
    for my $name (sort keys %cases) {
        my ($options, $member, $other, $text) = @{ $cases{$name} };
        my $r = svperms('-v', @$options, $dir);
        is("$r->{exit} $r->{err}", '0 ', "$name: done, without a complaint");
        is(join(', ', map { s/^\Q$dir\E //r } split /\n/, $r->{out}), $text, '... as it prints');
        is(may('member', $dir), $member, '... what members may');
        is(may('other', $dir), $other, '... what others may');
        is(join(' ', map { mode("$dir/supervise/$_") =~ s/ .*//r } grep { -e "$dir/supervise/$_" } split ' ', $private),
            join(' ', map { '600' } grep { -e "$dir/supervise/$_" } split ' ', $private), '... what is private');
        is(svperms('-u', '-E', ":$)" =~ s/ .*//r, $dir)->{exit}, 0, '-u');
        is(may('member', $dir) . '|' . may('other', $dir), '|', '... closes it again');
    }
    is(mode("$dir/supervise"), '700 ' . (split ' ', $))[0], 'the directory is as at first');
};

subtest 'it stays' => sub {
    svperms('-G', ":$readers", '-E', ":$readers", $dir);
    my $modes = open_modes($dir);
    is($modes, "control 620 $readers, event 3730 $readers, history 644 0, ok 620 $readers, state 644 0, status 644 0, status.spare 644 0", 'how it is');
    my $same = sub {
        my ($what) = @_;
        is(open_modes($dir) =~ s/ 644 \d+/ 644 0/gr, $modes, "$what: modes and groups are the same");
        is(may('member', $dir) . '|' . may('other', $dir), 'sohce|', "$what: so is what they may do");
    };
    my $seen = read_state($dir)->{sequence};
    for (1 .. 4) { control($dir, 'r'); wait_state($dir, state => 'up', starts => $_ + 1) }
    $same->('restarts of the service');
    kill9($pid);
    wait_exit($pid);
    $pid = supervise($dir);
    wait_state($dir, state => 'up', adopted => 1);
    $same->('another supervisor');
    control($dir, 'Z');
    wait_for { readlink("/proc/$pid/exe") && control($dir, '') && messages($dir) !~ /refused/ } 'upgraded';
    wait_for { may('member', $dir) eq 'sohce' } 'the upgraded one';
    $same->('an upgrade');
    is(leave_service($dir, $pid), 0, 'leaves');
    unlink map { "$dir/supervise/$_" } qw(control ok status status.spare state history);
    $pid = supervise($dir, umask => 0077);
    wait_state($dir, state => 'up');
    for (1 .. 2) { control($dir, 'r'); wait_state($dir, state => 'up', starts => $_ + 1) }
    $same->('lost files, made anew with a narrow umask');
    svperms('-o', '-E', ":$readers", $dir);
    is(leave_service($dir, $pid), 0, 'leaves');
    unlink map { "$dir/supervise/$_" } qw(control ok status status.spare state history);
    $pid = supervise($dir, umask => 0077);
    wait_state($dir, state => 'up');
    is(may('other', $dir), 'soh', 'the same of what is public');
    svperms('-G', ":$readers", '-E', ":$readers", $dir);
    is(as('member', 'svc', '-wr', '-T', '10000', '-r', $dir)->{exit}, 0, 'a member restarts it, and waits for that');
    is(leave_service($dir, $pid), 0, 'leaves');
    no_processes_left();
};

# On a file system that a reboot empties.
subtest 'made beforehand' => sub {
    my $at = 0;
    for my $case ([ '3710', 'sohce', '', "status: group: :$readers, control: group: :$readers, events: group: :$readers" ],
        [ '2710', 'sohe', '', "status: group: :$readers, control: owner, events: group: :$readers" ],
        [ '3711', 'sohce', 'soh', "status: public, control: group: :$readers, events: group: :$readers" ],
        [ '2711', 'sohe', 'soh', "status: public, control: owner, events: group: :$readers" ]) {
        my ($mode, $member, $other, $text) = @$case;
        my $made = tmp('run' . ++$at);
        my $service = make_service(tmp("again$at"), run => 'exec sleep 1000', files => { supervise => { link => $made } });
        is(run(['install', '-d', '-m', $mode, '-g', $readers, $made])->{exit}, 0, "install -m $mode");
        my $supervisor = supervise($service, umask => 0077);
        wait_state($service, state => 'up');
        control($service, 'p');
        wait_state($service, paused => 1);
        is(shown($service), $text, '... and it is as if lares-svperms had been asked');
        is(may('member', $service), $member, '... what members may');
        is(may('other', $service), $other, '... what others may');
        is(leave_service($service, $supervisor), 0, 'leaves');
    }
    no_processes_left();
};

subtest 'a logger' => sub {
    my ($scan) = new_scan();
    # As nobody it opens /dev/stdout anew for each line.
    make_service("$scan/web", run => [bin('setuidgid'), 'nobody', '/bin/sh', '-c', 'while :; do echo line >/dev/stdout || echo bad; sleep 0.02; done'],
        log => [bin('log'), './main']);
    my $scanner = scanner($scan);
    both_up("$scan/web");
    my $log = "$scan/web/log";
    my $lines = sub { return scalar(() = (file_text("$log/main/current") // '') =~ /^line$/mg) };
    my $writes = sub {
        my ($who) = @_;
        return run(['/bin/sh', '-c', 'echo forged >"$0"', "$log/supervise/pipe"], %{ $who{$who} })->{exit} == 0 ? 'yes' : 'no';
    };
    my $r = svperms('-g', ":$readers", "$scan/web", $log);
    is("$r->{exit} $r->{err}", '0 ', 'a service and its logger');
    is(may('member', $log), 'soh', 'members read how it is');
    is($writes->('member') . $writes->('other'), 'nono', 'neither they nor others write to the log');
    is(mode("$log/supervise/pipe"), "602 $readers", 'but a service of another user may');
    is(mode("$log/supervise/buf") =~ s/ .*//r, '600', 'the buffer is closed');
    my $before = $lines->();
    wait_for { $lines->() > $before + 2 } 'lines by /dev/stdout';
    is((file_text("$log/main/current") // '') =~ /forged|bad/ ? 'forged' : 'clean', 'clean', 'it does');
    $r = svperms('-o', $log);
    like($r->{err}, qr{/log: its pipe is closed, so that not everybody can write to the log: a service of another user cannot open /dev/stdout anew}, 'public: the pipe is closed, and it is said');
    is($writes->('member') . $writes->('other'), 'nono', 'nobody writes to the log');
    svperms('-u', $log);
    is(mode("$log/supervise/pipe") =~ s/ .*//r, '622', 'closed, the pipe is as it was');
    is(mode("$log/supervise") =~ s/ .*//r, '700', '... where nobody gets to it');
    svperms('-g', ":$readers", $log);
    is(stop_scanner($scanner), 0, 'stopped');
    unlink "$log/supervise/pipe";
    $scanner = scanner($scan);
    both_up("$scan/web");
    is(mode("$log/supervise/pipe"), "602 $readers", 'made anew it is the same');
    is(stop_scanner($scanner), 0, 'stopped');
    no_processes_left();
};

subtest 'what is insecure' => sub {
    my $name = make_service(tmp('loose'), run => 'exec sleep 1000');
    my $super = supervise($name);
    wait_state($name, state => 'up');
    is(svperms($name)->{err}, '', 'at first nothing');
    my $said = sub { return svperms(@_, $name)->{err} =~ s/^lares-svperms: warning: //mgr };
    chmod 0775, $name;
    is($said->(), "$name can be written by its group: who can, decides what runs as the service's supervisor\n", 'the directory');
    chmod 0755, $name;
    chmod 0777, "$name/run";
    is($said->(), "$name/run can be written by everybody: who can, decides what runs as the service's supervisor\n", 'run');
    chmod 0755, "$name/run";
    chmod 0644, "$name/supervise/lock";
    like($said->(), qr{^\S+/loose/supervise/lock is not for its owner alone: .* any of -u, -g, -G, -o and -O mends that$}, 'lock');
    $said->('-g', ":$readers");
    is($said->(), '', '... which is mended');
    is(mode("$name/supervise/lock") =~ s/ .*//r, '600', '... it is');
    like($said->('-E', ":$others"), qr/of those who may wait for changes only those can who may read its state/, 'events of another group');
    like($said->('-e'), qr/only those who may read its state can wait for changes/, 'events of everybody');
    chmod 0622, "$name/supervise/control";
    like($said->(), qr{/loose/supervise/control can be written by everybody}, 'control');
    # By somebody else.
    my $r = as('other', 'svperms', '-o', $name);
    is($r->{exit}, 111, 'by another user: exit 111');
    like($r->{err}, qr{unable to look into \S+/loose/supervise: Permission denied}, '... and why');
    $r = as('member', 'svperms', '-o', $name);
    is($r->{exit}, 111, 'by one who may only read: exit 111');
    is(leave_service($name, $super), 0, 'leaves');

    # An owner who is not root, and not in the group.
    my $home = tmp('home');
    mkdir $home;
    chown 65534, 65534, $home;
    my $own = make_service("$home/own", run => 'exec sleep 1000');
    chown 65534, 65534, $own;
    $super = supervise($own, uid => 65534, gid => 65534, stderr => '/dev/null', stdout => '/dev/null');
    wait_state($own, state => 'up');
    $r = as('other', 'svperms', '-g', ":$readers", $own);
    is($r->{exit}, 111, 'a group one is not in: exit 111');
    like($r->{err}, qr{unable to change the group of \S+/own/supervise/ \(it takes its owner, who is in that group, or root\): Operation not permitted}, '... and why');
    $r = as('other', 'svperms', '-o', $own);
    is("$r->{exit} $r->{err}", '0 ', 'what needs no group');
    is(as('member', 'svstat', '-o', 'state', $own)->{out}, "up\n", 'works');
    signal($super, 'TERM');
    is(wait_exit($super)->{exit}, 0, 'leaves');
    no_processes_left();
};
done_testing;
