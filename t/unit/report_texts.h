/*
 * What t/unit/report.c's full report says, word for word.
 */

#ifndef REPORT_TEXTS_H
#define REPORT_TEXTS_H


#define TEN     "0,0,0,0,0,0,0,0,0,0"
#define FIFTY   TEN "," TEN "," TEN "," TEN "," TEN
#define NINE    "0,0,0,0,0,0,0,0,0"
#define NONE    "[" FIFTY "," TEN "]"
#define NO_OUTCOMES                                                           \
    "\"outcomes\":{\"accepted\":0,\"rejected\":0,\"denied\":0,"               \
    "\"not-sent\":0,\"unknown\":0},\"answers\":{}"

static const char  full_json[] =
    "{\"version\":\"0.1.0\",\"now\":1795608000.123,\"since\":1795600000,"
    "\"switch\":\"sandbox\",\"environments\":{\"live\":{\"ready\":true,"
    "\"closed\":false,"
    "\"outcomes\":{\"accepted\":2,\"rejected\":0,\"denied\":0,\"not-sent\":1,"
    "\"unknown\":0},\"answers\":{\"204\":2,\"other\":1},\"repeats\":1,"
    "\"latency\":{\"count\":2,\"sum\":60.013,\"buckets\":{\"0.005\":0,"
    "\"0.01\":0,\"0.025\":1,\"0.05\":1,\"0.1\":1,\"0.25\":1,\"0.5\":1,\"1\":1,"
    "\"2.5\":1,\"5\":1,\"10\":1,\"30\":1,\"60\":1,\"+Inf\":2}},"
    "\"history\":{\"step\":60,\"end\":1795608060,"
    "\"accepted\":[1," FIFTY "," NINE "],\"rejected\":" NONE ","
    "\"denied\":" NONE ",\"not-sent\":[" FIFTY "," NINE ",1],"
    "\"unknown\":" NONE "},"
    "\"credential\":{\"kind\":\"oauth2\",\"usable\":true,\"refused\":false,"
    "\"age\":1234.5,\"expires_in\":85000.2,\"sha256\":\"1a2b3c4d\","
    "\"exchanges\":1,\"budget\":20,\"last_error\":{\"at\":1795607000.5,"
    "\"ago\":999.623,\"message\":\"it said \\u0022no\\u0022\"}}},"
    "\"sandbox\":{\"ready\":false,\"closed\":true," NO_OUTCOMES ","
    "\"repeats\":0,\"latency\":{\"count\":0,\"sum\":0,\"buckets\":{"
    "\"0.005\":0,\"0.01\":0,\"0.025\":0,\"0.05\":0,\"0.1\":0,\"0.25\":0,"
    "\"0.5\":0,\"1\":0,\"2.5\":0,\"5\":0,\"10\":0,\"30\":0,\"60\":0,"
    "\"+Inf\":0}},\"history\":{\"step\":60,\"end\":1795608060,"
    "\"accepted\":" NONE ",\"rejected\":" NONE ",\"denied\":" NONE ","
    "\"not-sent\":" NONE ",\"unknown\":" NONE "},"
    "\"credential\":{\"kind\":\"bearer_token_file\",\"usable\":true,"
    "\"refused\":true,\"age\":null,\"expires_in\":null,\"sha256\":null,"
    "\"last_error\":null}}},"
    "\"unassigned\":{\"outcomes\":{\"accepted\":0,\"rejected\":0,"
    "\"denied\":1,\"not-sent\":0,\"unknown\":0},\"answers\":{\"404\":1}}}\n";


#define HEAD(name, type, help)                                                \
    "# HELP " name " " help "\n# TYPE " name " " type "\n"
#define REQUESTS(environment, a, r, d, n, u)                                  \
    "canopy_requests_total{environment=\"" environment                        \
        "\",outcome=\"accepted\"} " a "\n"                                    \
    "canopy_requests_total{environment=\"" environment                        \
        "\",outcome=\"rejected\"} " r "\n"                                    \
    "canopy_requests_total{environment=\"" environment                        \
        "\",outcome=\"denied\"} " d "\n"                                      \
    "canopy_requests_total{environment=\"" environment                        \
        "\",outcome=\"not-sent\"} " n "\n"                                    \
    "canopy_requests_total{environment=\"" environment                        \
        "\",outcome=\"unknown\"} " u "\n"
#define BUCKET(environment, le, n)                                            \
    "canopy_upstream_duration_seconds_bucket{environment=\"" environment      \
        "\",le=\"" le "\"} " n "\n"
