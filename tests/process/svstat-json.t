# lares-svstat --json and -o print what lares-status-json(5) says: every field in it, of its type,
# and no other, in every state and of whatever there is to ask. And whether what runs is older than
# its definition.
use FindBin;
use lib "$FindBin::Bin/../lib";
use Lares;
use Lares::Fake;
use Lares::Schema;
use Lares::State;
use JSON::PP ();
use Test::More;

my $decoder = JSON::PP->new->utf8;
sub svstat { my @args = @_; return run([bin('svstat'), @args], cwd => tmp()) }
sub objects { my @args = @_; return @{ $decoder->decode(svstat('--json', @args)->{out}) } }
sub fields { my ($list, @dirs) = @_; chomp(my $line = svstat('-o', $list, @dirs)->{out}); return $line }

my $fields = schema_fields();

subtest 'every state' => sub {
    my $dir = fake_start(tmp('web'));
    my (%seen, %problems);
    for my $state (qw(down waiting starting up stopping finishing backoff failed done)) {
        my $role = { starting => 'run', up => 'run', stopping => 'run', finishing => 'finish' }->{$state} || 'none';
        my $pid  = $role eq 'none' ? 0 : 77;
        my $stop = $state eq 'stopping' ? 1 : 0;
        my $want = $state =~ /^(?:down|stopping)/ ? 'down' : 'up';
        for my $more ('deadline=-1 deaths=0', 'flags=4 deaths=2 starts=3 wstat=9 deadline=5000 awaited=7 name=x rest=2',
            'deaths=1 wstat=256 deadline=1 marks=511', 'deaths=1 wstat=-1') {
            my $flags = $state eq 'finishing' ? 8 : 0;
            fake_tell($dir, "awaited=0 rest=0 marks=0 flags=$flags $more stop=$stop state=$state role=$role pid=$pid want=$want state");
            my ($object) = objects('web');
            $seen{$_} = 1 for grep { defined $object->{$_} } keys %$object;
            $problems{"$state: $_"} = 1 for schema_problems($object);
        }
    }
    is_deeply([ sort keys %problems ], [], 'what is printed is what is documented');
    fake_tell($dir, 'foreign state');
    my ($foreign) = objects('web');
    is_deeply([ schema_problems($foreign) ], [], 'of a supervisor of daemontools too');
    is($foreign->{suite}, 'daemontools', 'it is one');
    is(fields('pid,state,outdated,up', 'web'), '77 NA NA true', '-o: what it does not know is NA') if $foreign->{pid};
    fake_end($dir);
    is_deeply([ map { schema_problems($_) } objects('web', 'nowhere', '.') ], [], 'of one that is not supervised, and of nothing');
    symlink 'nowhere', tmp('dangling');
    is_deeply([ map { schema_problems($_) } objects('dangling') ], [], 'of a link that leads nowhere');
    my ($odd) = objects("no\xff");
    is_deeply([ schema_problems($odd) ], [], 'of a name that is no UTF-8');
    $seen{$_} = 1 for grep { defined $odd->{$_} } keys %$odd;
    is_deeply([ grep { !$seen{$_} } qw(directory_hex next_start deadline_ms awaited_pid last_exit_code last_exit_signal ready_since) ], [],
        'what is seldom has been seen');
};

