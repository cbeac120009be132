
/*
 * A file with the name of the environment that is in use now.
 */


#include "ngx_canopy_switch.h"
#include "ngx_canopy_zone.h"


#define NGX_CANOPY_SWITCH_MAX  1024     /* bytes of the file */


struct ngx_canopy_switch_s {
    ngx_canopy_file_t          file;
    ngx_str_t                  path;    /* as configured */
    u_char                    *conf_file;
    ngx_uint_t                 line;
    ngx_canopy_main_conf_t    *conf;
    ngx_canopy_environment_t  *environment;
};


static void ngx_canopy_switch_recall(ngx_canopy_switch_t *sw);
static char *ngx_canopy_switch_take(void *owner, u_char *data, size_t len);


char *
ngx_canopy_switch_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_canopy_main_conf_t *mcf = conf;

    ngx_str_t            *value;
    ngx_canopy_switch_t  *sw;

    if (mcf->switch_file) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "needs the name of a file";
    }

    sw = ngx_pcalloc(cf->pool, sizeof(ngx_canopy_switch_t));
    if (sw == NULL) {
        return NGX_CONF_ERROR;
    }

    sw->file.kind = "switch file";
    sw->file.what = "environment";
    sw->file.max = NGX_CANOPY_SWITCH_MAX;
    sw->file.too_long = "is longer than 1k";
    sw->file.take = ngx_canopy_switch_take;
    sw->file.owner = sw;

    sw->path = value[1];
    sw->conf_file = cf->conf_file->file.name.data;
    sw->line = cf->conf_file->line;
    sw->conf = mcf;

    mcf->switch_file = sw;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_canopy_switch_init(ngx_conf_t *cf, ngx_canopy_main_conf_t *mcf)
{
    ngx_canopy_switch_t  *sw;

    sw = mcf->switch_file;

    if (sw == NULL) {
        return NGX_OK;
    }

    if (ngx_canopy_file_open(cf, &sw->file, &sw->path) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"canopy_switch_file\" needs a file with the name of an "
                      "environment in it, in %s:%ui", sw->conf_file, sw->line);
        return NGX_ERROR;
    }

    mcf->zone->chosen = sw->environment->name;

    return NGX_OK;
}


ngx_canopy_file_t *
ngx_canopy_switch_watched(ngx_canopy_main_conf_t *mcf)
{
    return mcf->switch_file ? &mcf->switch_file->file : NULL;
}


ngx_str_t *
ngx_canopy_switch_name(ngx_canopy_main_conf_t *mcf, ngx_log_t *log)
{
    ngx_canopy_switch_t  *sw;

    sw = mcf->switch_file;

    if (sw == NULL) {
        return NULL;
    }

    ngx_canopy_file_refresh(&sw->file, log, 0);

    if (sw->file.bad) {
        ngx_canopy_switch_recall(sw);
    }

    return &sw->environment->name;
}


/*
 * While the file is not usable the last good word is what any worker has seen:
 * this one may be new, in place of one that crashed, or have slept meanwhile.
 */

static void
ngx_canopy_switch_recall(ngx_canopy_switch_t *sw)
{
    u_char                     buf[CANOPY_STATE_NAME];
    ngx_str_t                  name;
    ngx_canopy_environment_t  *env;

    name.data = buf;
    name.len = ngx_canopy_zone_chosen(sw->conf->zone, buf);

    env = ngx_canopy_conf_find(sw->conf, &name);

    if (env) {
        sw->environment = env;
    }
}


static char *
ngx_canopy_switch_take(void *owner, u_char *data, size_t len)
{
    ngx_canopy_switch_t *sw = owner;

    char                      *fault;
    ngx_str_t                  name;
    ngx_canopy_environment_t  *env;

    fault = ngx_canopy_file_line(&data, &len);
    if (fault) {
        return fault;
    }

    name.data = data;
    name.len = len;

    env = ngx_canopy_conf_find(sw->conf, &name);
    if (env == NULL) {
        return "names no environment";
    }

    if (sw->environment && sw->environment != env) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "switched from environment \"%V\" to \"%V\"",
                      &sw->environment->name, &env->name);
    }

    sw->environment = env;

    ngx_canopy_zone_choose(sw->conf->zone, &env->name);

    return NULL;
}
