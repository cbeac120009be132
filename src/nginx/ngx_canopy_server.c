
/*
 * A server that an environment talks to.
 */


#include "ngx_canopy_server.h"


static ngx_int_t ngx_canopy_server_tls(ngx_conf_t *cf,
    ngx_canopy_server_t *server, X509_STORE **store);
static void ngx_canopy_server_free_session(void *data);


ngx_int_t
ngx_canopy_server_init(ngx_conf_t *cf, ngx_canopy_server_t *server,
    X509_STORE **store)
{
    if (server->url.ssl
        && ngx_canopy_server_tls(cf, server, store) != NGX_OK)
    {
        return NGX_ERROR;
    }

    server->peers = ngx_canopy_peers_create(cf, &server->url.url);

    return server->peers ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_canopy_server_tls(ngx_conf_t *cf, ngx_canopy_server_t *server,
    X509_STORE **store)
{
    ngx_str_t            name;
    ngx_pool_cleanup_t  *cln;

    /* RFC 6066, section 3: without the dot of an absolute name */

    name = server->name;

    if (name.data[name.len - 1] == '.') {
        name.len--;
    }

    server->ssl = ngx_canopy_tls_create(cf, server->tls, &name, store);
    if (server->ssl == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "TLS of environment \"%V\" can't be set up, see "
                           "the message above", server->environment);
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_canopy_server_free_session;
    cln->data = server;

    if (!ngx_canopy_is_address(&name)) {
        server->sni.data = ngx_pnalloc(cf->pool, name.len + 1);
        if (server->sni.data == NULL) {
            return NGX_ERROR;
        }

        (void) ngx_cpystrn(server->sni.data, name.data, name.len + 1);
        server->sni.len = name.len;
    }

    return NGX_OK;
}


/*
 * The worker leaves.
 */

static void
ngx_canopy_server_free_session(void *data)
{
    ngx_canopy_server_t *server = data;

    if (server->session) {
        ngx_ssl_free_session(server->session);
        server->session = NULL;
    }
}


u_char *
ngx_canopy_server_host(u_char *p, ngx_canopy_server_t *server)
{
    in_port_t   port;
    ngx_str_t  *name;

    name = &server->name;
    port = server->url.url.port;

    p = ngx_sprintf(p, ngx_strlchr(name->data, name->data + name->len, ':')
                           ? "[%V]" : "%V",
                    name);

    if (!server->url.local && port != server->url.default_port) {
        p = ngx_sprintf(p, ":%ui", (ngx_uint_t) port);
    }

    return p;
}
