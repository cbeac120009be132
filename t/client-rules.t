# require_claim hangs on the environment: whatever way leads there, only who has the claim gets in.

use v5.36;

use JSON::PP;
use Test::More;

use Canopy::Expect;
use Canopy::Jose;
use Canopy::Test;

my $t = Canopy::Test->new;
my $id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
my $target = "/tasking/tasks/$id/cancel";

$t->secret('token', 'rules-upstream-credential');
$t->upstream('canopy', handler => sub { reply(204) });

my $key = Canopy::Jose->new('ES256', kid => 'a');
$t->write('keys.jwks', Canopy::Jose::set($key));

my %rules = (
    scope  => 'require_claim scope canopy:cancel canopy:all;',
    nested => 'require_claim realm_access.roles operator;',
    url    => 'require_claim https://umbra.space/team.name ops;',
    both   => 'require_claim scope canopy:cancel; require_claim level 5 true;',
    open   => '',
);
my $environments = join "\n", map { <<"EOC" } sort keys %rules;
    canopy_environment $_ {
        server            http://127.0.0.1:%%PORT_canopy%%/tasking;
        bearer_token_file %%DIR%%/token;
        $rules{$_}
    }
EOC
my $conf = <<"EOC";
%%HEAD%%
http {
    %%HTTP%%
$environments
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location ~ ^/keys/(?<a>\\w+)/ {
            canopy_client_jwks %%DIR%%/keys.jwks; canopy_client_audience any; canopy_pass \$a;
        }
        location ~ ^/none/(?<b>\\w+)/ { canopy_pass \$b; }
    }
}
EOC
$t->conf($conf);
$t->start;

sub request ($environment, $token, $way = 'keys') {
    return (path => "/$way/$environment/tasks/$id/cancel", headers => [['Authorization', "Bearer $token"]]);
}

sub lets_in ($environment, $name, %claims) {
    passes($t, "$environment: $name", $target, request($environment, $key->token(%claims)));
}

sub keeps_out ($environment, $name, %claims) { out($environment, $name, $key->token(%claims)) }

