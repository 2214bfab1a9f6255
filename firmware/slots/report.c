#include "slots/report.h"

void slots_write_slot(const struct slots_state *state, enum slots_id id, struct base_json_writer *json) {
  const struct slots_slot *slot = &state->slots[id];
  base_json_string(json, "name", slots_name(id));
  base_json_string(json, "mark", slots_mark_name(slot->mark));
  base_json_integer(json, "tries", slot->tries);
  base_json_string(json, "version", slot->version);
}

void slots_write_choice(const struct slots_state *state, struct base_json_writer *json) {
  enum slots_id next;
  base_json_string(json, "next", slots_next(state, &next) ? slots_name(next) : "rescue");
  base_json_string(json, "floor", state->floor);
}
