/*
 * Claims against a policy, and rules.
 */

#include "tap.h"
#include "jose.h"
#include "canopy_policy.h"
#include "canopy_token.h"


#define NOW  1760000000

#define GOOD      CANOPY_POLICY_OK
#define NOEXP     CANOPY_POLICY_NO_EXPIRY
#define EXPIRED   CANOPY_POLICY_EXPIRED
#define EARLY     CANOPY_POLICY_NOT_YET
#define ISSUER    CANOPY_POLICY_ISSUER
#define AUDIENCE  CANOPY_POLICY_AUDIENCE
#define CLAIM     CANOPY_POLICY_CLAIM
#define MEMORY    CANOPY_POLICY_MEMORY

#define LEEWAY_MAX  INT64_MAX


typedef struct {
    const char       *payload;
    int64_t           leeway;
    canopy_policy_e   result;
} time_case_t;


typedef struct {
    const char       *payload;
    const char       *issuer;
    const char       *audience;
    canopy_policy_e   result;
} name_case_t;


/* values, separated by "|" */
typedef struct {
    const char  *payload;
    const char  *claim;
    const char  *values;
    int          holds;
} rule_case_t;


typedef struct {
    const char  *payload;
    const char  *sub;
} sub_case_t;


static void times(void);
static void names(void);
static void rules(void);
static void many_rules(void);
static void order(void);
static void subs(void);
static void verdicts(void);
static void long_claims(void);
static void deep_paths(void);
static void not_tokens(void);
static void faults(void);
static canopy_policy_e check(const char *payload,
    const canopy_policy_t *policy, canopy_verdict_t *verdict);
static canopy_policy_e check_text(const char *text,
    const canopy_policy_t *policy, canopy_verdict_t *verdict);
static int holds(const char *payload, const char *claim, const char *values);


static const time_case_t  time_table[] = {
    { "{\"exp\":1760000001}", 0, GOOD },
    { "{\"exp\":1760000000}", 0, EXPIRED },
    { "{\"exp\":1759999999}", 0, EXPIRED },
    { "{\"exp\":1760000000.5}", 0, GOOD },
    { "{\"exp\":1.760000001e9}", 0, GOOD },
    { "{\"exp\":1.76E+9}", 0, EXPIRED },
    { "{\"exp\":17600000000e-1}", 0, EXPIRED },
    { "{\"exp\":0}", 0, EXPIRED },
    { "{\"exp\":-0}", 0, EXPIRED },
    { "{\"exp\":-1}", 0, EXPIRED },
    { "{\"exp\":1e-300}", 0, EXPIRED },
    { "{\"exp\":1e300}", 0, GOOD },
    { "{\"exp\":9223372036854775807}", 0, GOOD },
    { "{\"exp\":9223372036854775808}", 0, GOOD },
    { "{\"exp\":18446744073709551616}", 0, GOOD },
    { "{\"exp\":1111111111111111111111111111111111111111111111}", 0, GOOD },
    { "{\"exp\":-9223372036854775809}", 0, EXPIRED },
    { "{\"exp\":-1e300}", 0, EXPIRED },
    { "{ \"\\u0065xp\" : 1760000001 }", 0, GOOD },

    { "{\"exp\":1759999941}", 60, GOOD },
    { "{\"exp\":1759999940}", 60, EXPIRED },
    { "{\"exp\":1759999940.25}", 60, GOOD },
    { "{\"exp\":1}", LEEWAY_MAX, GOOD },
    { "{\"exp\":-1e300}", LEEWAY_MAX, EXPIRED },
    { "{\"exp\":1e300,\"nbf\":1}", LEEWAY_MAX, GOOD },

    { "{}", 0, NOEXP },
    { "{\"a\":{\"exp\":1760000001}}", 0, NOEXP },
    { "{\"Exp\":1760000001}", 0, NOEXP },
    { "{\"exp\":\"1760000001\"}", 0, NOEXP },
    { "{\"exp\":null}", 0, NOEXP },
    { "{\"exp\":[1760000001]}", 0, NOEXP },
    { "{\"exp\":true}", 0, NOEXP },
    { "{\"exp\":1e400}", 0, NOEXP },

    { "{\"exp\":1e10,\"nbf\":1760000000}", 0, GOOD },
    { "{\"exp\":1e10,\"nbf\":1760000000.5}", 0, EARLY },
    { "{\"exp\":1e10,\"nbf\":1760000001}", 0, EARLY },
    { "{\"exp\":1e10,\"nbf\":1760000060}", 60, GOOD },
    { "{\"exp\":1e10,\"nbf\":1760000061}", 60, EARLY },
    { "{\"exp\":1e10,\"nbf\":-1e300}", 0, GOOD },
    { "{\"exp\":1e10,\"nbf\":1e300}", 0, EARLY },
    { "{\"exp\":1e10,\"nbf\":99999999999999999999999}", 60, EARLY },
    { "{\"exp\":1e10,\"nbf\":1e400}", 60, EARLY },
    { "{\"exp\":1e10,\"nbf\":\"0\"}", 60, EARLY },
    { "{\"exp\":1e10,\"nbf\":null}", 60, EARLY },
    { "{\"exp\":1e10,\"nbf\":{}}", 60, EARLY },

    { "{\"exp\":1e10,\"iat\":1760000000}", 0, GOOD },
    { "{\"exp\":1e10,\"iat\":1760000000.0001}", 0, EARLY },
    { "{\"exp\":1e10,\"iat\":1760000060}", 60, GOOD },
    { "{\"exp\":1e10,\"iat\":1760000061}", 60, EARLY },
    { "{\"exp\":1e10,\"iat\":false}", 60, EARLY },
    { "{\"exp\":1e10,\"iat\":1e400}", 60, EARLY },
    { "{\"exp\":1e10,\"iat\":1e400,\"nbf\":1}", 60, EARLY },
    { "{\"exp\":1e10,\"iat\":1,\"nbf\":2}", 0, GOOD }
};


