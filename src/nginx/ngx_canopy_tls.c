
/*
 * TLS towards the upstream.
 */


#include "ngx_canopy_tls.h"

#include <openssl/x509v3.h>


static ngx_int_t ngx_canopy_tls_trust(ngx_conf_t *cf, ngx_ssl_t *ssl,
    ngx_canopy_tls_conf_t *conf, X509_STORE **store);
static X509_STORE *ngx_canopy_tls_system_store(ngx_conf_t *cf);
static void ngx_canopy_tls_free_store(void *data);
static ngx_int_t ngx_canopy_tls_name(ngx_conf_t *cf, ngx_ssl_t *ssl,
    ngx_str_t *name);


/* one file each: a directory would be read within a handshake */

static const char  *ngx_canopy_tls_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    NULL
};


ngx_ssl_t *
ngx_canopy_tls_create(ngx_conf_t *cf, ngx_canopy_tls_conf_t *conf,
    ngx_str_t *name, X509_STORE **store)
{
    ngx_ssl_t           *ssl;
    ngx_pool_cleanup_t  *cln;

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (ssl == NULL) {
        return NULL;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, conf->protocols, NULL) != NGX_OK) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(ssl);
        return NULL;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (ngx_ssl_ciphers(cf, ssl, &conf->ciphers, 0) != NGX_OK) {
        return NULL;
    }

    if (conf->certificate.len
        && ngx_ssl_certificate(cf, ssl, &conf->certificate,
                               &conf->certificate_key, NULL)
           != NGX_OK)
    {
        return NULL;
    }

    if (conf->verify) {
        if (ngx_canopy_tls_trust(cf, ssl, conf, store) != NGX_OK
            || ngx_canopy_tls_name(cf, ssl, name) != NGX_OK)
        {
            return NULL;
        }
    }

#ifdef SSL_OP_CLEANSE_PLAINTEXT

    /* what the upstream says again of what it was told is not to stay */

    SSL_CTX_set_options(ssl->ctx, SSL_OP_CLEANSE_PLAINTEXT);

#endif

    if (ngx_ssl_client_session_cache(cf, ssl, conf->session_reuse) != NGX_OK) {
        return NULL;
    }

    return ssl;
}


static ngx_int_t
ngx_canopy_tls_trust(ngx_conf_t *cf, ngx_ssl_t *ssl,
    ngx_canopy_tls_conf_t *conf, X509_STORE **store)
{
    SSL_CTX_set_verify_depth(ssl->ctx, (int) conf->verify_depth);

    if (conf->trusted_certificate.len == 0) {

        if (*store == NULL) {
            *store = ngx_canopy_tls_system_store(cf);
            if (*store == NULL) {
                return NGX_ERROR;
            }
        }

        SSL_CTX_set1_cert_store(ssl->ctx, *store);

        return NGX_OK;
    }

    if (ngx_conf_full_name(cf->cycle, &conf->trusted_certificate, 1)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (SSL_CTX_load_verify_locations(ssl->ctx,
                            (char *) conf->trusted_certificate.data, NULL)
        == 0)
    {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "SSL_CTX_load_verify_locations(\"%V\") failed",
                      &conf->trusted_certificate);
        return NGX_ERROR;
    }

    /* success may leave errors in the queue */

    ERR_clear_error();

    return NGX_OK;
}


/*
 * Loading a bundle takes some 30 ms, so it is done once for all environments.
 */

static X509_STORE *
ngx_canopy_tls_system_store(ngx_conf_t *cf)
{
    const char          *file, **bundle;
    X509_STORE          *store;
    ngx_pool_cleanup_t  *cln;

    file = getenv(X509_get_default_cert_file_env());

    if (file == NULL) {
        for (bundle = ngx_canopy_tls_bundles; *bundle; bundle++) {
            if (access(*bundle, R_OK) == 0) {
                file = *bundle;
                break;
            }
        }
    }

    if (file == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no bundle of the system's CA certificates was "
                           "found; install \"ca-certificates\" or name one "
                           "with \"ssl_trusted_certificate\"");
        return NULL;
    }

    store = X509_STORE_new();
    if (store == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        X509_STORE_free(store);
        return NULL;
    }

    cln->handler = ngx_canopy_tls_free_store;
    cln->data = store;

    if (X509_STORE_load_locations(store, file, NULL) == 0) {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "X509_STORE_load_locations(\"%s\") failed", file);
        return NULL;
    }

    ERR_clear_error();

    return store;
}


static void
ngx_canopy_tls_free_store(void *data)
{
    X509_STORE_free(data);
}


/*
 * The name is a property of the context, so no connection can be made with it
 * that is verified for somebody else.
 */

static ngx_int_t
ngx_canopy_tls_name(ngx_conf_t *cf, ngx_ssl_t *ssl, ngx_str_t *name)
{
    int                 ok;
    u_char             *text;
    X509_VERIFY_PARAM  *param;

    text = ngx_pnalloc(cf->pool, name->len + 1);
    if (text == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(text, name->data, name->len + 1);

    param = SSL_CTX_get0_param(ssl->ctx);

    if (ngx_canopy_is_address(name)) {
        ok = X509_VERIFY_PARAM_set1_ip_asc(param, (char *) text);

    } else {
        X509_VERIFY_PARAM_set_hostflags(param,
                                        X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ok = X509_VERIFY_PARAM_set1_host(param, (char *) text, name->len);
    }

    if (!ok) {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "could not set the name \"%V\" to be verified", name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


const char *
ngx_canopy_tls_verify(ngx_connection_t *c)
{
    long   rc;
    X509  *cert;

    /*
     * Like nginx itself: OpenSSL records what it found, and the handshake
     * goes on, but nothing is sent on such a connection.
     */

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                       "canopy upstream SSL verify result: %l", rc);

        return X509_verify_cert_error_string(rc);
    }

    cert = SSL_get_peer_certificate(c->ssl->connection);

    if (cert == NULL) {
        return "no certificate";
    }

    X509_free(cert);

    return NULL;
}


ngx_uint_t
ngx_canopy_is_address(ngx_str_t *name)
{
    u_char  buf[16];

    if (ngx_inet_addr(name->data, name->len) != INADDR_NONE) {
        return 1;
    }

#if (NGX_HAVE_INET6)
    if (ngx_inet6_addr(name->data, name->len, buf) == NGX_OK) {
        return 1;
    }
#endif

    return 0;
}
