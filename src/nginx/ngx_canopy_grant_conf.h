
/*
 * The oauth2_* directives of canopy_environment { }.
 */


#ifndef _NGX_CANOPY_GRANT_CONF_H_INCLUDED_
#define _NGX_CANOPY_GRANT_CONF_H_INCLUDED_


#include "ngx_canopy.h"
#include "ngx_canopy_environment.h"


/*
 * Directives oauth2_client_id and oauth2_audience; conf is the environment,
 * cmd->offset that of the text in the grant.
 */
char *ngx_canopy_grant_text(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Directives oauth2_client_secret_file, oauth2_token_url, oauth2_budget; conf is
 * the environment.
 */
char *ngx_canopy_grant_secret(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_canopy_grant_token_url(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_canopy_grant_budget(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * At the end of the block; the rest of the environment is complete.
 *
 * In:      store, see ngx_canopy_tls_create().
 * Returns  NGX_OK; NGX_ERROR after an error message.
 */
ngx_int_t ngx_canopy_grant_init(ngx_conf_t *cf, ngx_canopy_environment_t *env,
    X509_STORE **store);

/*
 * Once all of http {} is read: do environments of one client agree, and where
 * is the state kept?
 *
 * In:      path, of the directory; "off", or empty for the default one.
 * Returns  NGX_OK; NGX_ERROR after an error message.
 */
ngx_int_t ngx_canopy_grant_finish(ngx_conf_t *cf, ngx_array_t *environments,
    ngx_str_t *path);


#endif /* _NGX_CANOPY_GRANT_CONF_H_INCLUDED_ */
