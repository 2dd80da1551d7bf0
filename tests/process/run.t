# tests/lib/run gives tests their environment, and a copy to run from where the build folder is
# closed to other users.
use strict;
use warnings;
use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Spec;
use File::Temp ();
use FindBin;
use Test::More;

my $source = $ENV{LARES_SOURCE} // File::Spec->rel2abs("$FindBin::Bin/../..");
my $temporary = File::Temp->newdir('run.XXXXXX', TMPDIR => 1);
my $tree = "$temporary/closed/tree";
chmod 0755, "$temporary";
make_path("$tree/tests/lib", map { "$tree/build/$_" } qw(bin tests peers/root/usr/bin));
copy("$source/tests/lib/run", "$tree/tests/lib/run") or die "unable to copy: $!\n";
for my $name ('bin/lares-x', 'tests/probe', 'peers/root/usr/bin/peer') {
  open my $file, '>', "$tree/build/$name" or die;
  print $file "#!/bin/sh\necho here\n";
  close $file;
  chmod 0755, "$tree/build/$name";
}
delete $ENV{TMPDIR};
$ENV{MAKEFLAGS} = 'n';

# Runs a shell text; its exit code and the lines it said.
sub run {
  my ($text) = @_;
  open my $file, '>', "$temporary/script" or die;
  print $file $text;
  close $file;
  my @lines = `cd / && sh '$tree/tests/lib/run' '$tree/build' sh '$temporary/script' 2>&1`;
  chomp @lines;
  return ($? >> 8, @lines);
}

my $show = 'echo $LARES_SOURCE $LARES_BUILD $LARES_TESTS $LARES_PEERS $TMPDIR; lares-x; echo "${MAKEFLAGS-none}"; exit 7';
my ($code, @said) = run($show);
is($code, 7, 'the exit code is the command\'s');
is_deeply(\@said, ["$tree $tree/build/bin $tree/build/tests $tree/build/peers/root $tree/build/tmp", 'here', 'none'],
  'all folders are absolute, programs are on PATH, make leaves nothing behind');

SKIP: {
  skip 'not root: nothing runs as another user', 5 if $>;
  chmod 0700, "$temporary/closed";
  ($code, @said) = run($show);
  is($code, 7, 'a closed folder: the exit code is the command\'s');
  my ($copy) = ($said[0] // '') =~ /closed to other users; running from a copy in (\S+)$/;
  ok($copy, 'it says that it runs from a copy') or diag("@said") or last SKIP;
  is_deeply([@said[1 .. $#said]], ["$tree $copy/bin $copy/tests $copy/peers/root $copy/tmp", 'here', 'none'], 'everything but the sources is there');
  ok(!-e $copy, 'it is removed');
  my @nobody = (getpwnam 'nobody')[2, 3];
  (undef, @said) = run("perl -e '\$) = \"$nobody[1] $nobody[1]\"; \$( = $nobody[1]; \$< = \$> = $nobody[0]; for (\@ARGV) { print `\$_` }'"
      . ' $LARES_BUILD/lares-x $LARES_TESTS/probe $LARES_PEERS/usr/bin/peer');
  is_deeply([@said[1 .. $#said]], [('here') x 3], 'another user can run all of it');
}
done_testing;
