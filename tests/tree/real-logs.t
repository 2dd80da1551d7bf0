# The logs of real servers: nginx under load, access and error log in one pipe, and PostgreSQL that
# logs each statement, both in a scan directory, with archives that are compressed as they come and
# loggers and their supervisors that are killed meanwhile. What lares-logtail -f shows of it live,
# and what the archives hold afterwards, is laid beside what was sent: nginx writes a second log
# file of its own, requests and statements are numbered. With LARES_LONG a gigabyte of nginx's.

BEGIN { $ENV{LARES_LIMIT} ||= $ENV{LARES_LONG} ? 3600 : 240 }
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Lares;
use Lares::Daemons;
use Lares::Load;
use Lares::Scan;
use Test::More;

use constant REQUESTS     => $ENV{LARES_LONG} ? 3_800_000 : 100_000;
use constant TRANSACTIONS => $ENV{LARES_LONG} ? 200_000   : 4_000; # of each client
use constant CLIENTS      => 4;
use constant PATIENCE     => $ENV{LARES_LONG} ? 3000 : 150;

my ($there, $why) = daemons_there();
my %have = map { $_ => 1 } grep { $_ ne 'redis' } @$there;
delete $why->{redis};
plan skip_all => join '; ', values %$why if !%have;
diag("without $_: $why->{$_}") for sort keys %$why;
my $packs = grep { -x "$_/zstd" || -x "$_/gzip" } split /:/, $ENV{PATH};
diag('neither zstd nor gzip is installed: archives are not compressed') if !$packs;

my ($scan, $def) = new_scan();
my %log = map { $_ => "$scan/$_/log/main" } keys %have;

sub figures { $ENV{LARES_LONG} ? diag(@_) : note(@_) }
sub archives { my @found = glob "$_[0]/\@*"; return @found }
sub logtail { return run([bin('logtail'), @_], timeout => PATIENCE)->{out} }

# A definition as the other tests have it, with a logger of its own and a last word in the log.
sub define {
    my ($name, $words, $conf) = @_;
    make_daemon("$def/$name", $name);
    write_file("$def/$name/log/run", "#!/bin/sh\nexec lares-log t $words ./main\n", 0755);
    my $finish = file_text("$def/$name/finish") // "#!/bin/sh\n";
    write_file("$def/$name/finish", $finish =~ s/\n/\necho 'this is the last line'\n/r, 0755);
    $conf->(tmp("data/$name"));
    symlink "$def/$name", "$scan/$name" or die "symlink: $!\n";
}

# What follows the log from before its first line on.
sub follow {
    my ($name, $key) = @_;
    pipe my $in, my $out or die "pipe: $!\n";
    my $counts = tally_aside($in, tmp("followed.$name"), $key, stamped => 1, end => qr/^this is the last line$/);
    my $follower = spawn([bin('logtail'), '-aF', $log{$name}], stdout => $out);
    return { follower => $follower, counts => $counts };
}

# Reaps what a load has started; 1 when all have ended, and well.
sub ended {
    my ($pids) = @_;
    for my $pid (@$pids) {
        next if waitpid($pid, POSIX::WNOHANG()) != $pid;
        die "pid $pid of the load failed\n" if $?;
        $pid = 0;
    }
    @$pids = grep { $_ } @$pids;
    return !@$pids;
}

# Until the load has ended; at so many archives the logger is killed, or its supervisor.
sub watch {
    my ($name, $pids, @kill_at) = @_;
    my $kills = 0;
    wait_for {
        if (@kill_at && archives($log{$name}) >= $kill_at[0]) {
            my $victim = @kill_at % 2 ? service_pid("$scan/$name/log") : supervisor("$name/log");
            if ($victim) { kill9($victim); $kills++; shift @kill_at }
        }
        ended($pids);
    } "the load on $name to end", PATIENCE;
    cmp_ok($kills, '>=', 2, 'the logger and its supervisor were killed meanwhile');
}

# Stops the service; the account of who followed.
sub followed {
    my ($name, $run) = @_;
    is(run([bin('svc'), '-T', 60000, '-wD', '-d', "$scan/$name"], timeout => 70)->{exit}, 0, "$name is stopped");
    wait_for { ended([$run->{counts}]) } 'the last line to be followed', PATIENCE;
    signal($run->{follower}, 'TERM');
    wait_exit($run->{follower});
    return JSON::PP::decode_json(file_text(tmp("followed.$name")));
}

sub tally_of_command {
    my ($words, @how) = @_;
    open my $in, '-|', @$words or die "$words->[0]: $!\n";
    my $t = tally($in, @how);
    close $in or die "@$words: $?\n";
    return $t;
}

