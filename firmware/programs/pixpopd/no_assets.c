#include "web_assets.h"

const struct console_asset web_assets[1] = {{0}};
const size_t web_asset_count = 0;