#define T  "{\"exp\":1e10,"

static const name_case_t  name_table[] = {
    { T "\"iss\":\"a\"}", "a", "", GOOD },
    { T "\"iss\":\"\\u0061\"}", "a", "", GOOD },
    { T "\"iss\":\"\\u00e9\\/\"}", "\xc3\xa9/", "", GOOD },
    { T "\"\\u0069ss\":\"a\"}", "a", "", GOOD },
    { T "\"iss\":\"A\"}", "a", "", ISSUER },
    { T "\"iss\":\"a \"}", "a", "", ISSUER },
    { T "\"iss\":\"a/\"}", "a", "", ISSUER },
    { T "\"iss\":\"a\\u0000\"}", "a", "", ISSUER },
    { T "\"iss\":\"ab\"}", "a", "", ISSUER },
    { T "\"iss\":\"\"}", "a", "", ISSUER },
    { T "\"iss\":\"a\"}", "ab", "", ISSUER },
    { T "\"iss\":[\"a\"]}", "a", "", ISSUER },
    { T "\"iss\":\"a b\"}", "a", "", ISSUER },
    { T "\"iss\":5}", "5", "", ISSUER },
    { T "\"iss\":null}", "null", "", ISSUER },
    { T "\"x\":{\"iss\":\"a\"}}", "a", "", ISSUER },
    { "{\"exp\":1e10}", "a", "", ISSUER },
    { "{\"exp\":1e10}", "", "", GOOD },
    { T "\"iss\":5,\"aud\":5}", "", "", GOOD },

    { T "\"aud\":\"g\"}", "", "g", GOOD },
    { T "\"aud\":[\"g\"]}", "", "g", GOOD },
    { T "\"aud\":[\"a\",\"g\",\"b\"]}", "", "g", GOOD },
    { T "\"aud\":[ 1 , null , {\"g\":[\"g\"]} , [1], \"\\u0067\" ]}", "",
      "g", GOOD },
    { T "\"aud\":\"h\"}", "", "g", AUDIENCE },
    { T "\"aud\":\"g h\"}", "", "g", AUDIENCE },
    { T "\"aud\":\"G\"}", "", "g", AUDIENCE },
    { T "\"aud\":[]}", "", "g", AUDIENCE },
    { T "\"aud\":[\"gg\",\"\",\"G\"]}", "", "g", AUDIENCE },
    { T "\"aud\":[[\"g\"]]}", "", "g", AUDIENCE },
    { T "\"aud\":[{\"g\":\"g\"}]}", "", "g", AUDIENCE },
    { T "\"aud\":{\"g\":\"g\"}}", "", "g", AUDIENCE },
    { T "\"aud\":null}", "", "g", AUDIENCE },
    { T "\"aud\":[5]}", "", "5", AUDIENCE },
    { T "\"aud\":5}", "", "5", AUDIENCE },
    { T "\"a\":\"g\"}", "", "g", AUDIENCE },
    { T "\"aud\":\"g\",\"iss\":\"i\"}", "i", "g", GOOD },
    { T "\"aud\":\"g\"}", "i", "g", ISSUER },
    { T "\"aud\":\"x\",\"iss\":\"x\"}", "i", "g", ISSUER }
};


