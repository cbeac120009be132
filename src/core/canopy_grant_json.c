#include <openssl/crypto.h>

#include "canopy_grant_json.h"
#include "canopy_jansson.h"
#include "canopy_json.h"


#define LOAD_FLAGS                                                            \
    (JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL|JSON_DECODE_INT_AS_REAL)


int
canopy_grant_load(canopy_slice_t text, json_t **root, const char **fault)
{
    json_error_t  error;

    *root = NULL;

    if (canopy_jansson_load(text, LOAD_FLAGS, root, &error) != 0) {
        return -1;
    }

    if (*root == NULL) {
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

    return 0;
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
