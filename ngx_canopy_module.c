
/*
 * ngx_canopy: a gateway for canceling tasks of Umbra's Canopy.
 *
 * The front door: directives, and where nginx calls the module.
 */


#include "ngx_canopy.h"
#include "ngx_canopy_access.h"
#include "ngx_canopy_client_conf.h"
#include "ngx_canopy_conf.h"
#include "ngx_canopy_count.h"
#include "ngx_canopy_environment_conf.h"
#include "ngx_canopy_filter.h"
#include "ngx_canopy_grant_conf.h"
#include "ngx_canopy_resolver.h"
#include "ngx_canopy_status.h"
#include "ngx_canopy_switch.h"
#include "ngx_canopy_variables.h"
#include "ngx_canopy_verdict.h"


static ngx_int_t ngx_canopy_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_canopy_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_canopy_init_process(ngx_cycle_t *cycle);
static void ngx_canopy_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_canopy_commands[] = {

    { ngx_string("canopy_environment"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_canopy_environment_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("canopy_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_canopy_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("canopy_state_path"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_canopy_environment_file,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_canopy_main_conf_t, state_path),
      NULL },

    { ngx_string("canopy_switch_file"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_canopy_switch_file,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("canopy_pass"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_TAKE1,
      ngx_canopy_pass,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("canopy_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_canopy_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("canopy_client_jwks"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_canopy_client_jwks,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("canopy_client_audience"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_canopy_client_text,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_canopy_loc_conf_t, audience),
      NULL },

    { ngx_string("canopy_client_issuer"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_canopy_client_text,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_canopy_loc_conf_t, issuer),
      NULL },

    { ngx_string("canopy_client_leeway"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_canopy_loc_conf_t, leeway),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_canopy_module_ctx = {
    ngx_canopy_preconfiguration,           /* preconfiguration */
    ngx_canopy_postconfiguration,          /* postconfiguration */

    ngx_canopy_create_main_conf,           /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_canopy_create_loc_conf,            /* create location configuration */
    ngx_canopy_merge_loc_conf              /* merge location configuration */
};


ngx_module_t  ngx_canopy_module = {
    NGX_MODULE_V1,
    &ngx_canopy_module_ctx,                /* module context */
    ngx_canopy_commands,                   /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_canopy_init_process,               /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_canopy_exit_process,               /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* the directives of canopy_environment { } */

static ngx_command_t  ngx_canopy_environment_commands[] = {

    { ngx_string("server"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_canopy_environment_server,
      0,
      0,
      NULL },

    { ngx_string("server_name"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      0,
      offsetof(ngx_canopy_environment_t, api.name),
      NULL },

    { ngx_string("bearer_token_file"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_canopy_environment_token,
      0,
      0,
      NULL },

    { ngx_string("rate_limit"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_1MORE,
      ngx_canopy_rate_limit,
      0,
      offsetof(ngx_canopy_environment_t, rate),
      NULL },

    { ngx_string("require_claim"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_2MORE,
      ngx_canopy_require_claim,
      0,
      0,
      NULL },

    { ngx_string("oauth2_client_id"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_canopy_grant_text,
      0,
      offsetof(ngx_canopy_grant_t, client_id),
      NULL },

    { ngx_string("oauth2_client_secret_file"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_canopy_grant_secret,
      0,
      0,
      NULL },

    { ngx_string("oauth2_token_url"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_canopy_grant_token_url,
      0,
      0,
      NULL },

    { ngx_string("oauth2_audience"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_canopy_grant_text,
      0,
      offsetof(ngx_canopy_grant_t, audience),
      NULL },

    { ngx_string("oauth2_budget"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_canopy_grant_budget,
      0,
      0,
      NULL },

    { ngx_string("closed_file"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_canopy_environment_file,
      0,
      offsetof(ngx_canopy_environment_t, closed_file),
      NULL },

    { ngx_string("keepalive"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      0,
      offsetof(ngx_canopy_environment_t, keepalive_max),
      NULL },

    { ngx_string("keepalive_timeout"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_canopy_environment_t, keepalive_timeout),
      NULL },

    { ngx_string("connect_timeout"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_canopy_environment_t, api.connect_timeout),
      NULL },

    { ngx_string("send_timeout"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_canopy_environment_t, api.send_timeout),
      NULL },

    { ngx_string("read_timeout"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_canopy_environment_t, api.read_timeout),
      NULL },

    { ngx_string("exchange_timeout"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_canopy_environment_t, exchange_timeout),
      NULL },

    { ngx_string("response_limit"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      0,
      offsetof(ngx_canopy_environment_t, api.response_limit),
      NULL },

    { ngx_string("ssl_verify"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      0,
      offsetof(ngx_canopy_environment_t, tls.verify),
      NULL },

    { ngx_string("ssl_verify_depth"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      0,
      offsetof(ngx_canopy_environment_t, tls.verify_depth),
      NULL },

    { ngx_string("ssl_trusted_certificate"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_canopy_environment_file,
      0,
      offsetof(ngx_canopy_environment_t, tls.trusted_certificate),
      NULL },

    { ngx_string("ssl_protocols"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_1MORE,
      ngx_conf_set_bitmask_slot,
      0,
      offsetof(ngx_canopy_environment_t, tls.protocols),
      &ngx_canopy_ssl_protocols },

    { ngx_string("ssl_ciphers"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      0,
      offsetof(ngx_canopy_environment_t, tls.ciphers),
      NULL },

    { ngx_string("ssl_certificate"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_canopy_environment_file,
      0,
      offsetof(ngx_canopy_environment_t, tls.certificate),
      NULL },

    { ngx_string("ssl_certificate_key"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_TAKE1,
      ngx_canopy_environment_file,
      0,
      offsetof(ngx_canopy_environment_t, tls.certificate_key),
      NULL },

    { ngx_string("ssl_session_reuse"),
      NGX_CANOPY_ENVIRONMENT_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      0,
      offsetof(ngx_canopy_environment_t, tls.session_reuse),
      NULL },

      ngx_null_command
};


static void  *ngx_canopy_environment_module_ctx[1];


ngx_module_t  ngx_canopy_environment_module = {
    NGX_MODULE_V1,
    ngx_canopy_environment_module_ctx,     /* module context */
    ngx_canopy_environment_commands,       /* module directives */
    NGX_CANOPY_ENVIRONMENT_MODULE,         /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* nginx asks core modules last whether the configuration is right */

static ngx_core_module_t  ngx_canopy_core_module_ctx = {
    ngx_string("canopy"),
    NULL,                                  /* create configuration */
    ngx_canopy_access_check                /* init configuration */
};


ngx_module_t  ngx_canopy_core_module = {
    NGX_MODULE_V1,
    &ngx_canopy_core_module_ctx,           /* module context */
    NULL,                                  /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_canopy_preconfiguration(ngx_conf_t *cf)
{
    return ngx_canopy_add_variables(cf);
}


static ngx_int_t
ngx_canopy_postconfiguration(ngx_conf_t *cf)
{
    ngx_str_t                   name;
    ngx_http_handler_pt        *handler;
    ngx_canopy_main_conf_t     *mcf;
    ngx_http_core_main_conf_t  *cmcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_canopy_module);

    ngx_str_set(&name, "request_id");

    mcf->request_id = ngx_http_get_variable_index(cf, &name);
    if (mcf->request_id == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (ngx_canopy_resolver(cf) != NGX_OK
        || ngx_canopy_switch_init(cf, mcf) != NGX_OK
        || ngx_canopy_conf_shared(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_canopy_filter_init();

    if (!mcf->used) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    handler = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (handler == NULL) {
        return NGX_ERROR;
    }

    *handler = ngx_canopy_count_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_canopy_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                  i;
    ngx_canopy_main_conf_t     *mcf;
    ngx_canopy_environment_t  **envs;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_canopy_module);

    if (mcf == NULL
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    envs = mcf->environments.elts;

    for (i = 0; i < mcf->environments.nelts; i++) {
        ngx_canopy_peers_init_process(envs[i]->api.peers, cycle);

        if (envs[i]->grant) {
            ngx_canopy_peers_init_process(envs[i]->grant->server.peers, cycle);
            ngx_canopy_grant_init_process(envs[i]->grant, cycle);
        }
    }

    return NGX_OK;
}


static void
ngx_canopy_exit_process(ngx_cycle_t *cycle)
{
    ngx_canopy_verdict_exit_process();
}