static const rule_case_t  rule_table[] = {

    /* strings */
    { T "\"a\":\"x\"}", "a", "x", 1 },
    { T "\"a\":\"x\"}", "a", "w|x|y", 1 },
    { T "\"a\":\"x\"}", "a", "w|y", 0 },
    { T "\"a\":\"x\"}", "a", "X", 0 },
    { T "\"a\":\"\\u0078\"}", "a", "x", 1 },
    { T "\"a\":\"\"}", "a", "x", 0 },
    { T "\"a\":\"\"}", "a", "", 1 },
    { T "\"a\":\"x\\u0000\"}", "a", "x", 0 },
    { T "\"a\":\"null\"}", "a", "null", 1 },
    { T "\"b\":\"x\"}", "a", "x", 0 },
    { T "\"A\":\"x\"}", "a", "x", 0 },
    { T "\"\\u0061\":\"x\"}", "a", "x", 1 },

    /* strings with spaces */
    { T "\"a\":\"x y z\"}", "a", "x", 1 },
    { T "\"a\":\"x y z\"}", "a", "y", 1 },
    { T "\"a\":\"x y z\"}", "a", "z", 1 },
    { T "\"a\":\"x y z\"}", "a", "n|z", 1 },
    { T "\"a\":\"x y z\"}", "a", "x y z", 1 },
    { T "\"a\":\"x y z\"}", "a", "x y", 0 },
    { T "\"a\":\"xx yy\"}", "a", "x|y", 0 },
    { T "\"a\":\"  x  y \"}", "a", "y", 1 },
    { T "\"a\":\"  x  y \"}", "a", "", 0 },
    { T "\"a\":\" \"}", "a", "", 0 },
    { T "\"a\":\" \"}", "a", " ", 1 },
    { T "\"a\":\"x\\ty\"}", "a", "x", 0 },
    { T "\"a\":\"x,y\"}", "a", "x", 0 },
    { T "\"a\":\"x\\u0020y\"}", "a", "y", 1 },
    { T "\"a\":\"x\\u00a0y\"}", "a", "x", 0 },
    { T "\"a\":\"canopy:cancel-all canopy:cance\"}", "a", "canopy:cancel",
      0 },

    /* lists */
    { T "\"a\":[\"x\",\"y\"]}", "a", "y", 1 },
    { T "\"a\":[\"x\",\"y\"]}", "a", "z|x", 1 },
    { T "\"a\":[\"x\",\"y\"]}", "a", "z", 0 },
    { T "\"a\":[]}", "a", "x", 0 },
    { T "\"a\":[]}", "a", "", 0 },
    { T "\"a\":[\"x y\"]}", "a", "x", 0 },
    { T "\"a\":[\"x y\"]}", "a", "x y", 1 },
    { T "\"a\":[[\"x\"]]}", "a", "x", 0 },
    { T "\"a\":[{\"x\":\"x\"}]}", "a", "x", 0 },
    { T "\"a\":[1,true,\"x\"]}", "a", "true", 1 },
    { T "\"a\":[1,true,\"x\"]}", "a", "1", 1 },
    { T "\"a\":[null]}", "a", "null", 0 },
    { T "\"a\":[\"]\",\"x\"]}", "a", "x", 1 },

    /* numbers */
    { T "\"a\":5}", "a", "5", 1 },
    { T "\"a\":5}", "a", "5.0", 0 },
    { T "\"a\":5}", "a", "05", 0 },
    { T "\"a\":5}", "a", "+5", 0 },
    { T "\"a\":5}", "a", "5 ", 0 },
    { T "\"a\":55}", "a", "5", 0 },
    { T "\"a\":-5}", "a", "-5", 1 },
    { T "\"a\":-5}", "a", "5", 0 },
    { T "\"a\":0}", "a", "-0", 0 },
    { T "\"a\":18446744073709551615}", "a", "18446744073709551615", 1 },
    { T "\"a\":18446744073709551615}", "a", "18446744073709551614", 0 },
    { T "\"a\":99999999999999999999999}", "a", "99999999999999999999999",
      1 },
    { T "\"a\":99999999999999999999999}", "a", "99999999999999999999998",
      0 },
    { T "\"a\":5.0}", "a", "5", 1 },
    { T "\"a\":5.0}", "a", "5.00", 1 },
    { T "\"a\":5.0}", "a", "50e-1", 1 },
    { T "\"a\":5e0}", "a", "5", 1 },
    { T "\"a\":5E0}", "a", "5", 1 },
    { T "\"a\":5.5}", "a", "5.5", 1 },
    { T "\"a\":5.5}", "a", "5.50000000000001", 0 },
    { T "\"a\":5.5}", "a", "5.5x", 0 },
    { T "\"a\":5.5}", "a", "", 0 },
    { T "\"a\":5.5}", "a", "x|5.5", 1 },
    { T "\"a\":0.0}", "a", "-0", 1 },
    { T "\"a\":1e400}", "a", "1e400", 0 },
    { T "\"a\":1e400}", "a", "1e300", 0 },
    { T "\"a\":\"5\"}", "a", "5", 1 },
    { T "\"a\":\"5.0\"}", "a", "5", 0 },

    /* booleans, null, objects */
    { T "\"a\":true}", "a", "true", 1 },
    { T "\"a\":true}", "a", "True", 0 },
    { T "\"a\":true}", "a", "1", 0 },
    { T "\"a\":true}", "a", "tru", 0 },
    { T "\"a\":false}", "a", "false", 1 },
    { T "\"a\":false}", "a", "true|", 0 },
    { T "\"a\":\"true\"}", "a", "true", 1 },
    { T "\"a\":null}", "a", "null", 0 },
    { T "\"a\":null}", "a", "", 0 },
    { T "\"a\":{\"x\":\"x\"}}", "a", "x", 0 },
    { T "\"a\":{}}", "a", "", 0 },
    { T "\"a\":{}}", "a", "{}", 0 },

    /* paths */
    { T "\"a\":{\"b\":\"x\"}}", "a.b", "x", 1 },
    { T "\"a\":{\"b\":[\"w\",\"x\"]}}", "a.b", "x", 1 },
    { T "\"a\":{\"b\":{\"c\":\"x\"}}}", "a.b.c", "x", 1 },
    { T "\"a\":{\"b\":{\"c\":\"x\"}}}", "a.b", "x", 0 },
    { T "\"a\":{\"b\":{\"c\":\"x\"}}}", "b.c", "x", 0 },
    { T "\"a\":{\"b\":\"x\"}}", "a.c", "x", 0 },
    { T "\"a\":{\"b\":\"x\"}}", "a.b.c", "x", 0 },
    { T "\"a\":{\"b\":\"x\"}}", "a.", "x", 0 },
    { T "\"a\":{\"b\":\"x\"}}", ".a.b", "x", 0 },
    { T "\"a\":{\"b\":\"x\"}}", "a..b", "x", 0 },
    { T "\"a\":{\"b\":\"x\"}}", "a/b", "x", 0 },
    { T "\"ab\":{\"c\":\"x\"}}", "abc", "x", 0 },
    { T "\"ab\":{\"\":\"x\"}}", "abc", "x", 0 },
    { T "\"a\":{\"\":{\"b\":\"x\"}}}", "a..b", "x", 1 },
    { T "\"a\":{\"\":\"x\"}}", "a.", "x", 1 },
    { T "\"\":{\"a\":\"x\"}}", ".a", "x", 1 },
    { T "\"\":\"x\"}", "", "x", 1 },
    { T "\"a\":[{\"b\":\"x\"}]}", "a.b", "x", 0 },
    { T "\"a\":[\"x\"]}", "a.0", "x", 0 },
    { T "\"a\":{\"\\u0062\":\"x\"}}", "a.b", "x", 1 },
    { T "\"\\u0061\":{\"b\":\"x\"}}", "a.b", "x", 1 },
    { T "\"realm_access\":{\"roles\":[\"operator\",\"admin\"]}}",
      "realm_access.roles", "admin", 1 },
    { T "\"https://umbra.space/rate_limit\":\"x\"}",
      "https://umbra.space/rate_limit", "x", 1 },
    { T "\"https://umbra\":{\"space/rate_limit\":\"x\"}}",
      "https://umbra.space/rate_limit", "x", 1 },
    { T "\"https://umbra.space/r\":{\"a\":{\"b.c\":7}}}",
      "https://umbra.space/r.a.b.c", "7", 1 },

    /* which of several */
    { T "\"a.b\":\"x\",\"a\":{\"b\":\"y\"}}", "a.b", "x", 1 },
    { T "\"a.b\":\"x\",\"a\":{\"b\":\"y\"}}", "a.b", "y", 0 },
    { T "\"a\":{\"b\":\"y\"},\"a.b\":\"x\"}", "a.b", "x", 1 },
    { T "\"a\":{\"b\":\"y\"},\"a.b\":\"x\"}", "a.b", "y", 0 },
    { T "\"a.b\":null,\"a\":{\"b\":\"y\"}}", "a.b", "y", 0 },
    { T "\"a.b\":{\"c\":\"x\"},\"a\":{\"b.c\":\"y\"}}", "a.b.c", "x", 1 },
    { T "\"a.b\":{\"c\":\"x\"},\"a\":{\"b.c\":\"y\"}}", "a.b.c", "y", 0 },
    { T "\"a\":{\"b\":{\"c\":\"y\"},\"b.c\":\"x\"}}", "a.b.c", "x", 1 },
    { T "\"a\":{\"b\":{\"c\":\"y\"},\"b.c\":\"x\"}}", "a.b.c", "y", 0 },
    { T "\"a.b\":{\"d\":\"x\"},\"a\":{\"b.c\":\"y\"}}", "a.b.c", "y", 1 },
    { T "\"a.b\":\"x\",\"a\":{\"b\":{\"c\":\"y\"}}}", "a.b.c", "y", 1 },
    { T "\"a.b\":{\"c\":null},\"a\":{\"b\":{\"c\":\"y\"}}}", "a.b.c", "y",
      0 }
};


