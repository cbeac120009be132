
/*
 * The name servers for the environments.
 */


#include "ngx_canopy_resolver.h"
#include "ngx_canopy_conf.h"


#define NGX_CANOPY_RESOLV_CONF       "/etc/resolv.conf"
#define NGX_CANOPY_RESOLV_CONF_SIZE  4096
#define NGX_CANOPY_NAME_SERVERS      3      /* as many as libc takes */


static ngx_int_t ngx_canopy_resolver_peers(ngx_conf_t *cf,
    ngx_canopy_peers_t *peers, ngx_resolver_t **resolver, ngx_msec_t timeout);
static ngx_uint_t ngx_canopy_resolver_servers(ngx_conf_t *cf,
    ngx_str_t *names);


ngx_int_t
ngx_canopy_resolver(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_msec_t                  timeout;
    ngx_resolver_t             *resolver;
    ngx_canopy_main_conf_t     *mcf;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_canopy_environment_t  **envs;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_canopy_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    resolver = clcf->resolver;
    timeout = (clcf->resolver_timeout == NGX_CONF_UNSET_MSEC)
                  ? 30000 : clcf->resolver_timeout;

    /* nginx has one without servers where none is configured */

    if (resolver && resolver->connections.nelts == 0) {
        resolver = NULL;
    }

    envs = mcf->environments.elts;

    for (i = 0; i < mcf->environments.nelts; i++) {

        if (ngx_canopy_resolver_peers(cf, envs[i]->api.peers, &resolver, timeout)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (envs[i]->grant
            && ngx_canopy_resolver_peers(cf, envs[i]->grant->server.peers,
                                     &resolver, timeout)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_resolver_peers(ngx_conf_t *cf, ngx_canopy_peers_t *peers,
    ngx_resolver_t **resolver, ngx_msec_t timeout)
{
    ngx_str_t   names[NGX_CANOPY_NAME_SERVERS];
    ngx_uint_t  n;

    if (peers->host.len == 0) {
        return NGX_OK;
    }

    if (*resolver == NULL) {
        n = ngx_canopy_resolver_servers(cf, names);

        *resolver = ngx_resolver_create(cf, names, n);
        if (*resolver == NULL) {
            return NGX_ERROR;
        }
    }

    peers->resolver = *resolver;
    peers->resolver_timeout = timeout;

    return NGX_OK;
}


/*
 * The name servers of this machine, in the form of nginx's "resolver".
 */

static ngx_uint_t
ngx_canopy_resolver_servers(ngx_conf_t *cf, ngx_str_t *names)
{
    u_char     *p, *last, *end, *buf;
    ssize_t     size;
    ngx_fd_t    fd;
    ngx_str_t   address;
    ngx_uint_t  n;

    n = 0;

    buf = ngx_pnalloc(cf->temp_pool, NGX_CANOPY_RESOLV_CONF_SIZE);
    if (buf == NULL) {
        return 0;
    }

    fd = ngx_open_file((u_char *) NGX_CANOPY_RESOLV_CONF, NGX_FILE_RDONLY,
                       NGX_FILE_OPEN, 0);

    size = 0;

    if (fd != NGX_INVALID_FILE) {
        size = ngx_read_fd(fd, buf, NGX_CANOPY_RESOLV_CONF_SIZE);
        (void) ngx_close_file(fd);
    }

    p = buf;
    last = buf + ngx_max(size, 0);

    for ( /* void */ ; p < last && n < NGX_CANOPY_NAME_SERVERS; p = end + 1) {

        end = ngx_strlchr(p, last, LF);
        if (end == NULL) {
            end = last;
        }

        if (end - p < 11 || ngx_strncmp(p, "nameserver", 10) != 0
            || (p[10] != ' ' && p[10] != '\t'))
        {
            continue;
        }

        for (p += 10; p < end && (*p == ' ' || *p == '\t'); p++) { /* void */ }

        address.data = p;

        while (p < end && *p != ' ' && *p != '\t' && *p != CR && *p != '#') {
            p++;
        }

        address.len = p - address.data;

        /* an address with a zone, fe80::1%eth0, is nothing nginx can use */

        if (!ngx_canopy_is_address(&address)) {
            continue;
        }

        names[n].data = ngx_pnalloc(cf->temp_pool, address.len + 2);
        if (names[n].data == NULL) {
            return n;
        }

        names[n].len = ngx_sprintf(names[n].data,
                                   ngx_strlchr(address.data, p, ':')
                                       ? "[%V]" : "%V",
                                   &address)
                       - names[n].data;
        n++;
    }

    if (n == 0) {

        /* resolv.conf(5) */

        ngx_str_set(&names[0], "127.0.0.1");
        n = 1;
    }

    return n;
}
