# Everything of lares dead at once, loggers included: a service that goes on writing met a pipe
# without a reader and died of SIGPIPE. It has to live, and what it wrote meanwhile to be logged.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Scan;
use Lares::Chaos;
use Test::More;

my ($scan)  = new_scan();
my $scanner = make_tallies($scan);
my @names   = qw(ever stubborn);
my %pid     = map { $_ => tally_pid($_) } @names;

sub written { my ($name) = @_; return unpack 'Q', file_text("$scan/../tallies/$name.tally") }

up("$scan/$_/log") for service_names();
my %before = map { my $name = $_; ($name => scalar wait_for { written($name) > 20 && written($name) } 'lines') } @names;
my @loggers = map { service_pid("$scan/$_/log") } service_names();
kill9($scanner);
wait_exit($scanner);
kill9($_) for values %{ supervisors() };
kill9($_) for @loggers;
wait_for { !%{ supervisors() } && !grep { alive($_) } @loggers } 'all of them dead';
my %dead = map { $_ => written($_) } @names;
for my $name (@names) {
    wait_for { written($name) > $dead{$name} + 20 || !alive($pid{$name}) } "$name writing on";
    ok(alive($pid{$name}), "$name lives without any reader of its log");
}
$scanner = scanner($scan);
for my $name (@names) {
    wait_for { supervisor($name) && supervisor("$name/log") } "supervisors of $name";
    up("$scan/$name/log");
    is(service_pid("$scan/$name"), $pid{$name}, "$name is supervised again, with its pid");
}
is(stop_scanner($scanner), 0, 'TERM: exit 0');
no_processes_left();
for my $name (@names) {
    my %seen;
    for my $file (glob "$scan/$name/log/main/{\@*,current}") {
        my $text = file_text($file);
        $seen{$1}++ while $text =~ / $name 0 (\d+)$/mg;
    }
    my @missing = grep { !$seen{$_} } $dead{$name} .. written($name) - 1;
    is(scalar @missing, 0, "$name: no line written without a logger is missing");
    is(scalar(grep { $_ > 1 } values %seen), 0, '... and none is there twice');
}
done_testing();