static const sub_case_t  sub_table[] = {
    { T "\"sub\":\"user@example.com\"}", "user@example.com" },
    { T "\"sub\":\"a b\"}", "a b" },
    { T "\"sub\":\"\\u00e9\\u20ac\\ud83d\\ude00\\\"\\\\\"}",
      "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"\\" },
    { T "\"s\\u0075b\":\"a\"}", "a" },
    { T "\"sub\":\"\\u00a0\"}", "\xc2\xa0" },
    { T "\"sub\":\"\"}", "" },
    { T "\"sub\":5}", "" },
    { T "\"sub\":null}", "" },
    { T "\"sub\":[\"a\"]}", "" },
    { T "\"x\":{\"sub\":\"a\"}}", "" },
    { T "\"sub\":\"a\\u0000b\"}", "" },
    { T "\"sub\":\"a\\n\"}", "" },
    { T "\"sub\":\"\\u001b[0m\"}", "" },
    { T "\"sub\":\"a\\u007f\"}", "" },
    { T "\"sub\":\"a\\u0080\"}", "" },
    { T "\"sub\":\"a\\u009f\"}", "" },
    { T "\"sub\":\"\xc2\x85\"}", "" }
};


int
main(void)
{
    times();
    names();
    rules();
    many_rules();
    order();
    subs();
    verdicts();
    long_claims();
    deep_paths();
    not_tokens();
    faults();

    return tap_done();
}


static void
times(void)
{
    size_t              i;
    canopy_policy_t     policy;
    canopy_verdict_t    verdict;
    const time_case_t  *c;

    memset(&policy, 0, sizeof(policy));
    policy.now = NOW;

    for (i = 0; i < sizeof(time_table) / sizeof(time_case_t); i++) {
        c = &time_table[i];
        policy.leeway = c->leeway;

        ok(check(c->payload, &policy, &verdict) == c->result, "%s, %lld: %s",
           c->payload, (long long) c->leeway,
           canopy_policy_fault(c->result));
    }

    /* the clock's ends */

    policy.leeway = 0;
    policy.now = INT64_MAX;
    ok(check("{\"exp\":9223372036854775807}", &policy, &verdict) == EXPIRED
       && check("{\"exp\":1e19}", &policy, &verdict) == GOOD,
       "the last second");

    policy.now = INT64_MIN;
    ok(check("{\"exp\":0}", &policy, &verdict) == GOOD
       && check("{\"exp\":0,\"nbf\":0}", &policy, &verdict) == EARLY,
       "the first second");
}


static void
names(void)
{
    size_t              i;
    canopy_policy_t     policy;
    canopy_verdict_t    verdict;
    const name_case_t  *c;

    memset(&policy, 0, sizeof(policy));
    policy.now = NOW;

    for (i = 0; i < sizeof(name_table) / sizeof(name_case_t); i++) {
        c = &name_table[i];
        policy.issuer = jose_guard(c->issuer, strlen(c->issuer));
        policy.audience = jose_guard(c->audience, strlen(c->audience));

        ok(check(c->payload, &policy, &verdict) == c->result,
           "%s, iss %s, aud %s: %s", c->payload, c->issuer, c->audience,
           canopy_policy_fault(c->result));
    }
}


static void
rules(void)
{
    size_t              i;
    const rule_case_t  *c;

    for (i = 0; i < sizeof(rule_table) / sizeof(rule_case_t); i++) {
        c = &rule_table[i];

        ok(holds(c->payload, c->claim, c->values) == c->holds,
           "%s, \"%s\" is \"%s\": %s", c->payload, c->claim, c->values,
           c->holds ? "yes" : "no");
    }
}


static void
many_rules(void)
{
    size_t            i;
    canopy_rule_t     rules[3];
    canopy_slice_t    values[3];
    canopy_policy_t   policy;
    canopy_verdict_t  verdict;

    static const char *const  payloads[] = {
        T "\"a\":\"x\",\"b\":\"x\",\"c\":\"x\"}",
        T "\"b\":\"x\",\"c\":\"x\"}",
        T "\"a\":\"x\",\"c\":\"x\"}",
        T "\"a\":\"x\",\"b\":\"x\"}",
        T "\"a\":\"x\",\"b\":\"x\",\"c\":\"y\"}"
    };

    values[0] = jose_slice("x");

    for (i = 0; i < 3; i++) {
        rules[i].claim = jose_slice(i == 0 ? "a" : i == 1 ? "b" : "c");
        rules[i].values = values;
        rules[i].nvalues = 1;
    }

    memset(&policy, 0, sizeof(policy));
    policy.now = NOW;
    policy.rules = rules;
    policy.nrules = 3;

    for (i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        ok(check(payloads[i], &policy, &verdict) == (i == 0 ? GOOD : CLAIM),
           "all rules hold: %s", payloads[i]);
    }

    rules[1].nvalues = 0;
    ok(check(payloads[0], &policy, &verdict) == CLAIM,
       "a rule without values does not");
}


static void
order(void)
{
    size_t            i;
    canopy_rule_t     rule;
    canopy_policy_t   policy;
    canopy_verdict_t  verdict;

    static const struct {
        const char       *payload;
        canopy_policy_e   result;
    } table[] = {
        { "{\"iat\":1e10}", NOEXP },
        { "{\"exp\":1,\"iat\":1e10}", EXPIRED },
        { "{\"exp\":1e10,\"iat\":2e9,\"nbf\":1}", EARLY },
        { "{\"exp\":1e10,\"iat\":1,\"iss\":\"x\",\"aud\":\"x\"}", ISSUER },
        { "{\"exp\":1e10,\"iat\":1,\"iss\":\"i\",\"aud\":\"x\"}", AUDIENCE },
        { "{\"exp\":1e10,\"iat\":1,\"iss\":\"i\",\"aud\":\"g\"}", CLAIM }
    };

    rule.claim = jose_slice("a");
    rule.values = NULL;
    rule.nvalues = 0;

    memset(&policy, 0, sizeof(policy));
    policy.now = NOW;
    policy.issuer = jose_slice("i");
    policy.audience = jose_slice("g");
    policy.rules = &rule;
    policy.nrules = 1;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ok(check(table[i].payload, &policy, &verdict) == table[i].result,
           "the first fault: %s", table[i].payload);
    }
}


