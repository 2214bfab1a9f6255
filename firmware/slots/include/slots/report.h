// The slots' state as JSON, for those who show it: the agent's status, the rescue page.
#ifndef SLOTS_REPORT_H
#define SLOTS_REPORT_H

#include "base/json.h"
#include "slots/slots.h"

// The members "name", "mark", "tries" and "version", into the object that is open.
void slots_write_slot(const struct slots_state *state, enum slots_id id, struct base_json_writer *json);
// The members "next" ("A", "B" or "rescue") and "floor" (empty: none), likewise.
void slots_write_choice(const struct slots_state *state, struct base_json_writer *json);

#endif
