# package/layers and package/programs are the whole truth about who uses whom: an include they
# do not allow is a mistake, and so is a source file that belongs to nobody, a listed program that
# does not exist, and a header that does not compile by itself.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lint;
use Test::More;

# name => [words] of one list; strips comments.
sub read_list {
  my ($path, $separator) = @_;
  my %list;
  for my $line (split /\n/, slurp($path)) {
    $line =~ s/#.*//;
    next if $line !~ /\S/;
    my ($name, $rest) = split $separator, $line, 2;
    $name =~ s/\s//g;
    $list{$name} = [split ' ', $rest // ''];
  }
  return \%list;
}

# A header beside the programs of a folder belongs to them all: it may include what every one of
# them lists.
sub shared_by {
  my ($folder, $programs) = @_;
  my (%count, $all);
  for my $words (grep { $_->[0] eq $folder } values %$programs) {
    $all++;
    $count{$_}++ for @$words[2 .. $#$words];
  }
  return $all ? [grep { $count{$_} == $all } keys %count] : undef;
}

# What a file belongs to: kind, name, and the libraries it may include.
sub owner_of {
  my ($path, $layers, $programs, $free) = @_;
  if ($path =~ m{^src/include/lares/([^/]+)\.h$} || $path =~ m{^src/([^/]+)/[^/]+\.[ch]$}) {
    my $name = $1;
    return ('header', $name, []) if $free->{$name} && index($path, 'src/include/') == 0;
    return ('library', $name, [$name, @{ $layers->{$name} }]) if $layers->{$name};
  }
  if ($path =~ m{^src/([^/]+)/([^/]+?)(?:\.c|/[^/]+\.[ch])$}) {
    my ($folder, $name) = ($1, $2);
    if (my $words = $programs->{$name}) {
      my (undef, $mode, @libraries) = @$words;
      return ('program', $name, \@libraries) if $words->[0] eq $folder;
    }
  }
  if ($path =~ m{^src/([^/]+)/([^/]+)\.h$}) {
    my ($folder, $name) = ($1, $2);
    my $shared = shared_by($folder, $programs);
    return ('header', $name, $shared) if $shared;
  }
  return;
}

sub check_layers {
  my ($root) = @_;
  my $layers = read_list("$root/package/layers", qr/:/);
  my $programs = read_list("$root/package/programs", qr/\s+/);
  my %free = map { $_ => 1 } @{ delete $layers->{'*'} // [] };
  my @problems;
  for my $path (files($root, qr{^src/.*\.[ch]$})) {
    my ($kind, $name, $allowed) = owner_of($path, $layers, $programs, \%free);
    if (!$kind) {
      push @problems, "$path belongs to no library of package/layers and no program of package/programs";
      next;
    }
    my %allowed = (%free, map { $_ => 1 } @$allowed);
    my ($number, $content) = (0, slurp("$root/$path"));
    for my $line (split /\n/, $content) {
      $number++;
      if ($line =~ m{^\s*#\s*include\s*[<"](?:\.\./)*(?:include/)?lares/([^>"]+)\.h[>"]}) {
        push @problems, "$path:$number: $kind $name may not include lares/$1.h" if !$allowed{$1};
      } elsif ($line =~ m{^\s*#\s*include\s*"([^"]*/[^"]*)"}) {
        push @problems, "$path:$number: a private header of another folder: $1";
      }
    }
  }
  return @problems;
}

sub check_lists {
  my ($root) = @_;
  my $layers = read_list("$root/package/layers", qr/:/);
  my $programs = read_list("$root/package/programs", qr/\s+/);
  my @problems;
  for my $header (@{ delete $layers->{'*'} // [] }) {
    next if $header eq 'config' || -f "$root/src/include/lares/$header.h";
    push @problems, "package/layers: there is no header lares/$header.h";
  }
  for my $library (sort keys %$layers) {
    push @problems, "library $library has no header" if !-f "$root/src/include/lares/$library.h";
    push @problems, "library $library has no sources" if !files($root, qr{^src/\Q$library\E/[^/]+\.c$});
  }
  for my $name (sort keys %$programs) {
    my $base = "src/$programs->{$name}[0]/$name";
    my $forms = grep { $_ } -f "$root/$base.c", scalar(() = files($root, qr{^\Q$base\E/[^/]+\.c$}));
    push @problems, "program $name: neither $base.c nor $base/ is there" if !$forms;
    push @problems, "program $name: both $base.c and $base/ are there" if $forms == 2;
  }
  return @problems;
}

my @flags = split ' ', $ENV{LARES_CFLAGS} // '-std=c11 -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700';

sub check_headers {
  my ($root) = @_;
  my @problems;
  for my $path (files($root, qr{^src/include/.*\.h$})) {
    my ($inside) = $path =~ m{^src/include/(.*)};
    my $unit = made_tree('alone.c' => "#include <$inside>\n#include <$inside>\ntypedef int not_empty;\n");
    # Include folders relative to our tree come with the flags; the tree under test goes first.
    my @command = ($ENV{LARES_CC} // 'cc', "-I$root/src/include", @flags, '-Werror', '-fsyntax-only', "$unit/alone.c");
    my $said = do { local $ENV{LC_ALL} = 'C'; my $words = join ' ', map { "'$_'" } @command; `$words 2>&1` };
    push @problems, "$path does not compile alone, twice:\n$said" if $?;
  }
  return @problems;
}

my %base = (
  'package/layers' => "* : free config\nlow :\nhigh : low # comment\nother :\n",
  'package/programs' => "tool folder 0755 high\nbig folder 0755\n",
  'src/include/lares/free.h' => "enum free { FREE };\n",
  'src/include/lares/low.h' => "#include <lares/free.h>\n",
  'src/include/lares/high.h' => "#include <lares/low.h>\n",
  'src/include/lares/other.h' => "",
  'src/low/low.c' => "#include <lares/low.h>\n#include <lares/config.h>\n",
  'src/high/high.c' => "#include <lares/high.h>\n#include <lares/low.h>\n#include \"own.h\"\n",
  'src/high/own.h' => "",
  'src/other/other.c' => "#include <lares/other.h>\n#include <stdio.h>\n",
  'src/folder/tool.c' => "#include <lares/high.h>\n",
  'src/folder/big/main.c' => "#include \"big.h\"\n#include <lares/free.h>\n",
  'src/folder/big/big.h' => "",
);

clean(\&check_layers, made_tree(%base), 'a tree in order: layers');
clean(\&check_lists, made_tree(%base), 'a tree in order: lists');
finds(\&check_layers, made_tree(%base, 'src/low/low.c' => "#include <lares/high.h>\n"),
  qr{src/low/low.c:1: library low may not include lares/high.h}, 'a library that looks up');
finds(\&check_layers, made_tree(%base, 'src/low/low.c' => "# include \"lares/high.h\"\n"),
  qr{may not include lares/high.h}, 'the same with quotes');
finds(\&check_layers, made_tree(%base, 'src/low/low.c' => "#include \"../include/lares/high.h\"\n"),
  qr{may not include lares/high.h}, 'the same by a relative path');
finds(\&check_layers, made_tree(%base, 'src/include/lares/low.h' => "\n#include <lares/high.h>\n"),
  qr{src/include/lares/low.h:2: library low}, 'a header that looks up');
finds(\&check_layers, made_tree(%base, 'src/include/lares/free.h' => "#include <lares/low.h>\n"),
  qr{header free may not}, 'a header without a library that uses one');
finds(\&check_layers, made_tree(%base, 'src/folder/tool.c' => "#include <lares/low.h>\n"),
  qr{program tool may not include lares/low.h}, 'a program that uses what it did not list');
finds(\&check_layers, made_tree(%base, 'src/folder/big/main.c' => "#include <lares/other.h>\n"),
  qr{program big may not}, 'the same in the folder of a program');
clean(\&check_layers, made_tree(%base, 'src/folder/shared.h' => "#include <lares/free.h>\n"), 'a header for a folder of programs');
finds(\&check_layers, made_tree(%base, 'src/folder/shared.h' => "#include <lares/high.h>\n"),
  qr{header shared may not include lares/high.h}, 'one that needs more than all the programs list');
finds(\&check_layers, made_tree(%base, 'src/low/low.c' => "#include \"../high/own.h\"\n"),
  qr{private header of another}, "another folder's private header");
finds(\&check_layers, made_tree(%base, 'src/folder/stray.c' => ''), qr{stray.c belongs to no}, 'a stray file');
finds(\&check_layers, made_tree(%base, 'src/include/lares/stray.h' => ''), qr{stray.h belongs to no}, 'a stray header');
finds(\&check_lists, made_tree(%base, 'package/programs' => "tool folder 0755\nbig folder 0755\ngone folder 0755\n"),
  qr{program gone: neither}, 'a program without sources');
finds(\&check_lists, made_tree(%base, 'src/folder/big.c' => ''), qr{program big: both}, 'a program with two sources');
finds(\&check_lists, made_tree(%base, 'package/layers' => "*: free absent\nlow :\nhigh : low\nother :\n"),
  qr{no header lares/absent.h}, 'a header that is not there');
{
  my %less = %base;
  delete $less{'src/other/other.c'};
  finds(\&check_lists, made_tree(%less), qr{other has no sources}, 'a library without sources');
}
finds(\&check_headers, made_tree('src/include/lares/needy.h' => "extern size_t needy(void);\n"),
  qr{needy.h does not compile}, 'a header that needs another');
finds(\&check_headers, made_tree('src/include/lares/unguarded.h' => "struct twice { int x; };\n"),
  qr{unguarded.h does not compile}, 'a header without a guard');

clean(\&check_layers, source_root(), 'includes are what package/layers and package/programs allow');
clean(\&check_lists, source_root(), 'what is listed is there');
clean(\&check_headers, source_root(), 'each header compiles alone, and twice');
done_testing;
