# lares-status(5) says what the sources say: the tables of offsets and sizes are those above the
# pack functions of src/status, and the numbered lists are the lists of the headers. In the page
# a comment before each table names what it was written from:
#   .\" fields: FILE          the table of offset, size, what in a comment of FILE
#   .\" list: FILE NAME       the X-macro list NAME, numbered from 0
#   .\" flags: FILE PREFIX    the enumerators PREFIX_NAME = NUMBER
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lint;
use Test::More;

my $page = 'doc/man/lares-status.5';
# Every table and list that the page has to have.
my @wanted = (
  (map { "fields: src/status/$_" } qw(identity.c state.c text.c history.c told.c bytes.h classic.c)),
  'list: src/include/lares/machine.h MACHINE_STATES',
  'list: src/include/lares/machine.h MACHINE_EVENTS',
  'list: src/include/lares/status.h STATUS_REASONS',
  'list: src/include/lares/status.h STATUS_NEEDS',
  'flags: src/include/lares/machine.h FLAG',
  'flags: src/include/lares/status.h MARK',
);

# "fields: FILE" => rows of text, each [first column, second column].
sub tables_of_page {
  my ($text) = @_;
  my (%tables, $name);
  for (split /\n/, $text) {
    if (/^\.\\" ((?:fields|list|flags): .*\S)/) { $name = $1; $tables{$name} = [] }
    elsif (/^\.El\b/) { undef $name }
    elsif (defined $name && /^\.It (\d+) Ta ?(.*)/) {
      my ($number, $rest) = ($1, $2);
      my ($second) = split /\s*\bTa\b\s*/, $rest;
      push @{ $tables{$name} }, [$number, $second // ''];
    }
  }
  return \%tables;
}

# The table in a comment above a pack function; also the size that the comment says.
sub fields_of_source {
  my ($text) = @_;
  my ($size, $rows) = $text =~ m{/\* (\d+) bytes[^\n]*\n((?: \*[^\n]*\n)*?(?: \*\s+0 +\d+  [^\n]*\n)(?: \*\s+\d+ +\d+ [^\n]*\n)*)}
    or return;
  return ($size, map { /^ \*\s+(\d+) +(\d+) / ? [$1, $2] : () } split /\n/, $rows);
}

sub list_of_source {
  my ($text, $name) = @_;
  my ($body) = $text =~ /#define \Q$name\E\(X\)(.*?[^\\])\n/s or return;
  my $number = 0;
  return map { [$number++, $_] } $body =~ /X\(\w+, "([^"]*)"\)/g;
}

sub flags_of_source {
  my ($text, $prefix) = @_;
  return map { [$_->[1], $_->[0]] } map { /^\s*${prefix}_(\w+) = (\d+)/ ? [lc $1, $2] : () } split /\n/, $text;
}

sub show { return join ' ', map { "$_->[0]:$_->[1]" } @_ }

# The fields follow each other without gap or overlap and fill the record.
sub gaps {
  my ($what, $size, @rows) = @_;
  my ($at, @problems) = (0);
  for my $row (@rows) {
    push @problems, "$what: offset $row->[0] follows $at" if $row->[0] != $at;
    $at = $row->[0] + $row->[1];
  }
  push @problems, "$what: the fields end at $at, the record at $size" if $at != $size;
  return @problems;
}

sub check_status {
  my ($root, @names) = @_;
  my $tables = tables_of_page(slurp("$root/$page"));
  my @problems;
  for my $name (@names ? @names : @wanted) {
    my ($kind, $file, $list) = $name =~ /^(\w+): (\S+)(?: (\w+))?/;
    my @page = @{ $tables->{$name} || [] };
    my $text = slurp("$root/$file");
    my @source;
    if ($kind eq 'fields') {
      (my $size, @source) = fields_of_source($text);
      push @problems, gaps($file, $size, @source) if @source;
    } else {
      @source = $kind eq 'list' ? list_of_source($text, $list) : flags_of_source($text, $list);
    }
    if (!@source) { push @problems, "$name: nothing found in the source" }
    elsif (show(@page) ne show(@source)) {
      push @problems, "$name: the page has " . show(@page) . ', the source ' . show(@source);
    }
  }
  return @problems;
}

{
  my $fields = "/* 4 bytes, version 1:\n *   0  2  letters\n *   2  2  x (a\n *  note)\n */\n";
  my $macro = "#define MACHINE_STATES(X) \\\n  X(A, \"a\") /* one */ \\\n  X(B, \"b\")\n\nenum x {\n  FLAG_A = 1, /* c */\n  FLAG_B = 2\n};\n";
  my $good = ".\\\" fields: src/status/state.c\n.Bl\n.It Em offset Ta Em size\n.It 0 Ta 2 Ta letters\n.It 2 Ta 2 Ta x\n.El\n"
    . ".\\\" list: src/include/lares/machine.h MACHINE_STATES\n.Bl\n.It 0 Ta a\n.It 1 Ta b Ta text\n.El\n"
    . ".\\\" flags: src/include/lares/machine.h FLAG\n.Bl\n.It 1 Ta a\n.It 2 Ta b Ta text\n.El\n";
  my @names = grep { /state\.c|_STATES|FLAG/ } @wanted;
  my $tree = sub {
    my ($source, $lists, $text) = @_;
    return made_tree('src/status/state.c' => $source, 'src/include/lares/machine.h' => $lists, $page => $text);
  };
  my $check = sub { check_status($_[0], @names) };
  clean($check, $tree->($fields, $macro, $good), 'page and source agree');
  finds($check, $tree->($fields, $macro, $good =~ s/It 2 Ta 2 Ta x/It 2 Ta 1 Ta x/r), qr{state\.c: the page has}, 'another size');
  finds($check, $tree->($fields, $macro, $good =~ s/Ta b Ta/Ta c Ta/r), qr{STATES: the page}, 'another name');
  finds($check, $tree->($fields, $macro =~ s/FLAG_B = 2/FLAG_B = 4/r, $good), qr{FLAG: the page}, 'another flag');
  finds($check, $tree->($fields =~ s/4 bytes/5 bytes/r, $macro, $good), qr{end at 4, the record at 5}, 'a record that is not full');
  finds($check, $tree->($fields, $macro, $good =~ s/fields: .*//r), qr{state\.c: the page has , }, 'a table that is missing');
}

clean(\&check_status, source_root(), 'lares-status.5 agrees with src/status and the headers');
done_testing;
