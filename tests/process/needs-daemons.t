# Real ones: an application that needs PostgreSQL and Redis ready, with a session open to each. Killed,
# restarted, stopped: it never sees one of them go that goes on purpose, for it has gone before.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::State;
use Lares::Daemons;
use Test::More;

$SIG{PIPE} = 'IGNORE';
my ($there, $why) = daemons_there();
plan skip_all => join '; ', map { $why->{$_} } grep { $why->{$_} } qw(postgres redis) if grep { $why->{$_} } qw(postgres redis);
my ($scan) = new_scan();
my $record = "$scan/../record";
write_file($record, '', 0666);
chmod 0666, $record;

# It gives up at its start when one of them does not answer, and notes whatever happens to a session.
my $app = <<'END';
use strict; use warnings;
use IO::Socket::INET;
my ($record, %port) = @ARGV;
open my $out, '>>', $record or die; select $out; $| = 1;
my %to;
sub session {
    my ($name) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port{$name}, Timeout => 5) or return;
    my $start = pack('N', 196608) . "user\0postgres\0database\0postgres\0\0";
    syswrite $s, $name eq 'redis' ? "PING\r\n" : pack('N', 4 + length $start) . $start;
    my $answer = '';
    while ($answer !~ ($name eq 'redis' ? qr/PONG/ : qr/Z\0\0\0\x05I\z/)) {
        sysread $s, $answer, 4096, length $answer or return;
        return if $answer =~ /^-/; # Redis is loading
    }
    return $to{$name} = $s;
}
my $told = 0;
$SIG{TERM} = sub { $told = 1 };
for my $name (qw(postgres redis)) { session($name) or do { print "refused by $name\n"; exit 1 } }
print "start $$\n";
open my $ready, '>&=3' or die; syswrite $ready, "\n"; close $ready;
until ($told) {
    my $set = '';
    vec($set, fileno $_, 1) = 1 for values %to;
    next if select($set, undef, undef, keys %to == 2 ? undef : 0.02) < 0;
    for my $name (sort keys %to) {
        next if !vec($set, fileno $to{$name}, 1);
        my $got = sysread $to{$name}, my $bytes, 4096;
        next if $got; # PostgreSQL says that it goes before it does
        delete $to{$name};
        print "lost $name\n" if !$told;
    }
    for my $name (grep { !$to{$_} } qw(postgres redis)) { print "back to $name\n" if !$told && session($name) }
}
print "told\n";
# Both still answer: there is something to be put in order.
syswrite $to{redis}, "PING\r\n";
print sysread($to{redis}, my $bytes, 100) ? "redis answers\n" : "redis does not answer\n" if $to{redis};
my $q = "select 42\0";
syswrite $to{postgres}, 'Q' . pack('N', 4 + length $q) . $q;
print sysread($to{postgres}, $bytes, 4096) && $bytes =~ /42/ ? "postgres answers\n" : "postgres does not answer\n" if $to{postgres};
print "ended\n";
END

sub recorded_lines { return join ' ', map { s/start \d+/start/r } split /\n/, file_text($record) }
sub svc_ok { my ($name, @words) = @_; my $r = run([bin('svc'), '-T', 20000, @words], timeout => 25); is($r->{exit}, 0, $name) or diag($r->{err}) }
sub app_pid { return scalar wait_for { my $s = state_is("$scan/app", state => 'up', ready => 1); $s && $s->{pid} } 'the application', 20 }
my $well = 'told redis answers postgres answers ended';

make_daemon("$scan/$_", $_) for qw(postgres redis);
make_service("$scan/app", run => [ 'perl', write_file(tmp('app.pl'), $app), $record, map { ($_ => daemon_port($_)) } qw(postgres redis) ],
    files => { 'notification-fd' => "3\n", 'needs/postgres' => '', 'needs/redis' => '' });
my $scanner = scanner($scan);
my $pid = app_pid();
is(recorded_lines(), 'start', 'started when both answer, and not before');

# Neither a crash nor a restart is a reason to go: it is for the application to cope with that.
my %old = map { $_ => main_pid("$scan/$_") } qw(postgres redis);
kill9($old{redis});
wait_for { file_text($record) =~ /back to redis/ } 'the session with Redis';
svc_ok('svc -wR -r: PostgreSQL anew', '-wR', '-r', "$scan/postgres");
wait_for { file_text($record) =~ /back to postgres/ } 'the session with PostgreSQL';
is(app_pid(), $pid, 'one was killed and one restarted: the application is the same');
is(recorded_lines(), 'start lost redis back to redis lost postgres back to postgres', '... and has seen both');

# Everybody's supervisor, and the scanner, are killed.
write_file($record, '');
kill9($_) for values %{ supervisors() };
kill9($scanner);
wait_exit($scanner);
$scanner = scanner($scan);
wait_for { 3 == grep { state_is("$scan/$_", state => 'up', adopted => 1) && control("$scan/$_", '') } qw(app postgres redis) } 'three adopted';
is(app_pid(), $pid, 'all supervisors killed, and the scanner: the same');

svc_ok('svc -wD -d: PostgreSQL down', '-wD', '-d', "$scan/postgres");
is(recorded_lines(), $well, 'the application went before, with both there to the end');
like(run([bin('svstat'), "$scan/app"])->{out}, qr/, waiting \(postgres is down\)/, '... and waits');
is(main_pid("$scan/redis") ? 'up' : '', 'up', 'Redis is not concerned');
like(join('', map { file_text($_) } glob "$scan/postgres/log/main/{\@*,current}"), qr/database system is shut down/, 'PostgreSQL was shut down in order');
write_file($record, '');
svc_ok('svc -wU -u: PostgreSQL up', '-wU', '-u', "$scan/postgres");
isnt(app_pid(), $pid, 'the application is back');
is(recorded_lines(), 'start', '... at the first try');

is(stop_scanner($scanner), 0, 'the scanner stops everything');
is(recorded_lines(), "start $well", 'first the application, in peace');
like(file_text("$scan/redis/log/main/current"), qr/bye bye/, 'then Redis');
like(file_text("$scan/postgres/log/main/current"), qr/database system is shut down/, 'and PostgreSQL');
no_processes_left();
no_zombies();
done_testing();