# All there is, by lares-logtail and without it: names in their order, unpacked by their own tools.
sub stored {
    my ($name, $key, @how) = @_;
    my $by_us = tally_of_command([bin('logtail'), '-a', $log{$name}], $key, stamped => 1, @how);
    my $plain = 'for f in @* current; do case $f in *.zst) zstd -qdc $f;; *.gz) gzip -dc $f;; *) cat $f;; esac || exit; done';
    my $by_others = tally_of_command(['sh', '-c', "cd '$log{$name}' && $plain"], $key, stamped => 1);
    is(same_tally($by_us, $by_others), '', "$name: what lares-logtail reads from the archives is what they hold");
    return $by_us;
}

# The sizes on the disk, and the archives which are not compressed.
sub settled {
    my ($name, $bound) = @_;
    wait_for { !grep { !/\.(?:zst|gz)$/ } archives($log{$name}) } 'all archives to be compressed', PATIENCE if $packs;
    my $size = 0;
    $size += -s $_ // 0 for glob "$log{$name}/*";
    cmp_ok($size, '<=', $bound, "$name: within its bound");
    return $size;
}

sub report_figures {
    my ($name, $t, $size, $began) = @_;
    figures(sprintf '%s: %d lines, %d bytes, %d archives of %d bytes in all, %.1f s', $name, $t->{lines}, $t->{bytes},
        scalar(archives($log{$name})), $size, Lares::Process::now() - $began);
}

