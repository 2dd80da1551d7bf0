# For the lints: a lint is a function from the folder of a source tree to the list of what is
# wrong there. It is run over our tree, and first over small made-up trees that contain the
# mistakes, because a lint that cannot fail is worthless.
package Lint;

use strict;
use warnings;
use Exporter 'import';
use File::Basename qw(dirname);
use File::Find ();
use File::Path qw(make_path);
use File::Spec;
use File::Temp ();
use Test::More;

our @EXPORT = qw(source_root files slurp made_tree finds clean have);

# The top of the tree that is checked.
sub source_root {
  return $ENV{LARES_SOURCE} // File::Spec->rel2abs(dirname(dirname(dirname(__FILE__))));
}

# Paths below $root, relative to it, that match; never what was built or belongs to git.
sub files {
  my ($root, $pattern) = @_;
  my @found;
  File::Find::find(
    { no_chdir => 1,
      preprocess => sub { sort grep { !/^(?:\.git|build|build\.mk)$/ || $File::Find::dir ne $root } @_ },
      wanted => sub {
        my $path = File::Spec->abs2rel($_, $root);
        push @found, $path if -f $_ && $path =~ $pattern;
      } },
    $root);
  return @found;
}

sub slurp {
  my ($path) = @_;
  open my $file, '<', $path or die "unable to open $path: $!\n";
  local $/;
  return scalar <$file>;
}

# A temporary tree: path => content, ... Goes away with the returned object.
sub made_tree {
  my (%content) = @_;
  my $tree = File::Temp->newdir;
  for my $path (keys %content) {
    make_path(dirname("$tree/$path"));
    open my $file, '>', "$tree/$path" or die "unable to write $tree/$path: $!\n";
    print $file $content{$path};
    close $file or die "unable to write $tree/$path: $!\n";
  }
  return $tree;
}

# The lint must complain about this tree, once, with a text that matches.
sub finds {
  my ($lint, $tree, $pattern, $name) = @_;
  local $Test::Builder::Level = $Test::Builder::Level + 1;
  my @problems = $lint->("$tree");
  ok(@problems == 1 && $problems[0] =~ $pattern, "finds: $name") or diag(map { "  said: $_\n" } @problems);
}

# The lint must have nothing to say.
sub clean {
  my ($lint, $root, $name) = @_;
  local $Test::Builder::Level = $Test::Builder::Level + 1;
  my @problems = $lint->("$root");
  ok(!@problems, $name) or diag(map { "  $_\n" } @problems);
}

# The first of these programs that is on PATH.
sub have {
  for my $program (@_) {
    for my $folder (File::Spec->path) {
      return $program if -x "$folder/$program" && !-d _;
    }
  }
  return;
}

1;
