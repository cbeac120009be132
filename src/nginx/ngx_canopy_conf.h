
/*
 * The configuration: environments, and what a location does with them.
 */


#ifndef _NGX_CANOPY_CONF_H_INCLUDED_
#define _NGX_CANOPY_CONF_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_environment.h"
#include "ngx_canopy_keys.h"


typedef struct ngx_canopy_switch_s  ngx_canopy_switch_t;


typedef struct {
    ngx_array_t                environments;    /* of pointers */
    ngx_array_t                keys;            /* of pointers */
    ngx_canopy_zone_t         *zone;
    X509_STORE                *store;           /* the system's CAs */
    ngx_flag_t                 used;            /* there is a canopy_pass or
                                                   canopy_status */
    ngx_canopy_switch_t       *switch_file;     /* NULL: there is none */
    size_t                     zone_size;
    ngx_str_t                  state_path;
    ngx_int_t                  request_id;      /* the variable's index */
} ngx_canopy_main_conf_t;


typedef enum {
    NGX_CANOPY_STATUS_NONE = 0,
    NGX_CANOPY_STATUS_JSON,                     /* or a page for a browser */
    NGX_CANOPY_STATUS_PROMETHEUS,
    NGX_CANOPY_STATUS_READY
} ngx_canopy_status_e;


typedef struct {
    ngx_flag_t                 gateway;         /* there is a canopy_pass */
    ngx_canopy_status_e        status;          /* of a canopy_status */

    ngx_str_t                  pass;            /* as written */
    ngx_http_complex_value_t  *value;           /* with variables, or NULL */
    ngx_canopy_environment_t  *environment;     /* without */
    u_char                    *file;
    ngx_uint_t                 line;

    ngx_str_t                  prefix;          /* no slash at its end */
    unsigned                   no_prefix:1;     /* whatever stands before the
                                                   last "/tasks/" */

    ngx_canopy_keys_t         *keys;            /* NULL: off */
    ngx_str_t                  audience;
    ngx_str_t                  issuer;          /* empty: any */
    ngx_flag_t                 any_audience;
    ngx_flag_t                 keys_set;        /* "off" is one, too */
    time_t                     leeway;          /* seconds */
    u_char                     digest[NGX_CANOPY_KEYS_DIGEST];
                                                /* of the four above */
    ngx_canopy_zone_t         *zone;

    ngx_array_t               *error_pages;     /* nginx's, of this level */
    ngx_array_t               *outer_error_pages;
} ngx_canopy_loc_conf_t;


void *ngx_canopy_create_main_conf(ngx_conf_t *cf);
void *ngx_canopy_create_loc_conf(ngx_conf_t *cf);
char *ngx_canopy_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);

/*
 * Directive canopy_pass.
 */
char *ngx_canopy_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Directive canopy_zone; conf is the main configuration.
 */
char *ngx_canopy_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Shared memory and state directory, once all of http {} is read.
 */
ngx_int_t ngx_canopy_conf_shared(ngx_conf_t *cf);

/*
 * The environment of that name, or NULL.
 */
ngx_canopy_environment_t *ngx_canopy_conf_find(ngx_canopy_main_conf_t *mcf,
    ngx_str_t *name);


#endif /* _NGX_CANOPY_CONF_H_INCLUDED_ */