static void
subs(void)
{
    char               payload[512], sub[CANOPY_CLIENT_MAX + 2];
    size_t             i, len;
    canopy_policy_t    policy;
    canopy_verdict_t   verdict;
    const sub_case_t  *c;

    memset(&policy, 0, sizeof(policy));
    policy.now = NOW;

    for (i = 0; i < sizeof(sub_table) / sizeof(sub_case_t); i++) {
        c = &sub_table[i];
        len = strlen(c->sub);

        ok(check(c->payload, &policy, &verdict) == GOOD
           && verdict.sub_len == len
           && memcmp(verdict.sub, c->sub, len) == 0,
           "sub %zu: %zu bytes", i, len);
    }

    memset(sub, 's', sizeof(sub));

    for (i = CANOPY_CLIENT_MAX; i <= CANOPY_CLIENT_MAX + 1; i++) {
        sprintf(payload, T "\"sub\":\"%.*s\"}", (int) i, sub);
        len = i <= CANOPY_CLIENT_MAX ? i : 0;

        ok(check(payload, &policy, &verdict) == GOOD
           && verdict.sub_len == len
           && memcmp(verdict.sub, sub, len) == 0,
           "a sub of %zu bytes", i);
    }

    /* a character that the room ends in */

    sprintf(payload, T "\"sub\":\"%.*s\\u00e9\"}", CANOPY_CLIENT_MAX - 1,
            sub);
    ok(check(payload, &policy, &verdict) == GOOD && verdict.sub_len == 0,
       "a sub is not cut");

    sprintf(payload, T "\"sub\":\"%.*s\\u00e9\"}", CANOPY_CLIENT_MAX - 2,
            sub);
    ok(check(payload, &policy, &verdict) == GOOD
       && verdict.sub_len == CANOPY_CLIENT_MAX,
       "a sub that just fits");
}


