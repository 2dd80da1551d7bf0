# What make deps has unpacked for the tests runs from where it lies.
use strict;
use warnings;
use Test::More;

my $root = $ENV{LARES_PEERS} // 'build/peers/root';
plan skip_all => "nothing is unpacked in $root (make deps does that)" if !-d "$root/usr/bin";

my ($triplet) = map { m{([^/]+)$} } grep { -d } glob "$root/usr/lib/*-linux-gnu*";
local $ENV{LD_LIBRARY_PATH} = "$root/usr/lib/" . ($triplet // '');

my %programs = (
  daemontools => [qw(bin/svscan bin/supervise bin/svc bin/svstat bin/svok bin/multilog)],
  runit => [qw(bin/runsvdir bin/runsv bin/sv bin/svlogd)],
  s6 => [qw(bin/s6-svscan bin/s6-supervise bin/s6-svc bin/s6-log bin/s6-socklog)],
  socklog => [qw(sbin/socklog)],
  rsyslog => [qw(sbin/rsyslogd)],
  'redis-server' => [qw(bin/redis-server bin/redis-cli)],
  'nginx-light' => [qw(sbin/nginx)],
  'postgresql-15' => [map { "lib/postgresql/15/bin/$_" } qw(postgres initdb psql pg_ctl)],
);

for my $peer (sort keys %programs) {
SKIP: {
    skip "$peer is not unpacked", scalar @{ $programs{$peer} } if !-f "$root/../have/$peer";
    for my $program (@{ $programs{$peer} }) {
      my $said = -x "$root/usr/$program" ? `ldd '$root/usr/$program' 2>&1` : "not there\n";
      unlike($said, qr/not found|not there/, "$peer: $program has all its libraries") or diag($said);
    }
  }
}

for my $version (['usr/bin/redis-server --version', qr/^Redis server v=/], ['usr/sbin/nginx -v', qr/nginx\//],
  ['usr/lib/postgresql/15/bin/postgres --version', qr/^postgres \(PostgreSQL\) 15/]) {
  my ($command, $pattern) = @$version;
SKIP: {
    my ($file) = split ' ', $command;
    skip "$file is not unpacked", 1 if !-x "$root/$file";
    like(scalar `$root/$command 2>&1`, $pattern, "$file starts");
  }
}
done_testing;
