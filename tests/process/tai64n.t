# lares-tai64n and lares-tai64nlocal: the output of daemontools' programs, byte for byte (labels of
# the first masked), over lines in order and malformed ones; ISO 8601; files, compressed or not.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use LogTest;
use Test::More;

my $dir = work_dir();
(my $bin = log_program()) =~ s{[^/]*$}{};
my ($stamp, $local) = ("${bin}lares-tai64n", "${bin}lares-tai64nlocal");
$ENV{TZ} = 'CET-1CEST,M3.5.0,M10.5.0/3';

# (status, output, what was said) of words with this input.
sub filter {
  my ($input, @words) = @_;
  write_file("$dir/in", $input);
  my $status = finish(start([@words[1 .. $#words]], in => $input, program => $words[0], err => "$dir/err",
    before => ['/bin/sh', '-c', 'exec "$@" >"$0"', "$dir/out"]));
  return ($status, content("$dir/out"), content("$dir/err"));
}

my @texts = ("a\nb\n", "no end", "\n\n\n", "\0\n\xff\n", 'x' x 300000 . "\ny\n", join('', map { "$_\n" } 1 .. 50000), '');
for my $text (@texts) {
  my ($status, $out) = filter($text, $stamp);
  my $name = length $text > 20 ? length($text) . ' bytes' : $text =~ s/([^ -~])/sprintf '\\%03o', ord $1/gesr;
  my $want = $text =~ s/^(?=.|\n)/@ /mgsr;
  is($status, 0, "tai64n: $name");
  ok(mask($out) eq $want, 'a label in front of each line');
  my @labels = $out =~ /^\@([0-9a-f]{24}) /mg;
  is(scalar(grep { $labels[$_] le $labels[ $_ - 1 ] } 1 .. $#labels), 0, 'that rise');
SKIP: {
    my $theirs = peer('tai64n') or skip 'no tai64n of daemontools: it is not unpacked in LARES_PEERS', 1;
    ok(mask((filter($text, $theirs))[1]) eq mask($out), "the same as daemontools' tai64n");
  }
}

# A line that comes in two parts has one label, and no part waits for the other.
my ($fifo, $feed) = fifo("$dir/fifo");
my $run = start([], program => $stamp, fd => $fifo, before => ['/bin/sh', '-c', 'exec "$@" >"$0"', "$dir/parts"]);
print {$feed} 'par';
ok(until_true(sub { masked("$dir/parts") eq '@ par' }), 'tai64n: a part of a line is written at once');
print {$feed} "t\nend\n";
ok(until_true(sub { masked("$dir/parts") eq "\@ part\n\@ end\n" }), 'and its rest behind it');
kill 'KILL', $run->{pid};
finish($run);
$run = start([], program => $local, fd => $fifo, before => ['/bin/sh', '-c', 'exec "$@" >"$0"', "$dir/parts2"]);
print {$feed} "x\n\@400000006b001a";
ok(until_true(sub { content("$dir/parts2") eq "x\n" }), 'tai64nlocal: half of a label waits');
print {$feed} "2a000001f4 par";
ok(until_true(sub { content("$dir/parts2") eq "x\n2026-11-20 11:00:00.000000500 par" }), 'for its other half only');
kill 'KILL', $run->{pid};
finish($run);

# --- local time -------------------------------------------------------------------------------
my $label = '@400000006b001a2a000001f4';
my @cases = (
  ["$label x\n", '2026-11-20 11:00:00.000000500 x'], ["$label", '2026-11-20 11:00:00.000000500'],
  ["$label $label\n", "2026-11-20 11:00:00.000000500 $label"], [" $label x\n", " $label x"],
  ["\@400000006b001a2a3b9aca00 x\n", '2026-11-20 11:00:00.1000000000 x'], ["\@\n", '@'], ["\@ x\n", '@ x'],
  ["\@ffffffffffffffffffffffff x\n", '@ffffffffffffffffffffffff x'], ["plain\n", 'plain'], ["\n", ''],
  ["2026-11-20T10:00:00.123Z x\n", '2026-11-20T10:00:00.123Z x'], ["\@400000006a5e5aaa00000000 summer\n", '2026-07-20 19:28:00.000000000 summer']);
for my $case (@cases) {
  my (undef, $out) = filter($case->[0], $local);
  is($out, $case->[1] . ($case->[0] =~ /\n\z/ ? "\n" : ''), 'tai64nlocal: ' . $case->[0] =~ s/\n//r);
}
is((filter("$label x\n2026-11-20T10:00:00.123Z y\n2026-11-20_10:00:00.12345 z\n2026-11-20 11:00:00.5 s6\n2026-11-20 no\n", $local, '-i'))[1],
  "2026-11-20T11:00:00.000000500+01:00 x\n2026-11-20T11:00:00.123000000+01:00 y\n2026-11-20T11:00:00.123450000+01:00 z\n"
  . "2026-11-20T11:00:00.500000000+01:00 s6\n2026-11-20 no\n", '-i: ISO 8601 of every stamp');
is((filter("{\"time\":\"2026-11-20T10:00:00.123456789Z\"}\n", $local, '-i'))[1], "{\"time\":\"2026-11-20T10:00:00.123456789Z\"}\n", '-i: JSON stays JSON');
is((filter("$label x\n", $local, '-u'))[1], "2026-11-20T10:00:00.000000500Z x\n", '-u: in UTC');

sub odd_line {
  my $text = sprintf '@%016x%08x', 4611686018427387904 + 10 + int(rand 2 < 1 ? rand 4e9 : rand(1e12) - 5e11),
    rand 10 < 9 ? rand 1e9 : rand 4294967295;
  my $kind = rand;
  $text = substr $text, 0, 25 - rand 25 if $kind < 0.1;
  $text .= join '', map { ('0' .. '9', 'a' .. 'f')[rand 16] } 1 .. rand 20 if $kind > 0.1 && $kind < 0.2;
  $text = uc $text if $kind > 0.2 && $kind < 0.25;
  $text = '@0' . substr $text, 1 if $kind > 0.25 && $kind < 0.3;
  $text = " $text" if $kind > 0.3 && $kind < 0.35;
  return $text . ('', ' ', "\0", ':', ' hello @4000000000', '  ')[rand 6] . "\n";
}

SKIP: {
  my $theirs = peer('tai64nlocal') or skip 'no tai64nlocal of daemontools: it is not unpacked in LARES_PEERS', 2;
  my $seed = $ENV{LARES_SEED} // time;
  srand $seed;
  my @lines = map { odd_line() } 1 .. ($ENV{LARES_LONG} ? 3000 : 100);
  # What it dies of has to be found line by line.
  my ($died, $wrong, @fine) = (0, 0);
  for my $line (@lines) {
    my ($status, $out) = filter($line, $theirs);
    if ($status) { $died++; $wrong++ if (filter($line, $local))[1] ne $line }
    else { push @fine, $line }
  }
  is($wrong, 0, "what daemontools' tai64nlocal dies of ($died lines) stays as it is") or diag("seed $seed");
  my $text = join '', @fine;
  ok((filter($text, $local))[1] eq (filter($text, $theirs))[1], 'all else (' . @fine . ' lines) is the same') or diag("seed $seed");
  $text = join '', map { sprintf '@%016x%08x %s' . "\n", 4611686018427387904 + 1795168800 + $_ / 100, $_ * 1000, 'x' x ($_ % 200) } 1 .. 20000;
  ok((filter($text, $local))[1] eq (filter($text, $theirs))[1], 'and 20000 lines of a log');
}

# --- files ------------------------------------------------------------------------------------
chdir $dir;
write_file('plain', "$label one\n$label two");
write_file('other', "$label three\n");
my $time = '2026-11-20 11:00:00.000000500';
is((filter("$label in\n", $local, 'plain', '-', 'other'))[1], "$time one\n$time two\n$time in\n$time three\n", 'files, and standard input between them');
for my $packer (qw(gzip zstd xz bzip2)) {
SKIP: {
    skip "$packer is not installed", 2 if system("$packer -c other >packed 2>$dir/err") != 0;
    is((filter('', $local, 'packed'))[1], "$time three\n", "$packer: unpacked whatever its name");
    my ($status, $out, $said) = filter('', '/bin/sh', '-c', "PATH=/nonexistent; exec $local packed other");
    is("$status $out", (111 << 8) . " $time three\n", "$packer: not found, the others are shown");
    like($said, qr/unable to run $packer to read packed: No such file/, 'and said');
  }
}
my ($status, $out, $said) = filter('', $local, 'missing', 'other');
is("$status $out", (111 << 8) . " $time three\n", 'a file that is missing');
like($said, qr/unable to open missing: No such file/, 'is said');
write_file('cut', substr do { system 'gzip -c plain >packed'; content('packed') }, 0, -12);
($status, $out, $said) = filter('', $local, 'cut');
is($status, 111 << 8, 'a compressed file that was cut off');
like($said, qr/cut: gzip could not read all of it/, 'is said');
for my $case ([$stamp, 'x'], [$stamp, '-x'], [$local, '-x']) {
  ($status, undef, $said) = filter('', @$case);
  is($status, 100 << 8, "@$case[1 .. $#$case]: wrong usage");
  like($said, qr/\Q$case->[1]\E\n.*usage: /, 'named');
}
nothing_left();
done_testing();
