# The usage text of each program and the SYNOPSIS of its manual page name the same options.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lint;
use Test::More;

plan skip_all => 'mandoc is not here' if !have('mandoc');

# Programs without option letters.
my %without = (log => 'its arguments are a script');

# All option letters in a text: [-abc value] -d
sub letters {
  my ($text) = @_;
  my %seen;
  while ($text =~ /(?:^|[\s\[|(])-([A-Za-z0-9]+)/g) { $seen{$_} = 1 for split //, $1 }
  return join '', sort keys %seen;
}

sub synopsis {
  my ($page) = @_;
  my $text = `mandoc -T ascii -O width=200 '$page' 2>/dev/null`;
  $text =~ s/.\x08//g;
  return $text =~ /^SYNOPSIS\n(.*?)^\S/ms ? $1 : '';
}

# A wrong option: exit code 100 and the usage text.
sub usage {
  my ($program) = @_;
  my $pid = open(my $out, '-|') // die "unable to fork: $!\n";
  if (!$pid) {
    alarm 10;
    open STDIN, '<', '/dev/null';
    open STDERR, '>&', \*STDOUT;
    exec $program, '-?' or exit 127;
  }
  my $said = do { local $/; <$out> } // '';
  close $out;
  return ($? == 100 << 8 && $said =~ /usage: (.*)/s) ? $1 : undef;
}

sub compare {
  my ($program, $page) = @_;
  my $usage = usage($program);
  return "$program -? does not say its usage and exit 100" if !defined $usage;
  $usage =~ s/\n\s*-.*//s;    # a table of the options may follow
  my ($one, $other) = (letters($usage), letters(synopsis($page)));
  return $one eq $other ? () : "$page has the options '$other', the program '$one'";
}

# A newcomer types --help, or an option that is not there. (Of a long one it said "unknown option --".)
sub answers {
  my ($program) = @_;
  my $said = `'$program' --help 2>/dev/null </dev/null`;
  return "$program --help: exit $?" if $?;
  return "$program --help does not begin with usage:" if $said !~ /^usage: lares[- ]\w?/;
  for my $wrong ('-?', '--bogus', '--bogus=3') {
    $said = `'$program' '$wrong' 2>&1 </dev/null`;
    next if $program =~ /lares-log$/ || $said =~ /\Q$wrong\E(?![\w=])/;
    return "$program does not name the wrong option $wrong";
  }
  return;
}

# All said "unknown option --version". It holds alone: behind it, and with other words, it is somebody else's.
sub versioned {
  my ($program, $page) = @_;
  my ($name) = $program =~ m{([^/]+)$};
  my $said = `'$program' --version 2>&1 </dev/null`;
  return "$program --version: exit $?, $said" if $? || $said !~ /\A\Q$name\E \d+(\.\d+)+\n\z/;
  $said = `'$program' --version --version 2>&1 </dev/null`;
  return "$program --version is not alone and holds" if !$? || $said =~ /\A\Q$name\E \d[^\n]*\n\z/;
  return slurp($page) =~ /^\.(?:It )?Fl -version$/m ? () : "$page does not have --version";
}

my $page = ".Dd November 20, 2026\n.Dt X 8\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Sh SYNOPSIS\n.Nm\n.Op Fl ab\n.Op Fl t Ar seconds\n.Ar non-option\n.Sh DESCRIPTION\n.Fl z\n";
my %versions = (numbered => '[ $# = 1 ] || exit 100; echo "numbered 1.2"', eager => 'echo "eager 1.2"', nameless => 'echo 1.2');
my $tree = made_tree('told' => "$page.Fl -version\n", (map { ($_ => "#!/bin/sh\n$versions{$_}\n") } keys %versions),
  'page' => $page,
  'right' => "#!/bin/sh\necho 'x: usage: x [-ab] [-t seconds] non-option' >&2\nexit 100\n",
  'wrong' => "#!/bin/sh\necho 'x: usage: x [-ac] [-t seconds]' >&2\nexit 100\n",
  'vague' => "#!/bin/sh\n[ \"\$1\" != --help ] || exec echo 'usage: lares-x'\nprintf 'unknown option %.2s\\n' \"\$1\"\n",
  'silent' => "#!/bin/sh\nexit 0\n");
chmod 0755, map { "$tree/$_" } qw(right wrong silent vague), keys %versions;
is_deeply([compare("$tree/right", "$tree/page")], [], 'the same options');
like((compare("$tree/wrong", "$tree/page"))[0], qr/options 'abt', the program 'act'/, 'finds: another option');
like((compare("$tree/silent", "$tree/page"))[0], qr/does not say/, 'finds: a program that takes anything');
is_deeply([versioned("$tree/numbered", "$tree/told")], [], '--version');
like((versioned("$tree/nameless", "$tree/told"))[0], qr/nameless --version: exit 0, 1\.2/, 'finds: a version without a name');
like((versioned("$tree/eager", "$tree/told"))[0], qr/not alone and holds/, 'finds: one that takes it anywhere');
like((versioned("$tree/numbered", "$tree/page"))[0], qr/does not have --version/, 'finds: a page without it');
like((answers("$tree/vague"))[0], qr/does not name the wrong option --bogus/, 'finds: a long option that is not named');

my $root = source_root();
my $build = $ENV{LARES_BUILD} // "$root/build/bin";
for my $line (split /\n/, slurp("$root/package/programs")) {
  next if $line !~ /^(\w+)\s/;
  my $name = $1;
  my $program = $name eq 'lares' ? $name : "lares-$name";
  is_deeply([answers("$build/$program")], [], "$program answers") if -x "$build/$program";
  is_deeply([versioned("$build/$program", (glob "$root/doc/man/$program.[18]")[0] // '/dev/null')], [], "$program --version") if -x "$build/$program";
SKIP: {
    skip "lares-$name: $without{$name}", 1 if $without{$name};
    my ($manual) = glob "$root/doc/man/$program.[18]";
    skip "lares-$name has no manual page", 1 if !$manual;    # manual.t says so
    skip "lares-$name is not built", 1 if !-x "$build/$program";
    is_deeply([compare("$build/$program", $manual)], [], $program);
  }
}
# It may be a word for the program that is started.
my $empty = made_tree();
for my $tool (grep { -x "$build/lares-$_->[0]" } ['setsid'], ['envdir', $empty], ['setlock', "$tree/lock"], ['softlimit']) {
  my ($name, @words) = @$tool;
  is(`'$build/lares-$name' @words sh -c 'echo "\$0"' --version`, "--version\n", "lares-$name leaves its program's --version alone");
}
done_testing;
