
/*
 * Idle connections of one environment, in one worker.
 */


#include "ngx_canopy_keepalive.h"


typedef struct {
    ngx_queue_t              queue;
    ngx_canopy_keepalive_t  *keepalive;
    ngx_connection_t        *connection;
    ngx_uint_t               generation;
    ngx_canopy_address_t     address;
} ngx_canopy_idle_t;


static void ngx_canopy_keepalive_reusable(ngx_connection_t *c,
    ngx_uint_t reusable);
static ngx_uint_t ngx_canopy_keepalive_quiet(ngx_connection_t *c);
static void ngx_canopy_keepalive_close(ngx_canopy_idle_t *item);
static void ngx_canopy_keepalive_read_handler(ngx_event_t *rev);
static void ngx_canopy_keepalive_dummy_handler(ngx_event_t *wev);


ngx_canopy_keepalive_t *
ngx_canopy_keepalive_create(ngx_conf_t *cf, ngx_uint_t max, ngx_msec_t timeout)
{
    ngx_uint_t               i;
    ngx_canopy_idle_t       *items;
    ngx_canopy_keepalive_t  *keepalive;

    keepalive = ngx_palloc(cf->pool, sizeof(ngx_canopy_keepalive_t));
    if (keepalive == NULL) {
        return NULL;
    }

    items = ngx_pcalloc(cf->pool, max * sizeof(ngx_canopy_idle_t));
    if (items == NULL) {
        return NULL;
    }

    ngx_queue_init(&keepalive->idle);
    ngx_queue_init(&keepalive->free);
    keepalive->timeout = timeout;

    for (i = 0; i < max; i++) {
        items[i].keepalive = keepalive;
        ngx_queue_insert_head(&keepalive->free, &items[i].queue);
    }

    return keepalive;
}


ngx_connection_t *
ngx_canopy_keepalive_get(ngx_canopy_keepalive_t *keepalive,
    ngx_canopy_address_t *address)
{
    ngx_queue_t        *q;
    ngx_connection_t   *c;
    ngx_canopy_idle_t  *item;

    while (!ngx_queue_empty(&keepalive->idle)) {
        q = ngx_queue_head(&keepalive->idle);
        item = ngx_queue_data(q, ngx_canopy_idle_t, queue);
        c = item->connection;

        /*
         * What came unasked for, and after the event loop last looked, would
         * be taken for the answer to the request that is about to be sent.
         */

        if (!ngx_canopy_keepalive_quiet(c)) {
            ngx_canopy_keepalive_close(item);
            continue;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_head(&keepalive->free, q);

        *address = item->address;
        address->name.data = address->text;

        if (c->read->timer_set) {
            ngx_del_timer(c->read);
        }

        c->idle = 0;
        ngx_canopy_keepalive_reusable(c, 0);

        return c;
    }

    return NULL;
}


void
ngx_canopy_keepalive_put(ngx_canopy_keepalive_t *keepalive,
    ngx_connection_t *c, ngx_canopy_address_t *address, ngx_uint_t generation)
{
    ngx_queue_t        *q;
    ngx_canopy_idle_t  *item;

    if (c->read->eof || c->read->error || c->read->timedout
        || c->write->error || c->write->timedout
        || ngx_terminate || ngx_exiting
        || ngx_handle_read_event(c->read, 0) != NGX_OK)
    {
        ngx_canopy_close_connection(c);
        return;
    }

    if (ngx_queue_empty(&keepalive->free)) {
        q = ngx_queue_last(&keepalive->idle);
        ngx_canopy_keepalive_close(ngx_queue_data(q, ngx_canopy_idle_t,
                                                  queue));
    }

    q = ngx_queue_head(&keepalive->free);
    item = ngx_queue_data(q, ngx_canopy_idle_t, queue);

    ngx_queue_remove(q);
    ngx_queue_insert_head(&keepalive->idle, q);

    item->connection = c;
    item->generation = generation;
    item->address = *address;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    ngx_add_timer(c->read, keepalive->timeout);

    c->write->handler = ngx_canopy_keepalive_dummy_handler;
    c->read->handler = ngx_canopy_keepalive_read_handler;

    c->data = item;
    c->idle = 1;
    c->log = ngx_cycle->log;
    c->read->log = ngx_cycle->log;
    c->write->log = ngx_cycle->log;

    if (c->pool) {
        c->pool->log = ngx_cycle->log;
    }

    ngx_canopy_keepalive_reusable(c, 1);

    if (c->read->ready) {
        ngx_canopy_keepalive_read_handler(c->read);
    }
}


void
ngx_canopy_keepalive_purge(ngx_canopy_keepalive_t *keepalive,
    ngx_uint_t generation)
{
    ngx_queue_t        *q, *next;
    ngx_canopy_idle_t  *item;

    for (q = ngx_queue_head(&keepalive->idle);
         q != ngx_queue_sentinel(&keepalive->idle);
         q = next)
    {
        next = ngx_queue_next(q);
        item = ngx_queue_data(q, ngx_canopy_idle_t, queue);

        if (item->generation != generation) {
            ngx_canopy_keepalive_close(item);
        }
    }
}


/*
 * A reusable connection is closed by nginx, through its read handler, when the
 * worker needs its place for another one.
 */

static void
ngx_canopy_keepalive_reusable(ngx_connection_t *c, ngx_uint_t reusable)
{
    ngx_reusable_connection(c, reusable);

#if (NGX_STAT_STUB)

    /* nginx has counted it as a client that waits */

    (void) ngx_atomic_fetch_add(ngx_stat_waiting, reusable ? -1 : 1);

#endif
}


/*
 * Nothing waits in the socket, and nothing in OpenSSL, which nginx has told to
 * read ahead.
 */

static ngx_uint_t
ngx_canopy_keepalive_quiet(ngx_connection_t *c)
{
    char     byte;
    ssize_t  n;

    if (c->ssl && SSL_has_pending(c->ssl->connection)) {
        return 0;
    }

    n = recv(c->fd, &byte, 1, MSG_PEEK);

    return n == -1 && ngx_socket_errno == NGX_EAGAIN;
}


static void
ngx_canopy_keepalive_close(ngx_canopy_idle_t *item)
{
    ngx_queue_remove(&item->queue);
    ngx_queue_insert_head(&item->keepalive->free, &item->queue);

    ngx_canopy_keepalive_reusable(item->connection, 0);
    ngx_canopy_close_connection(item->connection);
}


static void
ngx_canopy_keepalive_read_handler(ngx_event_t *rev)
{
    ngx_connection_t  *c;

    c = rev->data;

    if (c->close || rev->timedout || !ngx_canopy_keepalive_quiet(c)) {
        ngx_canopy_keepalive_close(c->data);
        return;
    }

    rev->ready = 0;

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_canopy_keepalive_close(c->data);
    }
}


static void
ngx_canopy_keepalive_dummy_handler(ngx_event_t *wev)
{
    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, wev->log, 0,
                   "canopy keepalive dummy handler");
}


void
ngx_canopy_close_connection(ngx_connection_t *c)
{
    ngx_pool_t  *pool;

    if (c->ssl) {

        /* the peer is told, but nobody waits for its answer */

        c->ssl->no_wait_shutdown = 1;

        if (ngx_ssl_shutdown(c) == NGX_AGAIN) {
            c->ssl->no_send_shutdown = 1;
            (void) ngx_ssl_shutdown(c);
        }
    }

    pool = c->pool;

    ngx_close_connection(c);

    if (pool) {
        ngx_destroy_pool(pool);
    }
}