# Each by its worker: `access PID' with the number of the request, `error PID'.
sub nginx_line {
    return ("access $1", $2) if $_[0] =~ m{^access (\d+) .*?\?n=(\d+) };
    return ("error $1") if $_[0] =~ m{^\d{4}/\S+ \S+ \[error\] (\d+)#};
    return;
}

sub nginx_conf {
    my ($data) = @_;
    my $conf = file_text("$data/nginx.conf");
    $conf =~ s{^error_log .*}{error_log /dev/stderr notice;\nerror_log $data/error.second notice;}m or die;
    $conf =~ s{^  access_log .*}{<<"END"}me or die;
  log_format numbered 'access \$pid \$remote_addr - \$remote_user [\$time_local] "\$request" \$status \$body_bytes_sent "\$http_referer" "\$http_user_agent" \$request_id';
  access_log /dev/stdout numbered;
  access_log $data/access.second numbered;
  keepalive_requests 100000000;
END
    $conf =~ s{root $data/www;}{root $data/www; location /item/ { return 204; }} or die;
    write_file("$data/nginx.conf", $conf);
}

# What is compared can tell: a line that is missing, is there twice, or in another place.
subtest 'the account' => sub {
    my @lines = map { "access 1 /page?n=$_ x\n" } 1 .. 5;
    my $of = sub { open my $in, '<', \join '', @_ or die; return tally($in, \&nginx_line) };
    my $all = $of->(@lines);
    is("$all->{lines} $all->{numbers} $all->{doubled}", '5 5 0', 'all lines');
    is(same_tally($of->(@lines, "other\n"), $all), '', 'the same, and a line that does not count');
    isnt(same_tally($of->(@$_), $all), '', 'different') for [@lines[0, 1, 3, 4]], [@lines, $lines[4]], [@lines[0, 2, 1, 3, 4]], [];
    is($of->(@lines, $lines[2])->{doubled}, 1, 'a number that came twice');
};

my $scanner = scanner($scan);

subtest 'nginx' => sub {
    plan skip_all => $why->{nginx} if !$have{nginx};
    my ($size, $count) = $ENV{LARES_LONG} ? (4_000_000, 500) : (1_000_000, 100);
    my $began = Lares::Process::now();
    my $run = follow('nginx', \&nginx_line);
    define('nginx', "s$size n$count z", \&nginx_conf);
    wait_for { http('/page') } 'nginx serving', 20;
    watch('nginx', [http_load(daemon_port('nginx'), REQUESTS)], 3, 10, 20);
    my $live = followed('nginx', $run);
    my $data = tmp('data/nginx');
    my $sent = tally_of_command(['cat', "$data/access.second", "$data/error.second"], \&nginx_line);
    is($sent->{numbers}, REQUESTS, 'nginx itself has noted each request');
    is(same_tally($live, $sent), '', 'followed live: each line of each worker once, in order');
    is("$live->{numbers} $live->{doubled} $live->{backwards}", REQUESTS . ' 0 0', 'each number once, no stamp twice or going back');
    my $bytes = settled('nginx', $size * $count);
    my $kept = stored('nginx', \&nginx_line, middle => int $sent->{lines} / 3);
    is(same_tally($kept, $sent), '', 'in the archives: the same');
    cmp_ok(scalar(archives($log{nginx})), '>=', 20, 'there were rotations enough');
    report_figures('nginx', $kept, $bytes, $began);

    my @pattern = ('-e', ' 404 ');
    is(logtail('-a', @pattern, $log{nginx}) =~ tr/\n//, int REQUESTS / 100, 'searched: as many failures as were asked for');
    my $number = int REQUESTS / 2 + 1;
    like(logtail('-a', '-e', "[?]n=$number ", $log{nginx}), qr{\A\S+ access \d+ [^\n]*\?n=$number [^\n]*\n\z}, 'one request among all');
    my ($before) = logtail('-a', '-t', 'none', '-U', $kept->{middle} =~ s/ //r, $log{nginx}) =~ tr/\n//;
    my ($after)  = logtail('-a', '-t', 'none', '-S', $kept->{middle} =~ s/ //r, $log{nginx}) =~ tr/\n//;
    my $all = logtail('-a', $log{nginx}) =~ tr/\n//;
    is($before + $after, $all + 1, 'until a moment and since it: all lines, that one in both');
    unlink "$data/access.second", "$data/error.second";
};

# A statement of two lines, numbered for each client.
sub postgres_line {
    return ("client $2", $2 * (TRANSACTIONS + 1) + $1) if $_[0] =~ m{^\d+ LOG:  statement: select (\d+), '(\d+)'};
    return ('second line') if $_[0] =~ /^\t  as numbered/;
    return;
}

sub postgres_load {
    my ($pg) = glob((unpacked_peer('postgresql-15'))[0] . '/usr/lib/postgresql/15/bin');
    my $filler = join ' ', ('a statement of some length') x 8;
    write_file(tmp('script'), "\\set n :n + 1\nselect :n, ':client_id' /* $filler */\n  as numbered;\n");
    return spawn(["$pg/pgbench", '-n', '-h', '127.0.0.1', '-p', daemon_port('postgres'), '-U', 'postgres', '-c', CLIENTS, '-j', 2,
        '-t', TRANSACTIONS, '-D', 'n=0', '-f', tmp('script'), 'postgres'], env => peer_env(), stdout => tmp('pgbench'));
}

subtest 'PostgreSQL' => sub {
    plan skip_all => $why->{postgres} if !$have{postgres};
    my ($size, $count) = $ENV{LARES_LONG} ? (4_000_000, 200) : (300_000, 100);
    my $began = Lares::Process::now();
    my $run = follow('postgres', \&postgres_line);
    define('postgres', "s$size n$count z c", sub {
        append_file("$_[0]/postgresql.conf", "log_statement = all\nlog_line_prefix = '%p '\n") });
    wait_for { main_pid("$scan/postgres") } 'PostgreSQL ready', 30;
    watch('postgres', [postgres_load()], 3, 6, 9);
    my $live = followed('postgres', $run);
    my ($done) = file_text(tmp('pgbench')) =~ m{actually processed: (\d+)/\d+};
    is($done, CLIENTS * TRANSACTIONS, 'pgbench has done all that it was to do') or diag(file_text(tmp('pgbench')));
    my $bytes = settled('postgres', $size * $count);
    my $kept = stored('postgres', \&postgres_line);
    is(same_tally($live, $kept), '', 'followed live: what is in the archives');
    is("$kept->{numbers} $kept->{doubled} $kept->{backwards}", CLIENTS * TRANSACTIONS . ' 0 0', 'each statement once');
    is($kept->{lines}, 2 * CLIENTS * TRANSACTIONS, 'with its second line');
    my @torn = grep { first_line($_) =~ /^\S+ [ \t]/ } archives($log{postgres});
    is("@torn", '', 'no file begins within a statement');
    report_figures('postgres', $kept, $bytes, $began);
};

sub first_line {
    my ($file) = @_;
    open my $in, '-|', $file =~ /\.zst$/ ? ('zstd', '-qdc', $file) : $file =~ /\.gz$/ ? ('gzip', '-dc', $file) : ('cat', $file)
        or die "$file: $!\n";
    my $line = <$in>;
    local $SIG{PIPE} = 'IGNORE';
    close $in;
    return $line // '';
}

subtest 'both' => sub {
    plan skip_all => 'there is one server alone' if keys %have < 2;
    my ($label, $backwards, %lines) = ('', 0);
    open my $in, '-|', bin('logtail'), '-sap', $scan or die "logtail: $!\n";
    while (my $line = <$in>) {
        my ($name, $now) = $line =~ /^(\w+)\W+(\@[0-9a-f]{24}) / or next;
        $lines{$name}++;
        $backwards++ if $now lt $label;
        $label = $now;
    }
    close $in or die "logtail: $?\n";
    is($backwards, 0, 'lares-logtail -s shows them in the order of time');
    for my $name (sort keys %have) {
        is($lines{$name}, logtail('-a', $log{$name}) =~ tr/\n//, "and all lines of $name");
    }
};

is(stop_scanner($scanner), 0, 'the scanner stops everything');
no_processes_left();
done_testing;
