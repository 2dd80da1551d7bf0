# The objects of `lares-svstat --json` against the table in lares-status-json(5): schema_problems
# tells what is wrong with one. `use Lares; use Lares::Schema;`.

package Lares::Schema;

use strict;
use warnings;
use Exporter 'import';
use JSON::PP ();
use Lares    ();

our @EXPORT = qw(schema_fields schema_problems);

my %types = (
    boolean => sub { JSON::PP::is_bool($_[0]) },
    count   => sub { is_number($_[0]) && $_[0] =~ /^\d+\z/ },
    number  => sub { is_number($_[0]) && $_[0] =~ /^-?\d+\z/ },
    text    => sub { is_text($_[0]) },
    word    => sub { is_text($_[0]) && $_[0] =~ /^\S+\z/ },
    time    => sub { is_text($_[0]) && $_[0] =~ /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/ },
    object  => sub { ref $_[0] eq 'HASH' },
    objects => sub { ref $_[0] eq 'ARRAY' && !grep { ref $_ ne 'HASH' } @{ $_[0] } },
    texts   => sub { ref $_[0] eq 'ARRAY' && !grep { !is_text($_) } @{ $_[0] } },
);

# What JSON::PP made of it: a number has no string beside it.
sub is_number { return defined $_[0] && !ref $_[0] && JSON::PP->new->allow_nonref->encode($_[0]) !~ /^"/ }
sub is_text   { return defined $_[0] && !ref $_[0] && JSON::PP->new->allow_nonref->encode($_[0]) =~ /^"/ }

my $fields;

# name => { type, null, seldom, of }, as the manual has it.
sub schema_fields {
    return $fields if $fields;
    my $text = Lares::file_text(Lares::source_dir() . '/doc/man/lares-status-json.5');
    my ($table) = $text =~ /^\.\\" fields of --json\n(.*?)^\.El/ms or die "no table in the manual\n";
    for my $line (grep { !/^\.It Em / } split /\n/, $table) {
        my ($name, $type, $of, $meaning) = split / Ta /, $line =~ s/^\.It //r;
        die "the manual's table: $line\n" if !defined $meaning;
        my $seldom = $type =~ s/, seldom$//;
        my $null   = $type =~ s/ or null$//;
        die "the manual's table: no type $type\n" if !$types{$type};
        $fields->{$name} = { type => $type, null => $null, seldom => $seldom, of => $of };
    }
    return $fields;
}

sub kinds {
    my ($object) = @_;
    return { all => 1, error => 1 } if $object->{error};
    my $kinds = { all => 1, asked => 1 };
    $kinds->{supervised} = 1 if $object->{supervised};
    $kinds->{lares}      = 1 if exists $object->{state};
    return $kinds;
}

sub schema_problems {
    my ($object) = @_;
    my ($known, $kinds, @problems) = (schema_fields(), kinds($object));
    for my $name (sort keys %$object) {
        my ($field, $value) = ($known->{$name}, $object->{$name});
        if (!$field) { push @problems, "$name is not in the manual" }
        elsif (!$kinds->{ $field->{of} }) { push @problems, "$name is of $field->{of} alone" }
        elsif (!defined $value) { push @problems, "$name is null" if !$field->{null} }
        elsif (!$types{ $field->{type} }->($value)) { push @problems, "$name is no $field->{type}: $value" }
    }
    for my $name (sort keys %$known) {
        push @problems, "$name is missing" if !exists $object->{$name} && $kinds->{ $known->{$name}{of} } && !$known->{$name}{seldom};
    }
    return @problems;
}

1;
