# Service directories of real daemons from the unpacked peers, and clients of them: PostgreSQL,
# Redis and nginx, each as an unprivileged account on a free port of the loopback interface, with
# its data below tmp('data'). use Lares; use Lares::Daemons;
#
# PostgreSQL and Redis say that they are ready through notification-fd, by a helper that asks
# them. It is forked twice: a daemon must not find a child it does not know.

package Lares::Daemons;

use strict;
use warnings;
use Exporter 'import';
use IO::Socket::INET ();
use Lares;

our @EXPORT = qw(daemons_there make_daemon send_to_background daemon_port account_ids sql pg_session pg_send pg_answer
    redis http main_pid status_of);

my $root = $ENV{LARES_PEERS} || source_dir() . '/build/peers/root';
my %package = (postgres => 'postgresql-15', redis => 'redis-server', nginx => 'nginx-light');
my %port;

# Whom the daemons run as, by number: nobody when we are root, else ourselves.
sub account_ids {
    my @nobody = getpwnam 'nobody';
    return $> == 0 ? ($nobody[2] // 65534, $nobody[3] // 65534) : ($>, (split ' ', $))[0]);
}

# By name where there is one, else by number; both are to work.
sub chain {
    my ($by_number) = @_;
    return '' if $> != 0;
    my $who = !$by_number && getpwnam 'nobody' ? 'nobody' : join ':', account_ids();
    return bin('setuidgid') . " $who ";
}

# The daemons that can be had, and for the others why not.
sub daemons_there {
    my (@there, %why);
    for my $name (sort keys %package) {
        my ($have, $reason) = unpacked_peer($package{$name});
        if   ($have) { push @there, $name }
        else         { $why{$name} = $reason }
    }
    return (\@there, \%why);
}

# Nobody listens there now. Below the ports which the kernel gives to clients.
sub daemon_port {
    my ($name) = @_;
    return $port{$name} ||= free_port();
}

sub free_port {
    for (1 .. 200) {
        my $try = 10000 + int rand 20000;
        next if grep { $_ == $try } grep { defined } values %port;
        my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $try, Listen => 1,
            Proto => 'tcp', ReuseAddr => 1) or next;
        close $socket;
        return $try;
    }
    die "no free port\n";
}

sub data_dir {
    my ($name) = @_;
    my $dir = tmp("data/$name");
    File::Path::make_path($dir);
    chmod 0700, $dir;
    chown account_ids(), $dir if $> == 0;
    return $dir;
}

sub exports {
    my $env = peer_env();
    return join '', map { "export $_='$env->{$_}'\n" } sort keys %$env;
}

# Waits for what $question answers with success, and says so on descriptor 3; gives up when the
# daemon, whose pid is this shell's, is gone.
sub announce {
    my ($question) = @_;
    return <<"END";
daemon=\$\$
(
  ( while kill -0 \$daemon; do
      if $question; then echo >&3; exit; fi
      sleep 0.05
    done >/dev/null 2>&1 ) &
)
exec 3>&-
END
}

my %maker = (postgres => \&make_postgres, redis => \&make_redis, nginx => \&make_nginx);

# make_daemon($dir, $name): its service directory, with the built-in logger.
sub make_daemon {
    my ($dir, $name, %more) = @_;
    my ($run, $files) = $maker{$name}->(data_dir($name), daemon_port($name));
    return make_service($dir, run => exports() . "exec 2>&1\n$run", log => 'exec lares-log t s1000000 n4 ./main',
        files => { %$files, 'timeout-kill' => "20000\n", %more });
}

# What make_daemon has made, of nginx or Redis, goes into the background as it does by default.
# The pid file, which the caller may name in `pid-file`.
sub send_to_background {
    my ($dir, $name) = @_;
    my $data = data_dir($name);
    my $conf = "$data/$name.conf";
    my $text = file_text($conf);
    if ($name eq 'nginx') { $text =~ s/^daemon off/daemon on/m or die }
    else                  { $text =~ s/^daemonize no/daemonize yes\npidfile $data\/redis.pid/m or die }
    write_file($conf, $text);
    # It tells nobody that it is ready: the helper of ours goes when the launcher does.
    # nginx becomes a new program only by its full name.
    my $run = file_text("$dir/run") =~ s/^daemon=.*^exec 3>&-\n//msr =~ s{ nginx -e}{ $root/usr/sbin/nginx -e}r;
    write_file("$dir/run", $run, 0755);
    unlink "$dir/notification-fd";
    write_file("$dir/type", "forking\n");
    return "$data/$name.pid";
}

my $pg = "$root/usr/lib/postgresql/15/bin";

