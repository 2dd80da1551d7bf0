# The C sources are as .clang-format says. Other versions than 14 format differently, so they are
# not asked.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lint;
use Test::More;

my $program = have('clang-format-14');
if (!$program && have('clang-format')) {
  $program = 'clang-format' if `clang-format --version` =~ /version 14\./;
}
plan skip_all => 'clang-format 14 is not here' if !$program;

sub check_format {
  my ($root) = @_;
  my @problems;
  for my $path (files($root, qr{^(?:src|tests)/.*\.[ch]$})) {
    my $said = `cd '$root' && $program --style=file --dry-run -Werror '$path' 2>&1`;
    push @problems, "$path: " . ((split /\n/, $said)[0] // '') . " (run $program -i)" if $?;
  }
  return @problems;
}

my %style = ('.clang-format' => slurp(source_root() . '/.clang-format'));
clean(\&check_format, made_tree(%style, 'src/a.c' => "int f(int x) {\n  return x;\n}\n"), 'a file in order');
finds(\&check_format, made_tree(%style, 'src/a.c' => "int f(int x)\n{\n    return x;\n}\n"), qr{src/a.c}, 'another style');
clean(\&check_format, source_root(), 'all C sources are formatted');
done_testing;
