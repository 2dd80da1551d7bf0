# The control alphabet is one list, in the header: its manual page documents each letter of it and
# no other.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lint;
use Test::More;

sub letters_of_header {
  my ($text) = @_;
  return join '', sort $text =~ /^\s*X\('(.)',/mg;
}

# The items of a list: ".It Cm d", ".It Cm D , U , Q", ".It Cm p Ta ..."; modifiers apart.
sub letters_of_page {
  my ($text) = @_;
  $text =~ s/^\.Ss Modifiers.*//ms;
  my $found = '';
  while ($text =~ /^\.It Cm (.*)/mg) {
    my $line = $1 =~ s/ Ta .*//r;
    $found .= $1 while $line =~ /(?:^|, )(\w)(?= |$)/g;
  }
  return join '', sort split //, $found;
}

is(letters_of_header("  X('u', A, \\\n  X('1', B, \\\n"), '1u', 'finds the letters of a header');
is(letters_of_page(".It Cm u\n.It Cm w , y Ta x\n.Ss Modifiers\n.It Cm L\n"), 'uwy', 'and of a page');

my $root = source_root();
my $want = letters_of_header(slurp("$root/src/include/lares/control.h"));
cmp_ok(length $want, '>', 20, 'the header has letters');
is(letters_of_page(slurp("$root/doc/man/lares-control.5")), $want, 'lares-control(5) has them all');
done_testing;
