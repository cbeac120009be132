
/*
 * The base URL of an environment's server.
 */


#include "ngx_canopy_url.h"
#include "ngx_canopy_tls.h"


static char *ngx_canopy_url_fault(ngx_str_t *rest);
static ngx_uint_t ngx_canopy_url_loopback(ngx_canopy_url_t *url);
static ngx_uint_t ngx_canopy_url_within(ngx_str_t *host, ngx_str_t *domain);


ngx_int_t
ngx_canopy_url_parse(ngx_conf_t *cf, ngx_str_t *text, ngx_canopy_url_t *url)
{
    char       *fault;
    ngx_str_t   rest;

    ngx_memzero(url, sizeof(ngx_canopy_url_t));

    rest = *text;

    if (rest.len >= 8
        && ngx_strncasecmp(rest.data, (u_char *) "https://", 8) == 0)
    {
        url->ssl = 1;
        url->default_port = 443;
        rest.data += 8;
        rest.len -= 8;

    } else if (rest.len >= 7
               && ngx_strncasecmp(rest.data, (u_char *) "http://", 7) == 0)
    {
        url->default_port = 80;
        rest.data += 7;
        rest.len -= 7;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid URL: it must begin with \"https://\", or "
                           "with \"http://\" for a loopback address or a unix "
                           "socket");
        return NGX_ERROR;
    }

    /* what stands in the URL may be a password, so it is not repeated */

    fault = ngx_canopy_url_fault(&rest);

    if (fault) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid URL: %s", fault);
        return NGX_ERROR;
    }

    url->url.url = rest;
    url->url.default_port = url->default_port;
    url->url.uri_part = 1;
    url->url.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &url->url) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid URL: %s",
                           url->url.err ? url->url.err : "no memory");
        return NGX_ERROR;
    }

    url->host = url->url.host;

    if (url->host.len > 2 && url->host.data[0] == '[') {
        url->host.data++;
        url->host.len -= 2;
    }

    url->path = url->url.uri;

    while (url->path.len && url->path.data[url->path.len - 1] == '/') {
        url->path.len--;
    }

    if (url->url.family == AF_UNIX) {
        url->local = 1;
        ngx_str_set(&url->host, "localhost");

        if (url->ssl) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid URL: a unix socket is reached by "
                               "\"http://unix:/path\"");
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    if (!ngx_canopy_url_host_valid(&url->host)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid URL: invalid host");
        return NGX_ERROR;
    }

    if (!url->ssl && !ngx_canopy_url_loopback(url)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid URL: it would send the credential in "
                           "clear, use \"https://\"; \"http://\" is for "
                           "loopback addresses and unix sockets");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static char *
ngx_canopy_url_fault(ngx_str_t *rest)
{
    ngx_uint_t  i, path;

    if (rest->len == 0 || rest->data[0] == '/' || rest->data[0] == ':') {
        return "it has no host";
    }

    path = 0;

    for (i = 0; i < rest->len; i++) {

        if (rest->data[i] <= ' ' || rest->data[i] >= 0x7f) {
            return "it has a character that is not allowed there";
        }

        switch (rest->data[i]) {

        case '/':
            path = 1;
            break;

        case '@':
            if (!path) {
                return "it has a user part; the credential of an environment "
                       "comes from a file";
            }

            break;

        case '?':
            return "it has a query; only a path can follow the host";

        case '#':
            return "it has a fragment; only a path can follow the host";

        case '$':
            return "it has a variable; an environment has one server";
        }
    }

    return NULL;
}


ngx_uint_t
ngx_canopy_url_host_valid(ngx_str_t *host)
{
    u_char      ch;
    ngx_uint_t  i;

    if (ngx_canopy_is_address(host)) {
        return 1;
    }

    if (host->len == 0 || host->len > 253) {
        return 0;
    }

    for (i = 0; i < host->len; i++) {
        ch = host->data[i];

        if (!((ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z')
              || (ch >= '0' && ch <= '9')
              || ch == '.' || ch == '-' || ch == '_'))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_canopy_url_loopback(ngx_canopy_url_t *url)
{
    if (url->url.naddrs) {
        return ngx_canopy_is_loopback(url->url.addrs[0].sockaddr);
    }

    return ngx_canopy_is_localhost(&url->host);
}


ngx_uint_t
ngx_canopy_is_loopback(struct sockaddr *sockaddr)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) sockaddr;
        return (ntohl(sin->sin_addr.s_addr) >> 24) == 127;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sockaddr;
        return IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr);
#endif

    default:
        return 0;
    }
}


ngx_uint_t
ngx_canopy_is_localhost(ngx_str_t *host)
{
    static ngx_str_t  localhost = ngx_string("localhost");

    return ngx_canopy_url_within(host, &localhost);
}


ngx_uint_t
ngx_canopy_url_canopy_host(ngx_str_t *host)
{
    static ngx_str_t  live = ngx_string("umbra.space");
    static ngx_str_t  sandbox = ngx_string("umbra-sandbox.space");

    return ngx_canopy_url_within(host, &live)
           || ngx_canopy_url_within(host, &sandbox);
}


/*
 * Is the host the domain, or in it?  A dot at the end makes no difference.
 */

static ngx_uint_t
ngx_canopy_url_within(ngx_str_t *host, ngx_str_t *domain)
{
    size_t   len;
    u_char  *tail;

    len = host->len;

    if (len && host->data[len - 1] == '.') {
        len--;
    }

    if (len < domain->len) {
        return 0;
    }

    tail = host->data + len - domain->len;

    if (ngx_strncasecmp(tail, domain->data, domain->len) != 0) {
        return 0;
    }

    return len == domain->len || tail[-1] == '.';
}