static void
verdicts(void)
{
    canopy_rule_t     rule;
    canopy_policy_t   policy;
    canopy_verdict_t  verdict;

    memset(&policy, 0, sizeof(policy));
    policy.now = NOW;

    memset(&verdict, 0xa5, sizeof(verdict));

    ok(check("{\"exp\":1,\"sub\":\"a\"}", &policy, &verdict) == EXPIRED
       && verdict.sub_len == (size_t) 0xa5a5a5a5a5a5a5a5,
       "no verdict after a fault");

    ok(check("{\"exp\":1760000000.75,\"sub\":\"a\"}", &policy, &verdict)
       == GOOD
       && verdict.expires == 1760000000.75 && verdict.sub_len == 1,
       "a verdict");

    rule.claim = jose_slice("a");
    rule.values = NULL;
    rule.nvalues = 0;
    policy.rules = &rule;
    policy.nrules = 1;

    ok(check("{\"exp\":1e300,\"sub\":\"bc\"}", &policy, &verdict) == CLAIM
       && verdict.expires == 1e300 && verdict.sub_len == 2,
       "a verdict after a rule that does not hold");
}


/* as long as a token can be, with as many claims as it can have */
static void
long_claims(void)
{
    char    text[16384], *p;
    size_t  i;

    p = text + sprintf(text, "{\"exp\":1e10");

    for (i = 0; i < 600; i++) {
        p += sprintf(p, ",\"%zu\":%zu", i, i);
    }

    strcpy(p, "}");

    ok(holds(text, "599", "599") && holds(text, "0", "0")
       && !holds(text, "600", "600"),
       "600 claims");

    p = text + sprintf(text, T "\"a\":[0");

    for (i = 0; i < 2000; i++) {
        p += sprintf(p, ",0");
    }

    strcpy(p, ",\"x\"]}");

    ok(holds(text, "a", "x") && !holds(text, "a", "y"), "2000 elements");

    p = text + sprintf(text, T "\"a\":\"0");

    for (i = 0; i < 2000; i++) {
        p += sprintf(p, " 0");
    }

    strcpy(p, " x\"}");

    ok(holds(text, "a", "x") && !holds(text, "a", "y"), "2000 words");

    p = text + sprintf(text, T "\"a\":");

    for (i = 0; i < 2000; i++) {
        *p++ = '[';
    }

    for (i = 0; i < 2000; i++) {
        *p++ = ']';
    }

    strcpy(p, ",\"b\":\"x\"}");

    ok(holds(text, "b", "x") && !holds(text, "a", "x"), "2000 brackets");
}


