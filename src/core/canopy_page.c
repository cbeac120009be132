
#include "canopy_page.h"


/* from <style> to </style> and from <script> to </script>, see t/unit/page.c */

#define STYLE   "sha256-+4SpjeKKXURzVxa7P79OoipBHeOGtFZhD2C3up6mmw4="
#define SCRIPT  "sha256-CM8yomyagly3JVzXna1dLhQUA4geQ+1OAlvVVMnynio="


static const char  page[] =

"<!doctype html>\n"
"<html lang='en'>\n"
"<meta charset='utf-8'>\n"
"<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
"<meta name='robots' content='noindex'>\n"
"<title>canopy</title>\n"
"<style>\n"

#include "canopy_page_style.h"

"</style>\n"
"<header>\n"
  "<div class='row'><h1>Canopy gateway</h1><small id='fresh'></small></div>\n"
  "<nav aria-label='Environments'></nav>\n"
"</header>\n"
"<main>\n"
  "<section id='sum' aria-label='Summary' aria-live='polite'>\n"
    "<p id='verdict'></p>\n"
    "<ul id='todo'></ul>\n"
  "</section>\n"
  "<noscript>\n"
    "<p>This page needs JavaScript. The same as JSON: ask this address with\n"
    "<code>Accept: application/json</code>, as\n"
    "<code>curl -H 'Accept: application/json'</code> does.</p>\n"
  "</noscript>\n"
  "<div id='cards'></div>\n"
  "<section id='none' class='soft' aria-label='Without an environment'\n"
    "hidden></section>\n"
"</main>\n"
"<footer id='foot'></footer>\n"
"<template>\n"
  "<article>\n"
    "<header>\n"
      "<h2></h2>\n"
      "<span class='state'></span>\n"
      "<span class='switch' hidden>the switch is here</span>\n"
    "</header>\n"
    "<section>\n"
      "<h3>Credential</h3>\n"
      "<p class='row'><b class='left'></b><span class='until'></span></p>\n"
      "<svg class='bar life' aria-hidden='true'><rect height='100%'/></svg>\n"
      "<p class='soft facts'></p>\n"
      "<p class='row used'><span></span><b></b></p>\n"
      "<svg class='bar budget' aria-hidden='true'><rect height='100%'/></svg>\n"
      "<p class='error'><b></b> <bdi></bdi></p>\n"
    "</section>\n"
    "<section>\n"
      "<h3>Outcomes, minute by minute</h3>\n"
      "<svg class='chart' viewBox='0 0 60 100' preserveAspectRatio='none'\n"
        "role='img' shape-rendering='crispEdges'></svg>\n"
      "<p class='row soft'><span>an hour ago</span>\n"
        "<span class='peak'></span><span>now</span></p>\n"
      "<table>\n"
        "<thead><tr><th scope='col'>outcome</th>\n"
          "<th scope='col'>last hour</th>\n"
          "<th scope='col'>total</th></tr></thead>\n"
        "<tbody></tbody>\n"
      "</table>\n"
      "<p class='ask' hidden></p>\n"
      "<p class='soft answers'></p>\n"
    "</section>\n"
    "<section>\n"
      "<h3 class='sent'></h3>\n"
      "<dl></dl>\n"
      "<svg class='spread' viewBox='0 0 14 100' preserveAspectRatio='none'\n"
        "aria-hidden='true' shape-rendering='crispEdges'><path/></svg>\n"
      "<p class='row soft'><span>5 ms</span><span>over 60 s</span></p>\n"
    "</section>\n"
  "</article>\n"
"</template>\n"
"<script>\n"

#include "canopy_page_script.h"

"</script>\n"
"</html>\n";


static const char  policy[] =
    "default-src 'none'; "
    "style-src '" STYLE "'; "
    "script-src '" SCRIPT "'; "
    "connect-src 'self'; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'; "
    "require-trusted-types-for 'script'";


canopy_slice_t
canopy_page(void)
{
    canopy_slice_t  slice = canopy_slice(page);

    return slice;
}


canopy_slice_t
canopy_page_policy(void)
{
    canopy_slice_t  slice = canopy_slice(policy);

    return slice;
}