sub out ($environment, $name, $token, $way = 'keys') {
    my $res = $t->request(request($environment, $token, $way));
    my ($description) = $res->header('WWW-Authenticate') =~ /error_description="([^"\\]+)"$/;
    refused($t, "$environment: $name",
        { status => 403, loc => ['header', 'authorization'], type => 'token_claim', environment => $environment,
          'WWW-Authenticate' => 'Bearer realm="canopy", error="insufficient_scope", error_description="'
                                . ($description // '') . '"' },
        request($environment, $token, $way));
}

lets_in('scope', 'equal', scope => 'canopy:cancel');
lets_in('scope', 'another value', scope => 'canopy:all');
lets_in('scope', 'one of a string\'s words', scope => 'openid canopy:cancel email');
lets_in('scope', 'one of a list', scope => ['x', 'canopy:all']);
keeps_out('scope', 'no claim');
keeps_out('scope', 'another value', scope => 'canopy:read');
keeps_out('scope', 'a part of it', scope => 'canopy:cancel2');
keeps_out('scope', 'the beginning of it', scope => 'canopy:can');
keeps_out('scope', 'a list without it', scope => ['canopy', 'cancel']);
keeps_out('scope', 'an object', scope => { 'canopy:cancel' => JSON::PP::true });
keeps_out('scope', 'null', scope => [JSON::PP::null]);
keeps_out('scope', 'in another claim', scp => 'canopy:cancel');

lets_in('nested', 'a role', realm_access => { roles => ['user', 'operator'] });
lets_in('nested', 'a claim of that very name', 'realm_access.roles' => 'operator');
keeps_out('nested', 'another role', realm_access => { roles => ['user'] });
keeps_out('nested', 'not that deep', realm_access => 'operator');
lets_in('url', 'a name with dots and slashes', 'https://umbra.space/team.name' => 'ops');
keeps_out('url', 'another team', 'https://umbra.space/team.name' => 'dev');

lets_in('both', 'a number', scope => 'canopy:cancel', level => 5);
lets_in('both', 'a boolean', scope => 'canopy:cancel', level => JSON::PP::true);
keeps_out('both', 'only the first', scope => 'canopy:cancel');
keeps_out('both', 'only the second', level => 5);
keeps_out('both', 'false', scope => 'canopy:cancel', level => JSON::PP::false);

# A verdict of one environment opens no other one.
my $token = $key->token(scope => 'canopy:cancel', jti => 'shared');
passes($t, 'open to all', $target, request('open', $token));
passes($t, 'open to this one', $target, request('scope', $token));
out('both', 'not open to it', $token);
out('nested', 'nor this', $token);
passes($t, 'still open to this one', $target, request('scope', $token));

# Nobody vouches for a token without keys.
out('scope', 'a way without keys', $key->token(scope => 'canopy:cancel'), 'none');
passes($t, 'an environment without rules', $target, request('open', $t->client_token, 'none'));

# Other rules after a reload, and the same token.
passes($t, 'before the reload', $target, request('scope', $token));
$t->conf($conf =~ s/scope canopy:cancel canopy:all/scope canopy:all/r);
$t->reload;
out('scope', 'after the rules have changed', $token);

# ------------------------------------------------------------------------------------------------------- nginx -t

sub refuses ($name, $text, $server, $block = 'require_claim scope x;') {
    my ($status, $output) = $t->test_conf(<<"EOC");
%%HEAD%%
http {
    %%HTTP%%
    canopy_environment live {
        server            http://127.0.0.1:1/tasking;
        bearer_token_file %%DIR%%/token;
        $block
    }
    server {
        listen 127.0.0.1:%%PORT_http%%;
        $server
    }
}
EOC
    is($status, 1, "refused: $name");
    like($output, $text, 'and why is said');
}

my $jwks = 'canopy_client_jwks ' . $t->path('keys.jwks') . ';';
refuses('rules without keys', qr/environment "live" has "require_claim", but clients' tokens are not verified on this way to it, add "canopy_client_jwks" in .*conf-test\.conf:\d+/,
        'location / { canopy_pass live; }');
refuses('rules with keys off', qr/tokens are not verified on this way/,
        "$jwks canopy_client_audience a; location / { canopy_client_jwks off; canopy_pass live; }");
refuses('keys without an audience', qr/"canopy_client_jwks" needs "canopy_client_audience"/, "$jwks location / { canopy_pass live; }");
refuses('an audience without keys', qr/are checked only in a verified token, add "canopy_client_jwks"/,
        'canopy_client_audience a; location / { canopy_pass live; }', '');
refuses('an issuer without keys', qr/are checked only in a verified token/,
        'canopy_client_issuer a; location / { canopy_pass live; }', '');
refuses('an empty audience', qr/"canopy_client_audience" directive must be of visible characters/, "$jwks canopy_client_audience '';");
refuses('an empty file name', qr/"canopy_client_jwks" directive needs the name of a file/, "canopy_client_jwks '';");
refuses('a claim without a value', qr/invalid number of arguments in "require_claim"/, '', 'require_claim scope;');
refuses('an empty value', qr/"require_claim" directive must be of visible characters/, '', "require_claim scope '';");
refuses('two sets', qr/"canopy_client_jwks" directive is duplicate/, "$jwks $jwks");
refuses('no set', qr/key set ".*none\.jwks" cannot be opened/, 'canopy_client_jwks none.jwks;');

for my $set (['{', 'is malformed: it is neither a JSON object nor a public key'], ['{"keys":{}}', '"keys"'], ['{"keys":[{"kty":"RSA","e":"AQAB"}]}', '"n"'],
             ['{"keys":[]}', 'key']) {
    $t->write('bad.jwks', $set->[0]);
    refuses("a malformed set: $set->[0]", qr/key set ".*bad\.jwks" .*\Q$set->[1]/, 'canopy_client_jwks ' . $t->path('bad.jwks') . ';');
}

$t->done;
