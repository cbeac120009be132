/*
 * A set of keys, and a token of each algorithm by them, made with Perl's
 * Crypt::JWT.  The private keys are gone, but for the oct's.
 */

#ifndef TOKENS_H
#define TOKENS_H


#define TOKENS_SECRET                                                         \
    "the secret of the fuzz targets, which is sixty-four bytes long.."


static const char  tokens_set[] =
    "{\"keys\":[{\"e\":\"AQAB\",\"kid\":\"RSA\",\"kty\":\"RSA\",\"n\":\"t3R"
    "_syMxA2-37fLLdak-Frz3JCrB2rlMB4AKAMVYOaVKE296OqHpeEHiKIw6BYnfArBMgbqNa"
    "LTAgoQOsLRPR2kzC22ot_myL2emIAbMuFdhagn84fx8q8oDfsPfx9Lo98x_IzcySBOJNyM"
    "pK-YJqSPjD0H1w7KlUOo-g8o0XjJ3WcQVoNFQTMvKYqIfj6nHY5XfjjVZxi0UWVPfCKn8N"
    "rgnVGKK50dgwtpjQZcFXurRjoPUbds5hHZ7nidmcXGkMtHpOoaYrgsrDFgjXm6xZXrw0iU"
    "6IRcRyzGVikwpK4WS9GLPb3qtzFVUt4OWWdmzfqpSxfm9990Da8d8TurO-Q\"},{\"crv"
    "\":\"P-256\",\"kid\":\"P-256\",\"kty\":\"EC\",\"x\":\"cb8osvC5NToldwHh"
    "_JYUz5Sl0abYGw4VeXCOptkTEWM\",\"y\":\"A2sGXQvHrauLO3IIPuZyKwMp66X5j2vS"
    "_ht3TvJQPF8\"},{\"crv\":\"P-384\",\"kid\":\"P-384\",\"kty\":\"EC\",\"x"
    "\":\"cTnP0bARcifs9i8DUzg82n0nvohfamND4mhnVAAIcMXeYXoNTjwDps0nVo-_6jBH"
    "\",\"y\":\"5CyzhGS5WyncwI3TrfU1Vrt1fJnmZm2dKx6J7nSJOX9aXVH2OHxaKKIHX_O"
    "J-s5b\"},{\"crv\":\"P-521\",\"kid\":\"P-521\",\"kty\":\"EC\",\"x\":\"A"
    "ArqZscI811ixx1qxrtE1KDGijdYvunPtzu-c92TIrnN6s7c823RhiQHxt6-qn2Gvn4Mfza"
    "Hh99erB74GZn0lMQ1\",\"y\":\"AK3nekC_n2XngYGopX4ivx7nTtZGp9PC1a5lp3r5NI"
    "v_OY-LNMU-a2KDj8N0w1Jwjhyg8tGmIL3qzRndxHnkl5YL\"},{\"crv\":\"Ed25519\""
    ",\"kid\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"SRLAwP1J-kjBKVEVJKSdavpjj"
    "7Q-PCRdZ3qMSDWG34A\"},{\"k\":\"dGhlIHNlY3JldCBvZiB0aGUgZnV6eiB0YXJnZXR"
    "zLCB3aGljaCBpcyBzaXh0eS1mb3VyIGJ5dGVzIGxvbmcuLg\",\"kid\":\"oct\",\"kt"
    "y\":\"oct\"}]}";


