// What the box's inspection found in an original, out of the API's JSON.
#ifndef PIXPOP_FINDINGS_H
#define PIXPOP_FINDINGS_H

#include "base/json.h"

// "2 alerts: gps, trailing": the rules, each once. False, and empty, when there are none. `original` may be NULL.
bool findings_list_alerts(const struct base_json_value *original, char *out, size_t capacity);
// The same rules as strings into an open array.
void findings_write_alerts(const struct base_json_value *original, struct base_json_writer *json);

#endif
