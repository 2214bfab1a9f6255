// The ends of a flight: in the caches, with the renderer's product, or with a fault. Everyone who waited is told.
//
// Each of these ends the flight, nulls *place and may be called on any thread.
#ifndef POP_LANDING_H
#define POP_LANDING_H

#include "state.h"

enum { POP_MAX_TIMING_BYTES = 256 };

// What a flight ended with: a variant or a fault.
struct pop_landing {
  struct pop_variant *variant;  // borrowed; NULL: `fault` says why
  struct base_fault fault;
  enum pop_outcome kind;
  bool is_stored;                     // made, and on disk now
  char timing[POP_MAX_TIMING_BYTES];  // for Server-Timing; may be empty
  int64_t now_s;
};

// Looks in RAM and on disk. False for a miss: the flight goes on. Blocks on the disk.
bool pop_land_from_caches(struct pop_flight **place);
// Keeps the product in RAM and on disk, unless it has a fault. Takes its blob. `trace` may be NULL.
void pop_land_with_product(struct pop_flight **place, struct recipe_product *product, const struct base_trace *trace);
// Writes a product to the disk tier. BASE_NOT_FOUND when the original was deleted meanwhile; all else that can go wrong
// only means that the disk has no copy (*is_stored).
enum base_result pop_land_on_disk(struct pop *pop, const struct pop_course *course, const char *request_id,
                                  const struct recipe_product *product, bool *is_stored,
                                  struct base_fault *fault) BASE_CHECKED;
// Takes it from there again, as it was made before its original was forgotten or purged.
void pop_land_off_disk(struct pop *pop, const struct pop_course *course, const char *request_id);
// The variant from disk, not kept in RAM yet; NULL for a miss.
struct pop_variant *pop_land_read_disk(struct pop *pop, const struct pop_course *course, const char *request_id);
// Logs what is our fault.
void pop_land_with_fault(struct pop_flight **place, const struct base_fault *fault);

#endif