static const char *const  tokens[] = {

    /* RS256 */
    "eyJraWQiOiJSU0EiLCJhbGciOiJSUzI1NiJ9.eyJleHAiOjE3NjAwMDAwMDB9.EZI79X_W"
    "_MdsoX97KJP9kF-r8Bgx5FBGNwxWbijg9izcEqcMEGZS3T3aswqaCX1bRXWG2YfUe0R_2h"
    "zpAESa3FNu4_ergMkbK08BzKemaaLmZqmJ3c5lZoz1SuNMxlsj6XFdK0gjPzWm1xscY3Xz"
    "itMAzD-OElOks8H5dGlwAEvGvPy_EmWG9z65DWzfucENA4Sw0qgfgjxUSzzPjCuupdNkM1"
    "NicgLgjR1jDZI8gJiG9xJp6JPWr5HTyBgzzfKN4XSIp2j5rugI0wzQfLdh0kaX9qvBChlk"
    "lwizshWVLmR2rA3Aj2L9rtKg0pnXaE8P5x3yrgbvmQ3khvJKksxUGA",

    /* RS384 */
    "eyJhbGciOiJSUzM4NCJ9.eyJleHAiOjE3NjAwMDAwMDB9.WMmo2lKKdSFEB2ScylDLMJgs"
    "H_NZso1DKVgpmFDx4qa5gpSgMM7Lgh6bY3R4Xe0j83wmRowMXZVTV2ZrAsuLI09X2EZe7D"
    "XVKxcg3pF1AlDXCFAZJX5n1GwnfbTc6Mc-7fQyOx3MUpE-6WDrl0uUnfDahn3piYkIuvpt"
    "Svy8EFLcNL0tmaADcZLLsm1P7rB2FPHJx2TtdB8BCgKD8BgWg-iWEWfN0cVqrlIfMp3lMt"
    "SA0VWpDxfSdx11ehETV-FyhE8rNHzGECQu81Yb2Hte0L7j0HVopASpjEiTCZKHThuYL88K"
    "BSgQFd2QIF8oPPZg9vM0XNhFdHME2-hqSWD1BA",

    /* RS512 */
    "eyJhbGciOiJSUzUxMiJ9.eyJleHAiOjE3NjAwMDAwMDB9.iy1jpopYGe9qbmYoIvuUarpz"
    "m9chpf5y-6Yt5G3z0KHpjh4_vqfUPgs5cF8TS2Pbo78d4Qw8uNlUf-DpPMm_Wb5Lmxd-tL"
    "5xDKSUlbUPnALfmqbWjTwPqIzULDtuHuHtCGNFuZjE_bTfsrk60VL2KWde0c5qcVg10Ipl"
    "rrZU2NnGfG5hW_OJtyZ4Bn2v0cshGqiHlXd5Por9mWn9kbm3ccruK1rA3yu8D7zcu3uoiG"
    "KgIbOTDMI2uBY6DAEPW72UwTMOmydiWgffV0tNFnLlah-QweOXjDTvaEPSmEE69wVmV98K"
    "v0CNshMeGv83xZk_Fxj8P5GEMysaBAQQcTajtg",

    /* PS256 */
    "eyJhbGciOiJQUzI1NiJ9.eyJleHAiOjE3NjAwMDAwMDB9.mbs_Q0k8CmD0jYADG6RJQWWY"
    "-enZRGkRjEWsuOhx_UscMiRN2zgWuU1VOr-AzCuRxsGubnhd9TNpxkILw1VEci8GC9Nc9F"
    "W2u8TTHdN0hrLJv5Gafb5olv6ZMvYvfsmEU3ZkyIO9_hsoyiepfC-6oEFaRi7SrsVFzWBU"
    "T89RkKZR3F3isc6npVPpPH2MKY9qHdpIQJbHNxfFIIIrnFDjNucVCOioeiuhXBaItADl8X"
    "1q8avoK3HRi6tl90Hf5qeN30ZME4StUkzy3C6-s5sdLlQJQ_2TT8BHuQg-_tmgsPgl5mP_"
    "2V-QUpptsDzZ2Q_FM1MOyRXc-CmmD5R4OoUcYw",

    /* PS384 */
    "eyJhbGciOiJQUzM4NCJ9.eyJleHAiOjE3NjAwMDAwMDB9.PTFJEx9E-jZ1PljJsRNkTAGY"
    "nXeSb1aUozrEH7rpNBaFPKPuG6yGdUMG8CNjMjSabNO6djfBN7mQZSgbrJWnypWcGVqVKz"
    "p_7GOmpZ58upxEMTs9Ak-IJhS4ZIgYwZKPkQySfF9L_Xqvm9URFBwFqNQ_29T_AO0dz2tF"
    "VxMTWQhb6QSIB31NA60jfypfYTG_ObeFOaCzY6VgoBJm1gB55T2-Uq0ihl8SOMuXJasLKu"
    "HUP5lQCW2v3yg0_lT61STpsb-Mr_T77ijS-y5S6t52KLPO17Tw1KDQlhpDeBKVKKKUSaJ9"
    "-ZaIjdwLTsXDQ4E6aPIA2YDhQYr4nEOjVq5Pjw",

    /* PS512 */
    "eyJhbGciOiJQUzUxMiJ9.eyJleHAiOjE3NjAwMDAwMDB9.qAXcF8M-fyYHAB5nHNqeGg_w"
    "Zks243sxMbzFA8ExOr7LOEw5ve-ivZbZxDWGURn4yaeub3yt6smZxP-67NhIKC_g64wQMW"
    "W4SrONjzhJfgDD36xe_lS3nLCCG-8WhIzb6RCFGvPs6QzJpVot4VcX_R6KKbEHgK4N48Q6"
    "A67sU8QVsAmGPV0pgLv4oOOwhzgnCay5XbbX2lOeWK4ABJmFlTsV2P_za8nAeIZxGRvrFp"
    "vR4B5_nFluB_thNAhI4Z3in-LQXqkr4Hj-e71UNA4-s-RXm235BTK3Te_dhDSb2W0nvRaP"
    "EzSRsLXAfs9OjPRB3Dy0vxK6pIzzNAW1OPdsMQ",

    /* ES256 */
    "eyJhbGciOiJFUzI1NiIsImtpZCI6IlAtMjU2In0.eyJleHAiOjE3NjAwMDAwMDB9.vMfeZ"
    "uNaO_0Fhkv5rBXzPJSfWHxrS5duzH6XjwKcRDG6rAs4rP6UIxR7Y7a_0wqjUKYcR04Ps7v"
    "MmjCjuRwkHw",

    /* ES384 */
    "eyJhbGciOiJFUzM4NCJ9.eyJleHAiOjE3NjAwMDAwMDB9.GKrZjCcIKGPlKJ8-ADioaO1q"
    "9r7AmYAYCfBRm77SkP_elL76h43RA4MmR2t_1OzZpLEo4l8jqkC-jWX9C2vkHzZnkbl9Su"
    "R4G0JnhWM3ZE2-ryNnOWxea1lG9K7dT7hq",

    /* ES512 */
    "eyJhbGciOiJFUzUxMiJ9.eyJleHAiOjE3NjAwMDAwMDB9.AZ7BJvJZuspDCJQHI4jYB5sW"
    "T98UNseWlU-xVsYOPNjmDRYZhlSQGZ80YYrFrjWPZ1bc9sXVhgNpEwOtncc8JpqFASAeLv"
    "OihKc4k6iSrG6Q3WwyUYcZD4CKX1_IocCDDP0bHlq824DVupIPqjRpRbLaeCaErtCXw_On"
    "jAU5PyKPnjw-",

    /* EdDSA */
    "eyJraWQiOiJFZDI1NTE5IiwiYWxnIjoiRWREU0EifQ.eyJleHAiOjE3NjAwMDAwMDB9.2Q"
    "kJf72J0zWiFofXIudsh-F5k9MYaWAtSNLT3a3C3AOQ5k7oZVGB1DVj07eAbt82suiXd21f"
    "hlu2Reqk3lmJCg",

    /* HS256 */
    "eyJraWQiOiJvY3QiLCJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3NjAwMDAwMDB9.cMo6-WLE"
    "ba7YLibPiNEcVEQeIPLMqa2RvGMBQCmHCWk",

    /* HS384 */
    "eyJhbGciOiJIUzM4NCJ9.eyJleHAiOjE3NjAwMDAwMDB9.m6rf-3iPVuxIuqdfyaQ5zMlj"
    "eAb1HimFCLGkj1GuFzWvjPIE18MvM4mvtnwb5qHA",

    /* HS512 */
    "eyJhbGciOiJIUzUxMiJ9.eyJleHAiOjE3NjAwMDAwMDB9.uCL8vgyyYROI6TzgWiEWkGaJ"
    "SiSkrAJQFhYbYSsF_xHLdrh17sJAUNH5YGMs4UqxZbp-DpKc_J1q1sybEXrMoQ"
};


#endif /* TOKENS_H */
