# What the documents name as a test or document is there.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lint;
use Test::More;

sub check_named {
  my ($root) = @_;
  my @problems;
  for my $path (files($root, qr{^(?:doc/)?\w+\.md$})) {
    my ($number, $base) = (0, $path =~ s{[^/]*$}{}r);
    for my $line (split /\n/, slurp("$root/$path")) {
      $number++;
      while ($line =~ m{(?<![\w/])(tests/[\w./-]*\w)}g) { push @problems, "$path:$number: there is no $1" if !-e "$root/$1" }
      while ($line =~ m{\]\(([\w./-]+)\)}g) { push @problems, "$path:$number: there is no $1" if !-e "$root/$base$1" }
    }
  }
  return @problems;
}

finds(\&check_named, made_tree('doc/A.md' => "tests/process/x.t, tests/unit/y.c\n", 'tests/process/x.t' => ''),
  qr{doc/A\.md:1: there is no tests/unit/y\.c}, 'a test that is not there');
finds(\&check_named, made_tree('README.md' => "[a](doc/A.md) and [b](doc/B.md)\n", 'doc/A.md' => "\n"),
  qr{README\.md:1: there is no doc/B\.md}, 'a document that is not there');
clean(\&check_named, made_tree('README.md' => "[a](doc/A.md)\n", 'doc/A.md' => "`tests/process/x.t`\n", 'tests/process/x.t' => ''), 'what is there');
clean(\&check_named, source_root(), 'everything named is there');
done_testing;
