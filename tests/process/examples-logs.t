# The service directories of examples/logs run as they are, with the real programs they are for:
# syslog sockets, a processor that ships archives, a container's two logs, daemons with log files.
use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Socket::INET;
use Lares;
use Lares::Daemons;
use Lares::Scan;
use Test::More;

my $examples = source_dir() . '/examples/logs';
my ($scan) = new_scan();
my ($root) = map { $_ // '' } grep { defined } map { scalar unpacked_peer($_) } qw(s6 socklog rsyslog nginx-light);
my $peers = $root ? peer_env() : { PATH => $ENV{PATH} };
my $scanner = scanner($scan, { env => { %$peers, PATH => build_dir() . "/bin:$peers->{PATH}",
        RSYSLOG_MODDIR => (glob(($root // '') . '/usr/lib/*-linux-*/rsyslog'))[0] // '' } });

# Copied beside its place, changed as its user would, and renamed.
sub place {
    my ($name, $settings, $change) = @_;
    my $new = tmp("new.$name");
    system('cp', '-R', "$examples/$name", $new) == 0 or die "unable to copy $name\n";
    write_file("$new/$_", "$settings->{$_}\n") for keys %$settings;
    $change->($new) if $change;
    rename $new, "$scan/$name" or die "unable to move $name: $!\n";
    return "$scan/$name";
}

sub logged { my ($dir) = @_; return join '', map { file_text($_) // '' } glob "$dir/{\@*,current}" }
sub svc_down { my ($dir) = @_; is(run([bin('svc'), '-T', 20000, '-wD', '-d', $dir], timeout => 25)->{exit}, 0, 'stopped') }
sub has { my ($program) = @_; return scalar grep { -x "$_/$program" } split /:/, $ENV{PATH} }

# Datagram sockets have short names only.
sub short_path { my ($name) = @_; return "/tmp/.lares-$$-$name" }

sub free_port {
    my ($proto) = @_;
    my @listen = $proto eq 'tcp' ? (Listen => 1) : ();
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => $proto, @listen) or die "no port: $!\n";
    return $socket->sockport;
}

sub how_many { my @found = glob $_[0]; return scalar @found }

sub tell_syslog { my (@words) = @_; is(run(['logger', @words])->{exit}, 0, "logger @words[-2, -1]") }

subtest 'syslog' => sub {
    my ($have, $reason) = unpacked_peer('s6');
    plan skip_all => $reason if !$have;
    plan skip_all => 'logger (bsdutils) is not installed' if !has('logger');
    my $socket = short_path('syslog');
    my $dir = place('syslog', { 'env/SOCKET' => $socket });
    wait_for { run([bin('svstat'), $dir])->{out} =~ /, ready / } 'the socket';
    tell_syslog('-u', $socket, '-p', 'auth.info', 'somebody came');
    tell_syslog('-u', $socket, '-p', 'mail.err', 'a letter was lost');
    tell_syslog('-u', $socket, '-p', 'daemon.notice', 'all is well');
    wait_for { logged("$dir/log/main") =~ /all is well/ } 'the last message';
    like(logged("$dir/log/auth"), qr/\A\@\w+ auth\.info: .*somebody came\n\z/, 'what concerns logins, alone');
    like(logged("$dir/log/mail"), qr/\A\@\w+ mail\.err: .*a letter was lost\n\z/, 'mail');
    unlike(logged("$dir/log/main"), qr/somebody|letter/, 'the rest');
    svc_down($dir);
    unlink $socket;
};

subtest 'syslog-remote' => sub {
    my ($have, $reason) = unpacked_peer('socklog');
    plan skip_all => $reason if !$have;
    plan skip_all => 'only root can become another user' if $> != 0;
    plan skip_all => 'logger (bsdutils) is not installed' if !has('logger');
    my $port = free_port('udp');
    my $dir = place('syslog-remote', { 'env/PORT' => $port, 'env/ADDRESS' => '127.0.0.1' });
    wait_for { logged("$dir/log/main") =~ /listening on/ } 'a listener';
    tell_syslog('-n', '127.0.0.1', '-P', $port, '-d', '-p', 'user.warning', 'from far away');
    wait_for { logged("$dir/log/main") =~ /^\@\w+ 127\.0\.0\.1: user\.warn: .*from far away$/m } 'with where it came from';
    svc_down($dir);
};

subtest 'rsyslog' => sub {
    my ($have, $reason) = unpacked_peer('rsyslog');
    plan skip_all => $reason if !$have;
    plan skip_all => 'logger (bsdutils) is not installed' if !has('logger');
    my ($port, $socket) = (free_port('tcp'), short_path('rsyslog'));
    my $dir = place('rsyslog', { 'env/PORT' => $port, 'env/SOCKET' => $socket });
    wait_for { -S $socket && IO::Socket::INET->new("127.0.0.1:$port") } 'its socket and its port', 20;
    tell_syslog('-u', $socket, '-p', 'local0.notice', 'by the socket');
    tell_syslog('-n', '127.0.0.1', '-P', $port, '-T', '-p', 'local1.err', 'by TCP');
    wait_for { logged("$dir/log/main") =~ /^\@\w+ \S+ local0\.notice .*by the socket$/m } 'one';
    wait_for { logged("$dir/log/main") =~ /^\@\w+ \S+ local1\.err .*by TCP$/m } 'the other';
    svc_down($dir);
    unlink $socket;
};

sub shipped { my ($target) = @_; return join '', map { scalar qx(gzip -dc '$_') } sort glob "\Q$target\E/web-*.gz" }

# Numbered lines instead of the date; small files.
sub quick_service {
    my ($dir) = @_;
    write_file("$dir/run", "#!/bin/sh\nn=0\nwhile [ \$n -lt 2000 ]; do n=\$((n + 1)); echo \"line \$n\"; done\nexec sleep 1000\n", 0755);
    write_file("$dir/log/run", file_text("$dir/log/run") =~ s/s1000000/s20000/r, 0755);
}

# What has been sent is a whole number of files: the lines from the first to the end of one.
sub numbered {
    my ($text) = @_;
    my @lines = map { (split / /, $_, 2)[1] } split /\n/, $text;
    my $want = join "\n", map { "line $_" } 1 .. @lines;
    return join("\n", @lines) eq $want ? scalar @lines : 0;
}

subtest 'ship' => sub {
    plan skip_all => 'gzip is not installed' if !has('gzip');
    my $target = tmp('far away');
    my $dir = place('ship', { 'log/env/TARGET' => $target, 'log/env/PAUSE' => '0.1' }, \&quick_service);
    wait_for { how_many("$dir/log/main/\@*.u") >= 3 } 'finished files that wait, the target is not there';
    is(how_many("$dir/log/main/\@*.s"), 0, 'none is done with');
    mkdir $target or die "mkdir: $!\n";
    my $files = wait_for { !how_many("$dir/log/main/\@*.u") && how_many("$dir/log/main/\@*.s") } 'all sent, by themselves';
    is(how_many("\Q$target\E/{.w,w}*"), $files, 'as many files there as here, and nothing half done');
    cmp_ok(numbered(shipped($target)), '>', 1000, 'each line once, in order');
    is(file_text("$dir/log/main/state"), "$files\n", 'the number is what is remembered');
    is(logged_by_tail("$dir/log/main"), 2000, 'lares-logtail reads the compressed files here');
    svc_down($dir);
};

sub logged_by_tail { my ($dir) = @_; return run([bin('logtail'), '-a', $dir])->{out} =~ tr/\n// }

subtest 'ship by HTTP' => sub {
    my ($have, $reason) = unpacked_peer('nginx-light');
    plan skip_all => $reason if !$have;
    plan skip_all => 'curl or gzip is not installed' if !has('curl') || !has('gzip');
    my $store = make_daemon("$scan/nginx", 'nginx');
    wait_for { http('/page') } 'a server', 20;
    my $data = tmp('data/nginx');
    write_file("$data/nginx.conf", file_text("$data/nginx.conf") =~ s/root (\S+);/root $1; dav_methods PUT; create_full_put_path on; client_max_body_size 1m;/r);
    is(run([bin('svc'), '-T', 20000, '-wR', '-r', $store], timeout => 25)->{exit}, 0, 'it is one that takes files');
    wait_for { http('/page') } 'the server', 20;
    rename "$scan/ship", tmp('ship.before') or die "rename: $!\n" if -e "$scan/ship";
    wait_for { !supervisor('ship') } 'the service before to be gone';
    my $dir = place('ship', { 'log/env/TARGET' => 'http://127.0.0.1:' . daemon_port('nginx') . '/store', 'log/env/PAUSE' => '0.1' },
        \&quick_service);
    wait_for { !how_many("$dir/log/main/\@*.u") && how_many("$dir/log/main/\@*.s") } 'sent', 20;
    cmp_ok(numbered(shipped("$data/www/store")), '>', 1000, 'the store has each line once, in order');
    svc_down($dir);
};

subtest 'container' => sub {
    my ($logs, $out) = (tmp('container-logs'), tmp('container-out'));
    my $services = tmp('container-services');
    system('cp', '-R', "$examples/container/services", $services) == 0 or die "unable to copy\n";
    my $init = spawn([bin('init'), $services], env => { PATH => build_dir() . "/bin:$ENV{PATH}", LOGS => $logs, CODE => 9 }, stdout => $out);
    is(wait_exit($init, 20)->{exit}, 9, 'it ends with its program\'s code');
    is(file_text($out), join('', map { "line $_ in \e[1mbold\e[0m\n" } 1 .. 3) . "one on standard error\n", 'standard output has the lines as they are');
    my @json = split /\n/, file_text("$logs/current");
    is(scalar @json, 4, 'the files, too');
    like($json[0], qr/^\{"time":"[^"]*Z".*"service":"app\/log".*"message":"line 1 in bold"\}$/, 'as JSON, without colours') or diag($json[0]);
    like(file_text("$examples/container/Dockerfile"), qr/^ENTRYPOINT \["lares-init", "\/service"\]$/m, 'as the Dockerfile has it');
};

subtest 'piped' => sub {
    my $logs = tmp('piped-logs');
    my $r = run(["$examples/container/piped", 'sh', '-c', "printf 'in \\033[1mbold\\033[0m\\n'; echo two >&2; exit 3"],
        env => { PATH => build_dir() . "/bin:$ENV{PATH}", LOGS => $logs });
    is($r->{exit}, 3, 'the code of the program');
    is($r->{out}, "in \e[1mbold\e[0m\ntwo\n", 'the lines as they are');
    like(file_text("$logs/current"), qr/\A\@\w+ in bold\n\@\w+ two\n\z/, 'and in the file');
};

subtest 'logfile' => sub {
    my $dir = place('logfile', {});
    wait_for { logged("$dir/log/main") =~ /open for business.*request 1\n/s } 'lines of both files in the log';
    ok(-l "$dir/$_", "$_ is no file that grows") for qw(access.log error.log);
    svc_down($dir);
};

subtest 'logfile-moved' => sub {
    my ($have, $reason) = unpacked_peer('nginx-light');
    plan skip_all => $reason if !$have;
    my $data = tmp('data/nginx');
    make_daemon("$scan/nginx", 'nginx') if !-d "$scan/nginx";
    wait_for { http('/page') } 'a server', 20;
    write_file("$data/nginx.conf", file_text("$data/nginx.conf") =~ s/access_log [^;]*;/access_log $data\/access.log;/r);
    is(run([bin('svc'), '-T', 20000, '-wR', '-r', "$scan/nginx"], timeout => 25)->{exit}, 0, 'one that writes a file');
    wait_for { http('/page') } 'the server', 20;
    my $dir = place('logfile-moved', { 'env/FILE' => "$data/access.log", 'env/WRITER' => "$scan/nginx", 'env/PERIOD' => '0.1' });
    my ($sent, $moves) = (0, '');
    wait_for { http('/page?n=' . ++$sent); -e "$data/access.log.moved" ? $moves =~ /0$/ && ($moves .= 1) : $moves !~ /0$/ && ($moves .= 0);
        $moves =~ /(?:10){4}/ } 'the file to be moved away several times', 30;
    wait_for { logged("$dir/log/main") =~ m{/page\?n=$sent } } 'the last request in the log';
    my @numbers = logged("$dir/log/main") =~ m{/page\?n=(\d+) }g;
    is(join(' ', @numbers), join(' ', 1 .. $sent), 'each request once, in order');
    cmp_ok(-s "$data/access.log", '<', -s "$dir/log/main/current", 'the file stays small');
    svc_down($dir);
};

unlink glob "/tmp/.lares-$$-*";
is(stop_scanner($scanner), 0, 'the scanner stops everything');
no_processes_left();
done_testing;
