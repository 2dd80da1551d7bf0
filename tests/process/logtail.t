# lares-logtail without following: how many lines and from when, several directories in the order of
# time, services and directories of services, patterns, stamps, JSON, colours, compressed archives,
# what is missing, and that a log that is being written is shown to its end.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use LogTest;
use Test::More;

my $dir = work_dir();
(my $logtail = log_program()) =~ s{[^/]*$}{lares-logtail};
$ENV{TZ} = 'CET-1CEST,M3.5.0,M10.5.0/3';
delete $ENV{NO_COLOR};
$ENV{TERM} = 'xterm';

# (exit code, output); what was said is in $said.
my $said;
sub show {
  my (@words) = @_;
  my $status = finish(start([@words], program => $logtail, in => '', err => "$dir/err", before => ['/bin/sh', '-c', 'exec "$@" >"$0"', "$dir/out"]));
  $said = content("$dir/err");
  return ($status >> 8, content("$dir/out"));
}
sub shown { return (show(@_))[1] }

# A stamp, so many seconds after 2026-11-20 10:00:00 UTC.
sub stamp { return sprintf '@%016x%08x', 4611686018427387914 + 1795168800 + $_[0], ($_[1] // 0) }

# A log of a line a second, every hundred in a file of their own.
sub make_log {
  my ($path, $lines, $text) = @_;
  mkdir $path;
  for (my $first = 0; $first < $lines; $first += 100) {
    my $end = $first + 100 < $lines ? $first + 100 : $lines;
    my $name = $end == $lines ? 'current' : stamp($end - 1, 900_000_000) . '.s';
    write_file("$path/$name", join '', map { stamp($_) . " $text $_\n" } $first .. $end - 1);
  }
}

chdir fresh('logs') or die;
mkdir $_ for qw(scan scan/web scan/web/log scan/db scan/db/log scan/none scan/.hidden);
make_log('scan/web/log/main', 450, 'web');
make_log('scan/db/log', 150, 'db');
write_file('scan/db/log/run', '');
my $web = 'scan/web/log/main';
my $whole = whole($web);
my @all = split /^/, $whole;
sub last_of { my ($n) = @_; return join '', @all[($n > @all ? 0 : @all - $n) .. $#all] }

is(shown('-a', $web), $whole, '-a: all');
is(shown($web), last_of(10), 'the last ten');
is(shown('-n', $_, $web), last_of($_), "-n $_") for 0, 1, 49, 50, 51, 149, 150, 151, 449, 450, 1000;
is(shown('-n', 2, $_), last_of(2), "of $_") for 'scan/web/log', 'scan/web', 'scan/web/';
is(shown('-S', '2026-11-20T10:05:00Z', $web), last_of(150), '-S: since a time in UTC');
is(shown('-S', '2026-11-20 11:05:00', $web), last_of(150), '-S: in local time');
is(shown('-S', stamp(399), $web), last_of(51), '-S: a label');
is(shown('-S', stamp(400), '-n', 3, $web), last_of(3), '-S and -n');
is(shown('-S', stamp(440), '-n', 30, $web), last_of(10), '-S and -n: fewer');
is(shown('-S', '2026-11-20', '-U', stamp(1), $web), join('', @all[0, 1]), '-U');
is(shown('-S', '2030-01-01', $web), '', '-S: in the future');

# Several, by time.
my @merged = sort { (split / /, $a)[1] cmp (split / /, $b)[1] || ($a =~ /^web/) <=> ($b =~ /^web/) } (map { "web: $_" } @all), (map { "db: $_" } split /^/, whole('scan/db/log'));
is(shown('-as', 'scan'), join('', @merged), '-s: the services of a directory, in the order of time');
is(shown('-a', 'scan/db', 'scan/web'), join('', @merged), 'several services');
is(shown('-aq', 'scan/db', 'scan/web'), join('', map { s/^\w+: //r } @merged), '-q: without names');
is(shown('-pn', 1, 'scan/web'), 'web: ' . last_of(1), '-p: with the name of one');
is(shown('-s', '-n', 1, 'scan'), 'db: ' . stamp(149) . " db 149\nweb: " . last_of(1), '-n: of each');
mkdir 'scan/web/log/errors';
write_file('scan/web/log/errors/current', stamp(1000) . " bad\n");
is(shown('-n', 1, 'scan/web'), 'web: ' . last_of(1) . 'web/errors: ' . stamp(1000) . " bad\n", 'two logs of a service');
File::Path::remove_tree('scan/web/log/errors');

# What lines.
is(shown('-ae', 'web 44', $web), join('', grep { /web 44/ } @all), '-e: a text');
is(shown('-ae', '^web .*[02468]$', $web), join('', grep { /[02468]$/ } @all), '-e: an expression, for what is behind the stamp');
is(shown('-n', 3, '-e', '7$', $web), join('', (grep { /7$/ } @all)[-3 .. -1]), '-e and -n');
is(shown('-ae', '1$', '-e', '2$', '-v', '11', '-v', '2.2', $web), join('', grep { / \d*[12]$/ && !/ \d*11/ && !/ 2.2/ } @all), '-e twice, -v');
is(shown('-aie', 'WEB 12', $web), join('', grep { /web 12/ } @all), '-i');
is(shown('-aiv', 'WEB', $web), '', '-i, whichever comes first');

# How they look.
is(shown('-n', 1, '-t', 'local', $web), "2026-11-20 11:07:29.000000000 web 449\n", '-t local');
is(shown('-n', 1, '-t', 'iso', $web), "2026-11-20T11:07:29.000000000+01:00 web 449\n", '-t iso');
is(shown('-n', 1, '-t', 'utc', $web), "2026-11-20T10:07:29.000000000Z web 449\n", '-t utc');
is(shown('-n', 1, '-t', 'none', $web), "web 449\n", '-t none');
is(shown('-c', 'always', '-n', 1, '-p', '-t', 'none', $web), "\e[36mweb:\e[0m web 449\n", '-c always');
my ($object) = map { JSON::PP->new->utf8->decode($_) } shown('-jn', 1, 'scan/web');
is_deeply($object, { version => 1, service => 'web', directory => $web, at => '2026-11-20T10:07:29.000000000Z', message => 'web 449', begins => JSON::PP::true, ends => JSON::PP::true }, '-j');
mkdir 'odd';
write_file('odd/current', "no stamp \xff\0\"\\\e[31m\n" . 'x' x 600000 . "\nlast");
my @objects = map { JSON::PP->new->utf8->decode($_) } split /^/, shown('-ja', 'odd');
is($objects[0]{at}, undef, '-j: no stamp');
is(pack('H*', $objects[0]{message_hex}), "no stamp \xff\0\"\\\e[31m", '-j: what is not UTF-8');
is(join('', map { $_->{message} } @objects[1 .. $#objects - 1]), 'x' x 600000, '-j: a long line in parts');
is(join('', map { $_->{begins} ? 'b' : $_->{ends} ? 'e' : '-' } @objects), 'bb-eb', '-j: which is told');
mkdir 'characters';
write_file('characters/current', join '', map { ('x' x $_) . ("\xe2\x82\xac" x 20_000) . "\n" } 0 .. 2);
@objects = map { JSON::PP->new->utf8->decode($_) } split /^/, shown('-ja', 'characters');
is($objects[$_]{message}, ('x' x $_) . ("\x{20ac}" x 20_000), '-j: no character of a long line is divided') for 0 .. 2;
write_file('characters/current', my $odd = join '', map { chr($_ % 255 + ($_ % 255 > 9)) } 0 .. 70_000);
is(pack('H*', (map { JSON::PP->new->utf8->decode($_)->{message_hex} } shown('-ja', 'characters'))[0]), $odd, '-j: a long one that is not UTF-8');
is(shown('-a', 'odd'), content('odd/current') . "\n", 'text: as it is, with an end');
is(shown('-ap', 'odd'), "odd: no stamp \xff\0\"\\\e[31m\nodd: " . 'x' x 600000 . "\nodd: last\n", 'and a name in front');

# On a terminal.
SKIP: {
  skip 'no script', 5 if !grep { -x "$_/script" } split /:/, $ENV{PATH};
  my $terminal = sub { my $text = `script -qec '$_[0]' /dev/null </dev/null`; return $text =~ s/\r//gr };
  is($terminal->("$logtail -n 1 -s scan"), "\e[36mdb:\e[0m  \e[2m2026-11-20 11:02:29.000000000\e[0m db 149\n\e[33mweb:\e[0m \e[2m2026-11-20 11:07:29.000000000\e[0m web 449\n",
    'on a terminal: colours, local time');
  is($terminal->("NO_COLOR=1 $logtail -n 1 -t keep scan/web"), last_of(1), 'NO_COLOR, -t keep');
  write_file('odd/current', "\e]0;title\a\e[31mred\e[2J\xc2\x9b\xc3\xa4\n");
  is($terminal->("$logtail odd"), "?]0;title?\e[31mred?[2J?\xc3\xa4\e[0m\n", 'no commands to it but colours');
  is($terminal->("$logtail -r odd"), "\e]0;title\a\e[31mred\e[2J\xc2\x9b\xc3\xa4\n", '-r: all');
  # A name's colours came through and went on in its line.
  mkdir "\e]0;t\a\e[31mname";
  write_file("\e]0;t\a\e[31mname/current", "line\n");
  is($terminal->("NO_COLOR=1 $logtail -p ?]0*name"), "?]0;t??[31mname: line\n", 'no commands to it in a name, nor colours');
}

# Compressed, whatever their names.
chdir $web;
my @archives = grep { /^@/ } names('.');
my $packed = 0;
for my $packer (['gzip', '-q'], ['zstd', '-q', '--rm'], ['xz', '-q'], ['bzip2', '-q']) {
  my $name = shift @archives or last;
  if (system("@$packer $name 2>/dev/null") == 0) { $packed++ }
}
rename glob('*.gz'), (glob('*.gz'))[0] =~ s/\.gz$//r;
chdir '../../../..';
diag("$packed archives compressed");
is(shown('-a', $web), $whole, 'compressed archives');
is(shown('-n', $_, $web), last_of($_), "compressed, -n $_") for 60, 240, 449;
is(shown('-S', stamp(77), $web), last_of(450 - 77), 'compressed, -S');
my ($code, $out) = do { local $ENV{PATH} = '/nonexistent'; show('-a', $web) };
is($code, 111, 'no program to unpack');
like($said, qr{unable to run gzip to read scan/web/log/main/\@\w+\.s: No such file}, 'is said');
is($out, last_of(50), 'and the rest is shown') if $packed == 4;

# What lares-log writes as JSON has times too.
is(finish(start(['j', './json'], in => "one\ntwo\n")), 0, 'a log of JSON');
is(shown('-S', '1h', 'json'), whole('json'), '-S with times in JSON');
is(shown('-U', '1h', '-a', 'json'), '', '-U');
like((map { JSON::PP->new->utf8->decode($_)->{at} } shown('-jn', 1, 'json'))[0], qr/^\d{4}-.*Z$/, '-j: at');

# A program at work, and files that are none.
mkdir 'working';
write_file('working/' . stamp(1) . '.s', stamp(0) . " 1\n");
write_file('working/previous', stamp(2) . " 2\n");
write_file('working/processed', 'half');
write_file('working/current', stamp(3) . " 3\n");
write_file('working/lock', '');
is(shown('-at', 'none', 'working'), "1\n2\n3\n", 'previous comes before current');
is(shown('-t', 'none', '-n', 2, 'working'), "2\n3\n", 'also from the end');
mkdir 'empty';
write_file('empty/current', '');
is_deeply([show('empty')], [0, ''], 'an empty log');

# What is not there, or wrong.
($code, $out) = show('-t', 'none', '-n', 1, 'nowhere', 'scan/none', 'working');
is("$code $out", "111 working: 3\n", 'what is missing: the others are shown');
like($said, qr/unable to read nowhere: No such file/, 'said');
like($said, qr{scan/none: no log directory: neither it nor log/ in it}, 'and what has no log');
for my $case ([['-n', 'x', 'a'], qr/-n: a number of lines is expected, not x/], [['-S', 'soon', 'a'], qr/-S: a time is expected: .*; not soon/],
  [['-e', '(', 'a'], qr/-e: \( is no extended regular expression/], [['-t', 'x', 'a'], qr/-t: keep, none, .* is expected, not x/],
  [['-c', 'x', 'a'], qr/-c: always, never or auto is expected, not x/], [['-a', '-n', 1, 'a'], qr/-a or -n, not both/], [[], qr/no directory given; usage/]) {
  ($code) = show(@{ $case->[0] });
  is($code, 100, "@{$case->[0]}: wrong usage");
  like($said, $case->[1], 'says what is wrong');
}

# Shown while it is being written and rotated.
my ($fifo, $feed) = fifo('fifo');
my $run = start(['t', 's4096', 'n4000', './busy'], fd => $fifo);
my ($count, $wrong) = (0, 0);
for my $round (1 .. 20) {
  print {$feed} join '', map { $count++ . "\n" } 1 .. 1000;
  my $at = shown('-at', 'none', 'busy');
  my $next = 0;
  for my $line (split /\n/, $at) { $wrong++ if $line ne $next++ }
}
is($wrong, 0, 'a log that is being written: each line once, in order');
kill 'TERM', $run->{pid};
finish($run);
nothing_left();
done_testing();