#define DURATION(environment, few, some, all, sum)                            \
    BUCKET(environment, "0.005", few) BUCKET(environment, "0.01", few)        \
    BUCKET(environment, "0.025", some) BUCKET(environment, "0.05", some)      \
    BUCKET(environment, "0.1", some) BUCKET(environment, "0.25", some)        \
    BUCKET(environment, "0.5", some) BUCKET(environment, "1", some)           \
    BUCKET(environment, "2.5", some) BUCKET(environment, "5", some)           \
    BUCKET(environment, "10", some) BUCKET(environment, "30", some)           \
    BUCKET(environment, "60", some) BUCKET(environment, "+Inf", all)          \
    "canopy_upstream_duration_seconds_sum{environment=\"" environment "\"} "  \
        sum "\n"                                                              \
    "canopy_upstream_duration_seconds_count{environment=\"" environment       \
        "\"} " all "\n"
#define BOTH(name, live, sandbox)                                             \
    name "{environment=\"live\"} " live "\n"                                  \
    name "{environment=\"sandbox\"} " sandbox "\n"
#define LIVE(name, live)  name "{environment=\"live\"} " live "\n"

static const char  full_prometheus[] =
    HEAD("canopy_build_info", "gauge", "The version of the gateway's module.")
    "canopy_build_info{version=\"0.1.0\"} 1\n"
    HEAD("canopy_counters_created_timestamp_seconds", "gauge",
         "When the counters were at zero.")
    "canopy_counters_created_timestamp_seconds 1795600000\n"
    HEAD("canopy_switch", "gauge",
         "The environment that canopy_switch_file names.")
    "canopy_switch{environment=\"sandbox\"} 1\n"
    HEAD("canopy_requests_total", "counter", "Requests by their outcome.")
    REQUESTS("live", "2", "0", "0", "1", "0")
    REQUESTS("sandbox", "0", "0", "0", "0", "0")
    REQUESTS("", "0", "0", "1", "0", "0")
    HEAD("canopy_answers_total", "counter",
         "Answers to clients by their status.")
    "canopy_answers_total{environment=\"live\",status=\"204\"} 2\n"
    "canopy_answers_total{environment=\"live\",status=\"other\"} 1\n"
    "canopy_answers_total{environment=\"\",status=\"404\"} 1\n"
    HEAD("canopy_upstream_duration_seconds", "histogram",
         "Durations of what was sent.")
    DURATION("live", "0", "1", "2", "60.013")
    DURATION("sandbox", "0", "0", "0", "0")
    HEAD("canopy_upstream_repeats_total", "counter",
         "Requests that were sent once more.")
    BOTH("canopy_upstream_repeats_total", "1", "0")
    HEAD("canopy_environment_closed", "gauge",
         "Whether the operator has closed the environment.")
    BOTH("canopy_environment_closed", "0", "1")
    HEAD("canopy_environment_ready", "gauge",
         "Whether it is open and has a usable credential.")
    BOTH("canopy_environment_ready", "1", "0")
    HEAD("canopy_credential_usable", "gauge",
         "Whether there is a credential that has not expired.")
    BOTH("canopy_credential_usable", "1", "1")
    HEAD("canopy_credential_refused", "gauge",
         "Whether the upstream refuses the credential.")
    BOTH("canopy_credential_refused", "0", "1")
    HEAD("canopy_credential_age_seconds", "gauge",
         "How long ago the credential was read or obtained.")
    LIVE("canopy_credential_age_seconds", "1234.5")
    HEAD("canopy_credential_expiry_seconds", "gauge",
         "How long until the credential expires.")
    LIVE("canopy_credential_expiry_seconds", "85000.2")
    HEAD("canopy_token_exchanges", "gauge",
         "Token exchanges of the last 24 hours.")
    LIVE("canopy_token_exchanges", "1")
    HEAD("canopy_token_exchange_budget", "gauge",
         "Token exchanges that are allowed in 24 hours.")
    LIVE("canopy_token_exchange_budget", "20")
    HEAD("canopy_credential_error_timestamp_seconds", "gauge",
         "When the last error with the credential was.")
    LIVE("canopy_credential_error_timestamp_seconds", "1795607000.5")
    HEAD("canopy_credential_info", "gauge", "What the credential is.")
    "canopy_credential_info{environment=\"live\",kind=\"oauth2\","
        "sha256=\"1a2b3c4d\"} 1\n";


#endif /* REPORT_TEXTS_H */
