# Manual pages are correct mdoc, and every program has one, with the options it has.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lint;
use Test::More;

plan skip_all => 'mandoc is not here' if !have('mandoc');

sub check_mandoc {
  my ($root) = @_;
  my @problems;
  for my $path (files($root, qr{^doc/man/[^/]+\.[1-9]$})) {
    my $said = `cd '$root' && mandoc -T lint -W warning '$path' 2>&1`;
    push @problems, $said if $? || $said ne '';
  }
  return @problems;
}

sub check_pages {
  my ($root) = @_;
  my @problems;
  for my $line (split /\n/, slurp("$root/package/programs")) {
    next if $line !~ /^(\w+)\s/;
    my $page = $1 eq 'lares' ? $1 : "lares-$1";
    push @problems, "$page has no manual page" if !files($root, qr{^doc/man/\Q$page\E\.[18]$});
  }
  return @problems;
}

my $page = ".Dd November 20, 2026\n.Dt LARES-X 8\n.Os\n.Sh NAME\n.Nm lares-x\n.Nd an example\n"
  . ".Sh SYNOPSIS\n.Nm\n.Op Fl v\n.Sh DESCRIPTION\nText.\n";
clean(\&check_mandoc, made_tree('doc/man/lares-x.8' => $page), 'a page in order');
finds(\&check_mandoc, made_tree('doc/man/lares-x.8' => "$page.Xx\n"), qr{lares-x.8}, 'an unknown macro');
finds(\&check_mandoc, made_tree('doc/man/lares-x.8' => $page =~ s/\.Nd.*\n//r), qr{lares-x.8}, 'a page that does not say what it is');
finds(\&check_pages, made_tree('package/programs' => "# c\nx folder 0755\ny folder 0755\n", 'doc/man/lares-x.8' => $page),
  qr{lares-y has no}, 'a program without a page');

clean(\&check_mandoc, source_root(), 'mandoc has no complaint');
clean(\&check_pages, source_root(), 'every program has its page');
done_testing;
