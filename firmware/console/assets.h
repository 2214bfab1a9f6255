// The embedded web page: its files with their digests, served by the same rules as every other representation.
#ifndef CONSOLE_ASSETS_H
#define CONSOLE_ASSETS_H

#include "console/console.h"

struct console_assets;

// NULL when memory is short. The files themselves are borrowed.
struct console_assets *console_assets_create(const struct console_asset *files, size_t count, int64_t modified_s);
void console_assets_destroy(struct console_assets **assets);
// Replies to GET and HEAD of a path; "/" is /index.html. BASE_NOT_FOUND.
enum base_result console_assets_serve(const struct console_assets *assets, const struct http_request *request,
                                      int64_t now_s, struct http_reply *reply, struct base_fault *fault) BASE_CHECKED;

#endif
