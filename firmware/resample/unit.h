// What the Vulkan machine runs at a time: one part of a work with its tables, and the steps of it that become
// dispatches.
#ifndef RESAMPLE_UNIT_H
#define RESAMPLE_UNIT_H

#include "copy.h"
#include "machine.h"
#include "table.h"

struct resample_unit {
  const struct resample_work *work;
  const struct resample_part *part;
  enum resample_kind kind;
  bool is_tile;
  struct resample_axis x, y;  // the source's
  struct resample_blocks x_blocks, y_blocks;
  uint32_t word, words;        // of a source row: the first that is read, and how many; whole lanes
  struct resample_copy *copy;  // held; NULL: none (yet)
  struct gpu_buffer *target;   // the target's memory, imported; NULL: results are staged
  bool owns_target;            // others of the run only borrow it
};

// Outputs along the source's y axis that are made together.
struct resample_band {
  uint32_t block, blocks;  // first and number
  uint32_t output, outputs;
  uint32_t top, rows;  // source rows they are made of
};

// Bytes of each kind of buffer, multiples of 16.
struct resample_needs {
  size_t source, table, middle, pixels, result;
};

enum { RESAMPLE_NEED_ALIGNMENT = 16 };

// A rectangle of a plane of the target as the kernels write it.
struct resample_sheet {
  uint32_t base, pitch;  // in words: its first row, and from row to row
  uint8_t *to;           // where it belongs in the target
  uint32_t to_stride_bytes, row_bytes, rows;
};

// Where the data of a unit, or of one band of it, lie. Bases count elements of their kernels.
struct resample_place {
  struct gpu_buffer *source, *table, *middle, *pixels, *result;
  uint32_t source_base, source_pitch;  // in words
  uint32_t source_word, source_top;    // the word of a source row, and the row, that lie at source_base
  uint32_t source_last;                // the last source row that is there
  uint32_t table_base, middle_base;    // in texels
  uint32_t pixels_base;                // in words; what conversions read, in the target's orientation
  size_t sheet_count;
  struct resample_sheet sheets[IMAGE_MAX_PLANES];
};

enum {
  RESAMPLE_PLANE_WORD = 4,  // samples of a plane in a word
  RESAMPLE_PLANE_LANE = 2   // words of a plane that one thread of the first pass takes
};

// Words of the source that a thread of the first pass takes: uploads and strips are multiples of it.
static inline uint32_t resample_unit_lane_words(const struct resample_unit *unit) {
  return unit->kind == RESAMPLE_KIND_PLANE ? RESAMPLE_PLANE_LANE : 1;
}

// Finds the taps, not the weights. Finish the unit also after a failure. `kernel`: TWO_PASS or, of RGBA8 only, TILE.
enum base_result resample_unit_init(struct resample_unit *unit, const struct resample_work *work, size_t part,
                                    enum resample_kernel kernel, struct base_fault *fault) BASE_CHECKED;
enum base_result resample_unit_weigh(struct resample_unit *unit, struct base_fault *fault) BASE_CHECKED;
void resample_unit_finish(struct resample_unit *unit);
struct resample_band resample_unit_band(const struct resample_unit *unit, uint32_t block, uint32_t blocks);
static inline struct resample_band resample_unit_whole(const struct resample_unit *unit) {
  return resample_unit_band(unit, 0, unit->y_blocks.blocks);
}
// What bands of `blocks` take. `words` of a source row are uploaded at a time; 0: the source's copy is read. False when
// a buffer were over the device's limits.
bool resample_unit_measure(const struct resample_vulkan *vulkan, const struct resample_unit *unit, uint32_t blocks,
                           uint32_t words, struct resample_needs *out) BASE_CHECKED;
bool resample_needs_fit(const struct resample_vulkan *vulkan, enum resample_kind kind,
                        const struct resample_needs *needs);
// As the pool counts; nothing for what is 0.
uint64_t resample_needs_total(const struct resample_pool *pool, const struct resample_needs *needs);
void resample_unit_pack(const struct resample_unit *unit, struct resample_texel *table);
// Sets the place's source to the unit's copy.
void resample_unit_place_copy(const struct resample_unit *unit, struct resample_place *place);
// Uploads words [word, word + words) of the band's rows and sets the place's source to them.
void resample_unit_upload(const struct resample_unit *unit, const struct resample_band *band, uint32_t word,
                          uint32_t words, struct gpu_buffer *buffer, struct resample_place *place);

// result.c: the way into the target. Words of it that hold anything beside the result are not written.
//
// Imports the target's memory where the device does that and kernels can write it in place; a unit before this one in
// `first`, of the same target, lends its import.
void resample_result_import(struct resample_vulkan *vulkan, const struct resample_unit *first,
                            struct resample_unit *unit);
// `result`: of the run.
void resample_result_end_import(struct resample_unit *unit, enum base_result result);
// Of staged results.
size_t resample_result_words(const struct resample_unit *unit, const struct resample_band *band);
// Sets the place's sheets: in the imported target or, staged, from word `base` of `staging` on.
void resample_result_place(const struct resample_unit *unit, const struct resample_band *band,
                           struct gpu_buffer *staging, uint32_t base, struct resample_place *place);
// Copies staged results to where they belong.
void resample_result_download(const struct resample_unit *unit, const struct resample_place *place);
// Where the filtering kernels write: the sheet or what the conversion reads.
void resample_result_output(const struct resample_unit *unit, const struct resample_band *band,
                            const struct resample_place *place, struct gpu_buffer **out_buffer, uint32_t *out_base,
                            uint32_t *out_pitch);

// two_pass.c. The first pass is over the words that the place has, for all of the band.
struct gpu_dispatch resample_first_pass(const struct resample_vulkan *vulkan, const struct resample_unit *unit,
                                        const struct resample_band *band, const struct resample_place *place,
                                        uint32_t words);
struct gpu_dispatch resample_second_pass(const struct resample_vulkan *vulkan, const struct resample_unit *unit,
                                         const struct resample_band *band, const struct resample_place *place);

// tile.c
enum { RESAMPLE_TILE_BLOCKS = 8 };  // of a row of tiles: bands are whole rows of tiles
// False: too many loop turns for a thread.
bool resample_tile_takes(const struct resample_vulkan *vulkan, const struct resample_unit *unit);
size_t resample_tile_texels(const struct resample_unit *unit);
void resample_tile_pack(const struct resample_unit *unit, struct resample_texel *table);
struct gpu_dispatch resample_tile(const struct resample_vulkan *vulkan, const struct resample_unit *unit,
                                  const struct resample_band *band, const struct resample_place *place);

// convert.c
struct gpu_dispatch resample_convert(const struct resample_vulkan *vulkan, const struct resample_unit *unit,
                                     const struct resample_band *band, const struct resample_place *place);

#endif