static void
deep_paths(void)
{
    char    text[16384], path[4096], *p, *q;
    size_t  i;

    p = text + sprintf(text, "{\"exp\":1e10,\"a\":");
    q = path + sprintf(path, "a");

    for (i = 0; i < 800; i++) {
        p += sprintf(p, "{\"a\":");
        q += sprintf(q, ".a");
    }

    p += sprintf(p, "\"x\"");

    for (i = 0; i < 800; i++) {
        *p++ = '}';
    }

    strcpy(p, "}");

    ok(holds(text, path, "x"), "a path of 801 names");

    strcpy(q, ".a");
    ok(!holds(text, path, "x"), "one name more");

    q[-2] = '\0';
    ok(!holds(text, path, "x"), "one name less");
}


static void
not_tokens(void)
{
    size_t             i, bad;
    canopy_policy_t    policy;
    canopy_verdict_t   verdict;

    static const char *const  table[] = {
        "", ".", "..", "a.b", "e30.e30", "e30..AA", "e30.e30.AA.AA",
        "e30.e30.AA.AA.AA", "e30.!.AA", "e30.A.AA", "e30.W10.AA",
        "e30.bnVsbA.AA", "e30.eyJleHAiOjF9eA.AA"
    };

    memset(&policy, 0, sizeof(policy));
    policy.now = NOW;
    bad = 0;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        bad += check_text(table[i], &policy, &verdict) != MEMORY;
    }

    bad += check("{\"exp\":1e10,\"exp\":1e10}", &policy, &verdict) != MEMORY;
    bad += check("{\"exp\":1e10,\"a\":\"\xff\"}", &policy, &verdict)
           != MEMORY;

    ok(bad == 0, "what is not a token is not checked");
}


