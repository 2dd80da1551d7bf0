# lares-supervise: bad definitions. Each is said by name, once; the service is supervised as well
# as can be; what is mended is taken at the next start.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::State;
use Test::More;
use JSON::PP 'decode_json';
use Socket ();

sub count { my ($dir, $pattern) = @_; return scalar(() = messages($dir) =~ /$pattern/g) }

# --- run is missing ---
{
    my $dir = make_service(tmp('norun'), files => { 'restart-delays' => "0\n" });
    my $pid = supervise($dir);
    my $s = wait_state($dir, state => 'backoff');
    is("$s->{reason} $s->{starts} $s->{deaths}", 'no-run 0 0', 'run missing: no start, no death, the reason is told');
    wait_message($dir, qr/warning supervise norun there is no run file; trying again\n/);
    my $before = $s->{sequence};
    control($dir, 'u');
    $s = wait_for { my $now = read_state($dir); $now->{sequence} > $before && $now } 'the next try';
    is($s->{reason}, 'no-run', 'u: tried again, and the reason is still that');
    is(count($dir, 'there is no run'), 1, 'said once');
    make_run($dir, "echo start >>starts; exec sleep 1000");
    control($dir, 'u');
    ok(wait_state($dir, state => 'up'), 'it starts when run is there');
    # It vanishes while the service runs.
    wait_for { starts_of("$dir/starts") } 'the service';
    my $up = read_state($dir);
    unlink "$dir/run";
    kill9($up->{pid});
    $s = wait_state($dir, state => 'backoff', deaths => 1);
    is($s->{reason}, 'no-run', 'run vanished, the service died: awaited');
    my @h = read_history($dir);
    is(scalar(grep { $_->{event} eq 'run-died' && $_->{wstat} == 9 } @h), 1, 'the death itself is on record too');
    wait_for { count($dir, 'there is no run') == 2 } 'the second message';
    make_run($dir, "echo start >>starts; exec sleep 1000");
    ok(wait_state($dir, state => 'up'), 'it starts by itself when run appears');
    is(starts_of("$dir/starts"), 2, 'once');
    leave_service($dir, $pid);
    no_processes_left();
}

sub make_run {
    my ($dir, $text) = @_;
    write_file("$dir/.run", "#!/bin/sh\n$text\n", 0755);
    rename "$dir/.run", "$dir/run" or die;
}

# --- run cannot be executed ---
# The system's words for a missing interpreter, "No such file or directory", are about a file that is there.
sub says_interpreter {
    my ($dir, $words) = @_;
    my $text = "unable to execute run: the interpreter $words";
    my $status = run([bin('svstat'), $dir])->{out};
    like($status, qr/backoff: \Q$text\E, next start/, 'svstat says so');
    is(decode_json(run([bin('svstat'), '--json', $dir])->{out})->[0]{reason_text}, $text, '... --json');
    like(run([bin('svwait'), '-U', '-t', '20', $dir])->{err}, qr/it is backoff \(\Q$text\E\), not ready$/m, 'svwait');
    like(run([bin('svc'), '-T', '5000', '-uwu', $dir])->{err}, qr/\(\Q$text\E\), not up$/m, 'svc -w');
    like(run([bin('svhist'), $dir])->{out}, qr/ backoff, .*\(\Q$text\E\)$/m, 'svhist');
}
my %interpreters = (
    dos      => ["#!/bin/sh\r\nexec sleep 1000\r\n", '`/bin/sh\\r\' does not exist (line ends of DOS)'],
    options  => ["#! /no/python3 -u up down\n", '`/no/python3\' does not exist'],
    odd      => ["#!/no/\e[1m\xe9" . 'x' x 50 . "\n", '`/no/\\x1b[1m\\xe9' . 'x' x 25 . '...\' does not exist'],
    indirect => ["#!./python\n", '`/no/python3\' does not exist', python => "#!/no/python3\n"],
);
for my $name (sort keys %interpreters) {
    my ($text, $words, %files) = @{ $interpreters{$name} };
    my $dir = make_service(tmp("interpreter-$name"), files => { 'restart-delays' => "0 100000\n" });
    write_file("$dir/$_", $files{$_}, 0755) for keys %files;
    write_file("$dir/run", $text, 0755);
    my $pid = supervise($dir);
    wait_message($dir, qr/error supervise \S+ unable to execute \.\/run: the interpreter \Q$words\E$/m);
    wait_state($dir, state => 'backoff');
    says_interpreter($dir, $words);
    if ($name eq 'options') {
        write_file("$dir/run", "#!/bin/sh\n", 0755);
        unlike(run([bin('svhist'), $dir])->{out}, qr/interpreter/, 'of another run svhist knows nothing');
    }
    leave_service($dir, $pid);
    no_processes_left();
}

