#include <openssl/crypto.h>

#include "canopy_grant_json.h"
#include "canopy_json.h"


#define LOAD_FLAGS                                                            \
    (JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL|JSON_DECODE_INT_AS_REAL)


int
canopy_grant_load(canopy_slice_t text, json_t **root, const char **fault)
{
    int           rc;
    json_error_t  error;

    rc = 0;

    *root = json_loadb((const char *) text.data, text.len, LOAD_FLAGS, &error);

    if (*root == NULL) {

        /* jansson has no words for a lack of memory */
        rc = error.text[0] == '\0' ? -1 : 0;

        *fault = json_error_code(&error) == json_error_numeric_overflow
                 ? "sent a number out of range"
                 : "sent a response that is not a JSON object";

        /* it quotes the text */
        OPENSSL_cleanse(&error, sizeof(json_error_t));

    } else if (!json_is_object(*root)) {
        *fault = "sent a response that is not a JSON object";
        json_decref(*root);
        *root = NULL;
    }

    return rc;
}


int
canopy_grant_number(json_t *value, double *result)
{
    if (json_is_number(value)) {
        *result = json_number_value(value);
        return 0;
    }

    return canopy_json_number(canopy_slice_trim(canopy_grant_string(value)),
                              result);
}


canopy_slice_t
canopy_grant_string(json_t *value)
{
    canopy_slice_t  text;

    text.data = (const uint8_t *) json_string_value(value);
    text.len = json_string_length(value);

    return text;
}
