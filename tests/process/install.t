# From tarball to installed programs and back: configure, make, make install, uninstall, dist.
# Works in a copy of its own, so nothing of the tree under test changes.
use strict;
use warnings;
use File::Find ();
use File::Spec;
use File::Temp ();
use FindBin;
use Test::More;

plan skip_all => 'a sanitizer build; this test makes its own' if $ENV{LARES_SANITIZE};

my $source = $ENV{LARES_SOURCE} // File::Spec->rel2abs("$FindBin::Bin/../..");
my $make = $ENV{LARES_MAKE} // 'make';
my $temporary = File::Temp->newdir('install.XXXXXX', TMPDIR => 1);
my $top = "$temporary";
delete @ENV{qw(CC CFLAGS LDFLAGS DESTDIR BUILD MAKEFLAGS MFLAGS MAKELEVEL SOURCE_DATE_EPOCH)};

# Exit code and everything said.
sub sh {
  my ($command) = @_;
  my $said = `{ $command; } 2>&1`;
  return ($? & 127 ? -1 : $? >> 8, $said);
}

sub works {
  my ($command, $name) = @_;
  local $Test::Builder::Level = $Test::Builder::Level + 1;
  my ($code, $said) = sh($command);
  is($code, 0, $name) or diag($said);
  return $said;
}

sub refuses {
  my ($command, $pattern, $name) = @_;
  local $Test::Builder::Level = $Test::Builder::Level + 1;
  my ($code, $said) = sh($command);
  ok($code == 1 && $said =~ $pattern, $name) or diag("exit $code: $said");
}

sub found {
  my ($root) = @_;
  my @files;
  File::Find::find({ no_chdir => 1, wanted => sub { push @files, File::Spec->abs2rel($_, $root) if -l $_ || !-d $_ } }, $root);
  return sort @files;
}

sub slurp {
  my ($path) = @_;
  open my $file, '<', $path or return '';
  local $/;
  return scalar <$file>;
}

# --- the tarball ------------------------------------------------------------------------------