my @runs = (
    ['not executable', sub { write_file("$_[0]/run", "#!/bin/sh\n", 0644) }, qr/error supervise \S+ unable to execute \.\/run: Permission denied/, 'no-exec'],
    ['a directory',    sub { mkdir "$_[0]/run" }, qr/warning supervise \S+ run: is a directory, a file is expected; using nothing/, 'no-run'],
    ['a bad shebang',  sub { write_file("$_[0]/run", "#!/nonexistent/shell\n", 0755) }, qr/error supervise \S+ unable to execute \.\/run: the interpreter `\/nonexistent\/shell' does not exist$/m, 'no-exec'],
    ['no shebang',     sub { write_file("$_[0]/run", "garbage\0\1\2", 0755) }, qr/error supervise \S+ unable to execute \.\/run: neither a program for this machine nor a script that begins with #!/, 'no-exec'],
    ['empty',          sub { write_file("$_[0]/run", '', 0755) }, qr/error supervise \S+ unable to execute \.\/run: neither a program for this machine nor a script that begins with #!/, 'no-exec'],
    ['a FIFO',         sub { make_fifo("$_[0]/run", 0755) }, qr/warning supervise \S+ run: is a FIFO, a file is expected/, 'no-run'],
    ['a dangling link', sub { symlink 'nowhere', "$_[0]/run" }, qr/warning supervise \S+ run: is a link to something which does not exist/, 'no-run'],
    ['a link to itself', sub { symlink 'run', "$_[0]/run" }, qr/warning supervise \S+ run: cannot be looked at: Too many levels/, 'no-run'],
);
for my $case (@runs) {
    my ($what, $make, $message, $reason) = @$case;
    (my $name = "run-$what") =~ tr/ /-/;
    my $dir = make_service(tmp($name), finish => 'echo start >>finishes', files => { 'restart-delays' => "0 100000\n" });
    $make->($dir);
    my $pid = supervise($dir);
    wait_message($dir, $message);
    my $s = wait_state($dir, state => 'backoff');
    is($s->{reason}, $reason, "run is $what: said, and the reason is in state");
    ok(!-e "$dir/finishes", '... no finish for what never ran');
    rmdir "$dir/run" or unlink "$dir/run";
    make_run($dir, 'exec sleep 1000');
    control($dir, 'u');
    ok(wait_state($dir, state => 'up'), '... and mended: it is up');
    leave_service($dir, $pid);
}
no_processes_left();

# It said "unable to open dup2 for ./run: Bad file descriptor", and that at every try.
{
    my $dir = make_service(tmp('highfd'), run => 'exec sleep 1000',
        files => { 'notification-fd' => "500\n", 'restart-delays' => "0 20\n" });
    my $pid = supervise($dir, before => ['/bin/sh', '-c', 'ulimit -n 256; exec "$@"', 'sh']);
    wait_message($dir, qr/error supervise highfd unable to give \.\/run its descriptors, is notification-fd within/);
    wait_for { read_state($dir)->{deaths} > 3 } 'further tries';
    is(count($dir, 'unable to give'), 1, 'notification-fd above the limit: said in words, once');
    unlink "$dir/notification-fd";
    ok(wait_state($dir, state => 'up'), '... and mended: it is up');
    leave_service($dir, $pid);
    no_processes_left();
}

# --- value files ---
sub socket_at {
    my ($path) = @_;
    socket my $s, Socket::AF_UNIX(), Socket::SOCK_STREAM(), 0 or die;
    my ($dir, $file) = $path =~ m{(.*)/(.*)};
    chdir $dir or die; # a socket's path is short
    bind $s, Socket::pack_sockaddr_un($file) or die "bind: $!";
}
my @values = (
    ['timeout-kill',    "10s\n",     'timeout-kill: "10s" is not a decimal number; using 10000'],
    ['timeout-kill',    "-1\n",      'timeout-kill: "-1" is not a decimal number; using 10000'],
    ['timeout-finish',  "99999999999999999999\n", 'timeout-finish: "99999999999999999999" is more than \d+; using 5000'],
    ['timeout-ready',   "1\n2\n",    'timeout-ready: has more than one line; using 0'],
    ['timeout-start',   '',          'timeout-start: is empty; using 0'],
    ['restart-reset',   "1\0000\n",  'restart-reset: contains a NUL byte; using 1000'],
    ['down-signal',     "SIGFOO\n",  'down-signal: .*SIGFOO.*; using TERM'],
    ['down-signal',     "0\n",       'down-signal: "0" is less than 1; using TERM'],
    ['notification-fd', "1\n",       'notification-fd: "1" is less than 3; using none'],
    ['kill-mode',       "all\n",     'kill-mode: "all" is none of tree\|group\|process; using tree'],
    ['type',            "daemon\n",  'type: "daemon" is none of .*; using longrun'],
    ['restart',         "sometimes\n", 'restart: "sometimes" is none of .*; using always'],
    ['restart-delays',  "1*0\n",     'restart-delays: .*; using 0 1000\*30'],
    ['restart-delays',  "soon\n",    'restart-delays: .*; using 0 1000\*30'],
    ['restart-delays',  'x' x 5000,  'restart-delays: is longer than 1023 bytes; using'],
    ['max-history',     "1\n",       'max-history: "1" is less than \d+; using 1024'],
    ['timeout-kill',    \'fifo',     'timeout-kill: is a FIFO, a file is expected; using 10000'],
    ['timeout-kill',    \'dir',      'timeout-kill: is a directory, a file is expected; using 10000'],
    ['timeout-kill',    \'/dev/zero', 'timeout-kill: is a device, a file is expected; using 10000'],
    ['timeout-kill',    \'/dev/tty', 'timeout-kill: is a (?:socket or a )?device.*, a file is expected; using 10000|timeout-kill: cannot be opened: .*; using 10000'],
    ['timeout-kill',    \'socket',   'timeout-kill: is a socket or a device without a driver, a file is expected; using 10000'],
    ['timeout-kill',    \'nowhere',  'timeout-kill: is a link to something which does not exist; using 10000'],
);
my $n = 0;
for my $case (@values) {
    my ($file, $value, $message) = @$case;
    my $dir = make_service(tmp('value' . ++$n), run => 'echo start >>starts; exec sleep 1000');
    my $path = "$dir/$file";
    if (!ref $value) { write_file($path, $value) }
    elsif ($$value eq 'fifo') { make_fifo($path) }
    elsif ($$value eq 'dir') { mkdir $path }
    elsif ($$value eq 'socket') { socket_at($path) }
    else { symlink $$value, $path }
    my $pid = supervise($dir);
    ok(wait_state($dir, state => 'up'), "$file " . (ref $value ? "a $$value" : 'malformed') . ': the service runs');
    like(messages($dir), qr/ warning supervise value$n (?:$message)/, '... and it is said what is wrong and what is used');
    kill9(read_state($dir)->{pid}) if $n == 1;
    wait_state($dir, starts => 2, state => 'up') if $n == 1;
    signal($pid, 'HUP');
    control($dir, 'd');
    wait_state($dir, state => 'down');
    is(count($dir, 'warning'), 1, '... once, however often it is read');
    leave_service($dir, $pid);
}
no_processes_left();

# --- names ---
for my $name ("new\nline", '..dots', ' blank ', 'a' x 255, "\xff\xfe", '-dash', '%s%n', "tab\there") {
    my $dir = make_service(tmp('names/' . (length $name > 200 ? 'long' : $name)), run => 'printf "%s" "$1" >got; printf "%s" "$LARES_NAME" >env; exec sleep 1000');
    if (length $name > 200) { rename $dir, tmp("names/$name") or die; $dir = tmp("names/$name") }
    my $pid = spawn([bin('supervise'), $dir], stderr => tmp('names.err'));
    wait_for { my $e = file_text("$dir/env"); defined $e && length $e == length $name } 'the service';
    is(file_text("$dir/got"), $name, 'the name of a service is passed as it is: ' . join ' ', map { $_ =~ /[!-~ ]/ ? $_ : sprintf '%02x', ord } split //, substr $name, 0, 12);
    leave_service($dir, $pid);
}
{
    my $r = run([bin('supervise'), '-s', 'x/' x 130 . 'x']);
    is($r->{exit}, 100, 'a name of 261 bytes under svscan: refused');
    like($r->{err}, qr/name too long \(at most 259 bytes\)/, '... and said');
}
no_processes_left();
no_zombies();
done_testing;
