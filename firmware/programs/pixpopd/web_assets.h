// The web page's files, embedded at build time (none when the page is not built).
#ifndef PIXPOPD_WEB_ASSETS_H
#define PIXPOPD_WEB_ASSETS_H

#include "console/console.h"

extern const struct console_asset web_assets[];
extern const size_t web_asset_count;

#endif