static void
faults(void)
{
    size_t       i;
    const char  *p, *text;

    for (i = CANOPY_POLICY_OK; i <= CANOPY_POLICY_MEMORY; i++) {
        text = canopy_policy_fault(i);

        for (p = text; *p >= ' ' && *p <= '~' && *p != '"' && *p != '\\';
             p++)
        {
            /* void */
        }

        ok(p - text > 15 && *p == '\0', "%s", text);
    }
}


static int
holds(const char *payload, const char *claim, const char *values)
{
    size_t            n, len;
    const char       *p;
    canopy_rule_t     rule;
    canopy_slice_t    list[8];
    canopy_policy_e   result;
    canopy_policy_t   policy;
    canopy_verdict_t  verdict;

    n = 0;

    for (p = values; /* void */ ; p += len + 1) {
        len = strcspn(p, "|");
        list[n++] = jose_guard(p, len);

        if (p[len] == '\0') {
            break;
        }
    }

    rule.claim = jose_guard(claim, strlen(claim));
    rule.values = list;
    rule.nvalues = n;

    memset(&policy, 0, sizeof(policy));
    policy.now = NOW;
    policy.rules = &rule;
    policy.nrules = 1;

    result = check(payload, &policy, &verdict);
    jose_must(result == GOOD || result == CLAIM);

    return result == GOOD;
}


static canopy_policy_e
check(const char *payload, const canopy_policy_t *policy,
    canopy_verdict_t *verdict)
{
    char  text[CANOPY_TOKEN_MAX * 2];

    jose_input("{\"alg\":\"RS256\"}", payload, text);
    strcat(text, ".AA");

    return check_text(text, policy, verdict);
}


/* twice */
static canopy_policy_e
check_text(const char *text, const canopy_policy_t *policy,
    canopy_verdict_t *verdict)
{
    canopy_slice_t    token;
    canopy_policy_e   first, second;
    canopy_verdict_t  other;

    token = jose_guard(text, strlen(text));

    first = canopy_policy_check(token, policy, verdict);
    second = canopy_policy_check(token, policy, &other);

    jose_must(first == second);

    return first;
}