my ($version) = slurp("$source/package/info") =~ /^version=(.*)$/m;
my $release = "lares-$version";
works("cd '$source' && $make dist BUILD='$top/first'", 'make dist');
my $tarball = "$top/first/$release.tar.gz";
ok(-s $tarball, "makes $release.tar.gz") or BAIL_OUT('no tarball');
works("cd '$source' && $make dist BUILD='$top/second'", 'make dist once more');
is(slurp("$top/second/$release.tar.gz"), slurp($tarball), 'gives the same bytes');
works("cd '$top' && tar xzf '$tarball'", 'it unpacks');
my $tree = "$top/$release";
is_deeply([grep { !/^\Q$release\E\// } split /\n/, `tar tzf '$tarball'`], [], 'into one folder');
ok(!-e "$tree/build" && !-e "$tree/build.mk" && !-e "$tree/.git", 'nothing built is in it');
works("cd '$tree' && $make dist BUILD='$top/third'", 'make dist in the unpacked tree');
is(slurp("$top/third/$release.tar.gz"), slurp($tarball), 'gives the same bytes again');

# --- configure --------------------------------------------------------------------------------

refuses("cd '$tree' && ./configure --enable-magic", qr/unknown argument: --enable-magic/, 'configure refuses what it does not know');
refuses("cd '$tree' && ./configure --prefix=here", qr/--prefix must be an absolute path/, 'a relative prefix');
refuses("cd '$tree' && ./configure '--prefix=/a b'", qr/--prefix: only/, 'a prefix make cannot digest');
refuses("cd '$tree' && ./configure --with-skalibs=/nonexistent", qr/no include\/skalibs/, 'a place without skalibs');
refuses("cd '$tree' && ./configure CC=false", qr/compiler does not work.*make deps.*gcc/s, 'a compiler that fails');
refuses("cd '$tree' && ./configure 'CC=cc -nostdinc'", qr/skalibs' headers.*make deps.*skalibs-dev/s, 'no headers of skalibs: names package and command');
{
  open my $file, '>', "$top/cc" or die;
  print $file "#!/bin/sh\ncase \" \$* \" in *\" -l:libskarnet.a \"*) exit 1 ;; esac\nexec cc \"\$@\"\n";
  close $file;
  chmod 0755, "$top/cc";
}
refuses("cd '$tree' && ./configure CC='$top/cc'", qr/libskarnet\.a.*make deps.*skalibs-dev/s, 'no static library of skalibs: the same');
{
  my ($code, $said) = sh("cd '$tree' && ./configure --help");
  ok($code == 0 && $said =~ /--prefix.*--with-skalibs.*--enable-static/s, 'configure --help');
}
ok(!-e "$tree/build.mk", 'none of this left a build.mk');
works("cd '$tree' && ./configure --prefix=/opt/lares --mandir=/opt/man --enable-daemontools-names --enable-werror", 'configure');

# --- make -------------------------------------------------------------------------------------

works("cd '$tree' && $make -j2", 'make');
like(slurp("$tree/build/include/lares/config.h"), qr{LARES_BINDIR "/opt/lares/bin"}, 'config.h knows where');
unlike(works("cd '$tree' && $make", 'make again'), qr/compile|link/, 'has nothing to do');
works("cd '$tree' && touch src/include/lares/path.h && $make -n V=1 | grep -q 'src/path/path.c'", 'a changed header is noticed');
works("cd '$tree' && $make -q all >/dev/null || $make", 'made up to date');
works("cd '$tree' && sed -i.old 's/^version=.*/version=7.7.7/' package/info && $make && rm package/info.old", 'a changed list is noticed');
like(slurp("$tree/build/include/lares/config.h"), qr{BINDIR "/opt/lares/bin".*}s, 'the options are kept');
like(slurp("$tree/build/include/lares/config.h"), qr{VERSION "7.7.7"}, 'the version is the new one');

# --- install ----------------------------------------------------------------------------------

my %mode = slurp("$tree/package/programs") =~ /^(\w+)\s+\w+\s+(0\d+)/mg;
# The front end is its own name.
sub binary { my ($name) = @_; return $name eq 'lares' ? $name : "lares-$name" }
my @built = map { m{/lares(?:-([^/]+))?$} ? $1 // 'lares' : () } glob "$tree/build/bin/lares*";
my @manuals = map { m{/([^/]+\.([1578]))$} && "man$2/$1" } glob "$tree/doc/man/*.[1578]";
my $dest = "$top/dest";
works("cd '$tree' && umask 077 && $make install DESTDIR='$dest'", 'make install');
my %classic = (svscan => 'svscan', supervise => 'supervise', svc => 'svc', svok => 'svok', svstat => 'svstat',
  multilog => 'log', setuidgid => 'setuidgid', envdir => 'envdir', softlimit => 'softlimit',
  setlock => 'setlock', pgrphack => 'setsid', envuidgid => 'envuidgid', fghack => 'fghack',
  tai64n => 'tai64n', tai64nlocal => 'tai64nlocal');
my %built = map { $_ => 1 } @built;
my @links = grep { $built{ $classic{$_} } } sort keys %classic;
is_deeply([found($dest)],
  [sort map({ "opt/lares/bin/" . binary($_) } @built), map({ "opt/lares/bin/$_" } @links), map { "opt/man/$_" } @manuals],
  'what is listed is there, and nothing else');
is_deeply([grep { ((stat "$dest/opt/lares/bin/" . binary($_))[2] & 07777) != oct $mode{$_} } @built], [], 'programs have their modes');
is_deeply([grep { ((stat "$dest/opt/man/$_")[2] & 07777) != 0644 } @manuals], [], 'manual pages have theirs');
is_deeply([grep { readlink("$dest/opt/lares/bin/$_") ne "lares-$classic{$_}" } @links], [], 'classic names are links to ours');

# A running program's file is replaced, never written to.
SKIP: {
  skip 'no program is built yet', 2 if !@built;
  my $file = "$dest/opt/lares/bin/" . binary($built[0]);
  my ($inode, $content) = ((stat $file)[1], slurp($file));
  open my $open, '<', $file or die;
  works("cd '$tree' && $make install DESTDIR='$dest'", 'make install over an older one');
  isnt((stat $file)[1], $inode, 'makes a new file');
  is(do { local $/; scalar <$open> }, $content, 'and leaves the old one whole');
}

# --- uninstall --------------------------------------------------------------------------------

{
  my $foreign = "$dest/opt/lares/bin/svc";
  unlink $foreign;
  open my $file, '>', $foreign or die;
  close $file;
  works("cd '$tree' && $make uninstall DESTDIR='$dest'", 'make uninstall');
  is_deeply([found($dest)], ['opt/lares/bin/svc'], 'leaves nothing but what is not ours');
}
works("cd '$tree' && $make clean && ! test -e build/bin && test -e build.mk", 'make clean');
works("cd '$tree' && $make distclean && ! test -e build && ! test -e build.mk", 'make distclean');
done_testing;