subtest 'a real one' => sub {
    my $dir = make_service(tmp('real'), run => 'exec sleep 1000', files => { 'timeout-kill' => "5000\n" });
    my $pid = supervise($dir);
    my $main = wait_state($dir, state => 'up')->{pid};
    my ($object) = objects('real');
    is_deeply([ schema_problems($object) ], [], 'as documented');
    # Each alone says the same.
    my %special = map { $_ => 1 } qw(error directory_hex last_output deadline_ms changed_seconds since_seconds);
    my @wrong;
    for my $name (grep { !$special{$_} } sort keys %$fields) {
        my $value = $object->{$name};
        my $want = JSON::PP::is_bool($value) ? ($value ? 'true' : 'false')
            : defined $value && length $value ? $value =~ s/[ \t]/_/gr : $fields->{$name}{type} eq 'count' ? -1 : 'NA';
        my $got = fields($name, 'real');
        push @wrong, "$name: $got, not $want" if $got ne $want;
    }
    is_deeply(\@wrong, [], '-o: each field alone has the same value');
    is(fields('state,pid,directory', 'real'), "up $main real", 'several, separated by blanks');
    like(fields('updownsince,since', 'real'), qr/^\@[0-9a-f]{24} \d{4}-\S+Z$/, "s6's and ours together");
    for my $bad ('up,', ',up', 'bogus', 'error', 'directory_hex', 'Up', 'up,state,bogus') {
        my $r = svstat('-o', $bad, 'real');
        is("$r->{exit} $r->{out}", '100 ', "-o $bad: refused");
        like($r->{err}, qr/-o: no such field: (?:\(empty\)|bogus|error|directory_hex|Up); lares-status-json/, '... by name') or diag $r->{err};
    }

    # --- older than its definition
    sub outdated { my ($o) = objects('real'); return defined $o->{outdated} ? ($o->{outdated} ? 'yes' : 'no') : 'null' }
    my $words = sub { return svstat('real')->{out} };
    is(outdated(), 'no', 'what runs is as its definition says');
    unlike($words->(), qr/older/, 'nothing is said');
    my $before = $object->{definition_changed};
    write_file("$dir/timeout-kill", "6000\n");
    is(outdated(), 'yes', 'a value changed: it is older');
    like($words->(), qr/, older than its definition/, 'and it is said');
    my ($changed) = objects('real');
    ok($changed->{definition_changed} gt $before, 'since when');
    is($changed->{defined}, $object->{defined}, 'what runs is what it was');
    control($dir, 'r');
    wait_state($dir, state => 'up', starts => 2);
    is(outdated(), 'no', 'started again it is not');
    control($dir, 'D');
    wait_state($dir, state => 'down');
    is(outdated(), 'null', 'what does not run has no age');
    ok(-e "$dir/down", 'D remembers');
    control($dir, 'u');
    wait_state($dir, state => 'up', starts => 3);
    unlink "$dir/down";
    is(outdated(), 'no', 'the file down is no part of the definition');
    mkdir "$dir/$_" for qw(data log control);
    write_file("$dir/notes", '');
    is(outdated(), 'no', 'nor are log/, control/ and unknown files');
    write_file("$dir/finish", "#!/bin/sh\n", 0755);
    is(outdated(), 'yes', 'a file more');
    unlink "$dir/finish";
    is(outdated(), 'no', 'and taken away again');
    unlink "$dir/timeout-kill";
    is(outdated(), 'yes', 'a file less');
    # A link that comes to lead elsewhere: both files are older than the start.
    kill9(read_state($dir)->{pid});
    wait_state($dir, state => 'up', starts => 4);
    my $now = read_state($dir)->{pid};
    kill9($pid);
    wait_exit($pid);
    $pid = supervise($dir);
    wait_state($dir, state => 'up', adopted => 1, pid => $now);
    is(outdated(), 'no', 'an adopted one is as old as it was');
    write_file("$dir/restart", "never\n");
    is(outdated(), 'yes', 'and becomes older');
    SKIP: {
        skip 'not root: nobody else', 1 if $>;
        chmod 0600, "$dir/restart";
        unlink "$dir/restart";
        chmod 0600, "$dir/run" or die;
        chmod 0755, "$dir/run" or die;
        is(outdated(), 'yes', 'a mode is changed');
    }
    is(leave_service($dir, $pid), 0, 'leaves');
    no_processes_left();
};

subtest 'a definition of links' => sub {
    for my $version (1, 2) {
        make_service(tmp("v$version"), run => 'exec sleep 1000', files => { version => "$version\n", 'timeout-kill' => "${version}0000\n" });
    }
    my $dir = tmp('linked');
    mkdir $dir;
    symlink '../v1/run', "$dir/run";
    symlink '../v1/timeout-kill', "$dir/timeout-kill";
    my $pid = supervise($dir);
    wait_state($dir, state => 'up');
    is(fields('outdated', 'linked'), 'false', 'it is what runs');
    unlink "$dir/timeout-kill";
    symlink '../v2/timeout-kill', "$dir/timeout-kill";
    is(fields('outdated', 'linked'), 'true', 'another file, older than the start');
    is(leave_service($dir, $pid), 0, 'leaves');
    no_processes_left();
};

done_testing;
