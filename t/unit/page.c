/*
 * canopy_page: markup that is closed, a script that finds what it looks for,
 * nothing from elsewhere, and a policy that names just this style and script.
 * With "page" or "policy" it prints that, for t/page.t.
 */

#include <openssl/evp.h>

#include "canopy_page.h"
#include "tap.h"


#define DEPTH  16


static void text(const char *page, size_t len);
static void elements(const char *page);
static const char *element(const char *p, char *stack[DEPTH], int *depth);
static void names(const char *page);
static int named(const char *page, const char *attribute, const char *name,
    size_t len);
static void policy(const char *page);
static char *hash(const char *page, const char *tag);
static const char *inside(const char *page, const char *tag, size_t *len);


int
main(int argc, char **argv)
{
    char            *page;
    canopy_slice_t   slice;

    if (argc == 2) {
        slice = strcmp(argv[1], "policy") == 0 ? canopy_page_policy()
                                               : canopy_page();
        return fwrite(slice.data, 1, slice.len, stdout) != slice.len;
    }

    slice = canopy_page();
    page = calloc(1, slice.len + 1);

    if (page == NULL) {
        printf("Bail out! no memory\n");
        return 1;
    }

    memcpy(page, slice.data, slice.len);

    text(page, slice.len);
    elements(page);
    names(page);
    policy(page);

    free(page);

    return tap_done();
}


static void
text(const char *page, size_t len)
{
    size_t  i;

    static const char  end[] = "</html>\n";
    static const char *never[] = {
        "http:", "https:", "src=", "href=", "url(", "@import", "import(",
        "<link", "<form", "<base", "<iframe", " style=", " onclick=",
        " onload=", " onerror=",
        "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
        "eval(", "Function(", "localStorage", "cookie"
    };

    ok(strncmp(page, "<!doctype html>\n", 16) == 0, "it begins as HTML");
    ok(len > sizeof(end) && strcmp(page + len - (sizeof(end) - 1), end) == 0,
       "it ends as HTML");
    ok(len < 18000, "it is small: %lu bytes", (unsigned long) len);

    for (i = 0; i < len; i++) {
        if ((page[i] < ' ' || page[i] > '~') && page[i] != '\n') {
            break;
        }
    }

    ok(i == len, "it is printable ASCII");

    for (i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        ok(strstr(page, never[i]) == NULL, "it is without \"%s\"", never[i]);
    }
}


static void
elements(const char *page)
{
    int          depth;
    char        *stack[DEPTH];
    const char  *p;

    depth = 0;
    p = strchr(page + 1, '<');

    while (p) {
        p = element(p, stack, &depth);
    }

    ok(depth == 0, "every element is closed");

    while (depth > 0) {
        printf("# <%s> is not closed\n", stack[depth - 1]);
        free(stack[--depth]);
    }
}


/* the next one's begin; NULL: there is none, or p can't be here */

static const char *
element(const char *p, char *stack[DEPTH], int *depth)
{
    int          closing;
    char        *name;
    const char  *end;

    closing = p[1] == '/';
    p += 1 + closing;

    end = strchr(p, '>');
    name = strndup(p, strcspn(p, " \n/>"));

    if (end == NULL || name == NULL || *name == '\0' || *depth == DEPTH) {
        ok(0, "an element at \"%.20s\"", p);
        free(name);
        return NULL;
    }

    if (closing) {
        if (*depth == 0 || strcmp(stack[*depth - 1], name) != 0) {
            ok(0, "</%s> has its begin", name);
            free(name);
            return NULL;
        }

        free(stack[--*depth]);
        free(name);

    } else if (strcmp(name, "meta") == 0 || end[-1] == '/') {
        free(name);

    } else {
        stack[(*depth)++] = name;

        if (strcmp(name, "style") == 0 || strcmp(name, "script") == 0) {
            return strstr(end, "</");
        }
    }

    return strchr(end, '<');
}


/* '#name' and '.name' in the script are ids and classes of the markup */

static void
names(const char *page)
{
    size_t       len, rest, n;
    const char  *p, *script;

    script = inside(page, "script", &rest);
    n = 0;

    for (p = script; p < script + rest; p++) {
        if (*p != '\'' || (p[1] != '#' && p[1] != '.')) {
            continue;
        }

        len = strspn(p + 2, "abcdefghijklmnopqrstuvwxyz-");

        /* an end of a sentence, or the begin of a name */
        if (len == 0 || p[1 + len] == '-') {
            continue;
        }

        n++;

        if (!named(page, p[1] == '#' ? " id='" : " class='", p + 2, len)) {
            ok(0, "the markup has \"%.*s\"", (int) len + 1, p + 1);
        }
    }

    ok(n > 20, "the script looks for what is there, %lu times",
       (unsigned long) n);
}


static int
named(const char *page, const char *attribute, const char *name, size_t len)
{
    size_t       word;
    const char  *p;

    for (p = strstr(page, attribute); p; p = strstr(p, attribute)) {
        p += strlen(attribute);

        for ( ;; ) {
            word = strcspn(p, " '");

            if (word == len && memcmp(p, name, len) == 0) {
                return 1;
            }

            p += word;

            if (*p != ' ') {
                break;
            }

            p++;
        }
    }

    return 0;
}


static void
policy(const char *page)
{
    char             expected[1024], *style, *script;
    canopy_slice_t   value;

    style = hash(page, "style");
    script = hash(page, "script");
    value = canopy_page_policy();

    snprintf(expected, sizeof(expected),
             "default-src 'none'; style-src 'sha256-%s'; "
             "script-src 'sha256-%s'; connect-src 'self'; base-uri 'none'; "
             "form-action 'none'; frame-ancestors 'none'; "
             "require-trusted-types-for 'script'", style, script);

    if (!ok(value.len == strlen(expected)
            && memcmp(value.data, expected, value.len) == 0,
            "the policy is of this style and this script"))
    {
        printf("# STYLE is sha256-%s\n# SCRIPT is sha256-%s\n", style, script);
    }

    free(style);
    free(script);
}


/* as a browser has it: of all between the tags */

static char *
hash(const char *page, const char *tag)
{
    size_t          len;
    unsigned        size;
    uint8_t         digest[EVP_MAX_MD_SIZE], *text;
    const char     *p;

    p = inside(page, tag, &len);
    text = calloc(1, 2 * EVP_MAX_MD_SIZE);

    if (text == NULL
        || EVP_Digest(p, len, digest, &size, EVP_sha256(), NULL) != 1)
    {
        printf("Bail out! no SHA-256\n");
        exit(1);
    }

    EVP_EncodeBlock(text, digest, (int) size);

    return (char *) text;
}


static const char *
inside(const char *page, const char *tag, size_t *len)
{
    char         open[16], close[16];
    const char  *p, *end;

    snprintf(open, sizeof(open), "<%s>", tag);
    snprintf(close, sizeof(close), "</%s>", tag);

    p = strstr(page, open);
    end = strstr(page, close);

    if (p == NULL || end == NULL || strstr(p + 1, open) || end < p) {
        printf("Bail out! not one <%s>\n", tag);
        exit(1);
    }

    p += strlen(open);
    *len = (size_t) (end - p);

    return p;
}