# Its stop is INT: TERM waits for all clients to leave.
sub make_postgres {
    my ($data, $port) = @_;
    my ($uid, $gid) = account_ids();
    my %as = $> == 0 ? (uid => $uid, gid => $gid) : ();
    my $made = run(["$pg/initdb", '-D', $data, '-U', 'postgres', '-A', 'trust', '--no-locale', '-E', 'UTF8',
        '--no-sync'], env => peer_env(), timeout => 60, cwd => '/', %as);
    die "initdb: $made->{err}" if $made->{exit} // 1;
    append_file("$data/postgresql.conf", <<"END");
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
dynamic_shared_memory_type = mmap
shared_buffers = 8MB
max_connections = 12
jit = off
autovacuum = off
restart_after_crash = on
END
    return (announce("$pg/pg_isready -q -h 127.0.0.1 -p $port") . 'exec ' . chain() . "$pg/postgres -D $data",
        { 'notification-fd' => "3\n", 'down-signal' => "INT\n" });
}

# By a relative socket path, as an absolute one might be too long.
sub make_redis {
    my ($data, $port) = @_;
    write_file("$data/redis.conf", <<"END");
bind 127.0.0.1
port $port
dir $data
unixsocket redis.sock
appendonly yes
appendfsync always
save ""
daemonize no
END
    return (announce("redis-cli -h 127.0.0.1 -p $port ping | grep -q PONG") . 'exec ' . chain('by number')
            . "redis-server $data/redis.conf",
        { 'notification-fd' => "3\n" });
}

# A master killed with -9 leaves workers which keep the port: finish ends their process group.
sub make_nginx {
    my ($data, $port) = @_;
    mkdir "$data/$_" for qw(www body);
    chown account_ids(), "$data/$_" for qw(www body);
    write_file("$data/www/page", "first\n");
    my $temporary = join '', map { "  ${_}_temp_path $data/body;\n" } qw(client_body proxy fastcgi uwsgi scgi);
    write_file("$data/nginx.conf", <<"END");
daemon off;
worker_processes 2;
pid $data/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 64; }
http {
  access_log /dev/stdout;
$temporary  server { listen 127.0.0.1:$port; root $data/www; }
}
END
    return ('exec ' . chain() . "nginx -e /dev/stderr -p $data -c $data/nginx.conf",
        { finish => { text => "#!/bin/sh\nexec kill -s KILL -- -\"\$4\" 2>/dev/null\n", mode => 0755 } });
}

# What psql prints for a statement, trimmed; undef when it fails.
sub sql {
    my ($statement) = @_;
    my $r = run(["$pg/psql", '-XAtq', '-h', '127.0.0.1', '-p', daemon_port('postgres'), '-U', 'postgres',
        '-d', 'postgres', '-c', $statement], env => peer_env());
    return $r->{exit} ? undef : $r->{out} =~ s/\s+\z//r;
}

sub ask {
    my ($name, $text, $until) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => daemon_port($name), Timeout => 5)
        or return undef;
    local $SIG{PIPE} = 'IGNORE';
    syswrite $socket, $text;
    my ($answer, $ready) = ('', '');
    vec($ready, fileno $socket, 1) = 1;
    while ($answer !~ $until) {
        select my $now = $ready, undef, undef, 5 or last;
        sysread $socket, $answer, 65536, length $answer or last;
    }
    return $answer;
}

# A session by the wire protocol, ready for a query; then its socket.
sub pg_session {
    my $session = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => daemon_port("postgres")) or die "$!\n";
    my $start = pack('N', 196608) . "user\0postgres\0database\0postgres\0\0";
    syswrite $session, pack('N', 4 + length $start) . $start;
    pg_answer($session, qr{Z\0\0\0\x05I\z});
    return $session;
}

sub pg_send {
    my ($session, $statement) = @_;
    syswrite $session, "Q" . pack('N', 5 + length $statement) . "$statement\0";
}

sub pg_answer {
    my ($session, $until) = @_;
    my $answer = "";
    wait_for { sysread($session, $answer, 4096, length $answer); $answer =~ $until } "PostgreSQL to answer";
    return $answer;
}

# The answer's payload: redis('get', 'key').
sub redis {
    my (@words) = @_;
    my $text  = '*' . @words . "\r\n" . join '', map { '$' . length . "\r\n$_\r\n" } @words;
    my $reply = ask('redis', $text, qr/\A[^\$].*\r\n|\A\$-1\r\n|\A\$\d+\r\n.*\r\n/s);
    return defined $reply && $reply =~ /\A(?:\$\d+\r\n|[+:])(.*)\r\n\z/s ? $1 : undef;
}

# The body, when the answer is 200.
sub http {
    my ($path) = @_;
    my $reply = ask('nginx', "GET $path HTTP/1.0\r\n\r\n", qr/\A(?!)/);
    return defined $reply && $reply =~ m{\AHTTP/1\.1 200 .*?\r\n\r\n(.*)\z}s ? $1 : undef;
}

# What svstat --json says of a service, decoded no further than flat fields.
sub status_of {
    my ($dir) = @_;
    require JSON::PP;
    return JSON::PP::decode_json(run([bin('svstat'), '--json', $dir])->{out})->[0];
}

# The pid of the main process while it is up and ready, or undef.
sub main_pid {
    my ($dir) = @_;
    my $status = status_of($dir);
    return ($status->{state} // '') eq 'up' && ($status->{ready} || !-e "$dir/notification-fd") ? $status->{pid} : undef;
}

1;
