// Environment blocks: what of the state stands in one, and how.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "slots/grub.h"

#define SIGNATURE "# GRUB Environment Block\n"
enum { SECTOR_BYTES = 512, MAX_TRIES_TEXT = 4, MAX_TWIN = 48 };

// A check against damage, not against people: polynomial of IEEE 802.3, bit by bit, since a block is short.
static uint32_t crc32_of(struct base_span bytes) {
  uint32_t crc = UINT32_MAX;
  for (size_t i = 0; i < bytes.bytes; i++) {
    crc ^= bytes.data[i];
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) ? UINT32_C(0xEDB88320) : 0);
  }
  return ~crc;
}

static void write_tries(const struct slots_state *state, char out[static MAX_TRIES_TEXT]) {
  for (size_t i = 0; i < SLOTS_COUNT; i++) out[i] = (char)('0' + state->slots[i].tries);
  out[SLOTS_COUNT] = state->wants_rescue ? '1' : '0';
  out[SLOTS_COUNT + 1] = '\0';
}

static bool read_tries(struct base_span text, struct slots_state *out) {
  if (text.bytes != SLOTS_COUNT + 1) return false;
  for (size_t i = 0; i < SLOTS_COUNT; i++) {
    if (text.data[i] < '0' || text.data[i] > '0' + SLOTS_TRIES) return false;
    out->slots[i].tries = (unsigned)(text.data[i] - '0');
  }
  if (text.data[SLOTS_COUNT] != '0' && text.data[SLOTS_COUNT] != '1') return false;
  out->wants_rescue = text.data[SLOTS_COUNT] == '1';
  return true;
}

static void write_twin(const struct slots_state *state, char out[static MAX_TWIN]) {
  char tries[MAX_TRIES_TEXT];
  write_tries(state, tries);
  snprintf(out, MAX_TWIN, "%s.%s.%s.%s.%" PRIu64, slots_name(state->first), slots_mark_name(state->slots[SLOTS_A].mark),
           slots_mark_name(state->slots[SLOTS_B].mark), tries, state->sequence);
}

static size_t begin_block(uint8_t *out) {
  memset(out, '#', SLOTS_GRUB_BLOCK_BYTES);
  memcpy(out, SIGNATURE, sizeof(SIGNATURE) - 1);
  return sizeof(SIGNATURE) - 1;
}

static void put(uint8_t *out, size_t *at, const char *name, const char *value) {
  char line[SECTOR_BYTES];
  int length = snprintf(line, sizeof(line), "%s=%s\n", name, value);
  BASE_ASSERT(length > 0 && (size_t)length <= SECTOR_BYTES - *at);
  memcpy(out + *at, line, (size_t)length);
  *at += (size_t)length;
}

static void put_sequence(uint8_t *out, size_t *at, const struct slots_state *state) {
  char digits[24];
  snprintf(digits, sizeof(digits), "%" PRIu64, state->sequence);
  put(out, at, "SEQ", digits);
}

void slots_grub_write_state(const struct slots_state *state, uint8_t *out) {
  BASE_ASSERT(slots_is_valid(state));
  char tries[MAX_TRIES_TEXT], twin[MAX_TWIN], check[16];
  write_tries(state, tries);
  write_twin(state, twin);
  size_t at = begin_block(out);
  put_sequence(out, &at, state);
  put(out, &at, "FIRST", slots_name(state->first));
  put(out, &at, "A_MARK", slots_mark_name(state->slots[SLOTS_A].mark));
  put(out, &at, "B_MARK", slots_mark_name(state->slots[SLOTS_B].mark));
  put(out, &at, "TRIES", tries);
  put(out, &at, "A_VERSION", state->slots[SLOTS_A].version);
  put(out, &at, "B_VERSION", state->slots[SLOTS_B].version);
  put(out, &at, "FLOOR", state->floor);
  snprintf(check, sizeof(check), "%08" PRIx32, crc32_of(base_span_of(out, at)));
  put(out, &at, "CHECK", check);
  put(out, &at, "TWIN", twin);
}

void slots_grub_write_counters(const struct slots_state *state, uint8_t *out) {
  char tries[MAX_TRIES_TEXT], twin[MAX_TWIN];
  write_tries(state, tries);
  snprintf(twin, sizeof(twin), "%" PRIu64 ".%s", state->sequence, tries);
  size_t at = begin_block(out);
  put_sequence(out, &at, state);
  put(out, &at, "TRIES", tries);
  put(out, &at, "TWIN", twin);
}

// The value of `name`, or false. Names that a later version adds are passed over.
static bool find(struct base_span lines, const char *name, struct base_span *out) {
  while (lines.bytes > 0) {
    struct base_span value = base_span_cut(&lines, '\n');
    struct base_span found = base_span_cut(&value, '=');
    if (value.data == NULL || !base_span_is(found, name)) continue;
    *out = value;
    return true;
  }
  return false;
}

// The lines of the first sector; false for what is no block.
static bool open_block(struct base_span block, struct base_span *lines) {
  if (block.bytes != SLOTS_GRUB_BLOCK_BYTES || !base_span_starts_with(block, SIGNATURE)) return false;
  size_t start = sizeof(SIGNATURE) - 1;
  *lines = base_span_slice(block, start, SECTOR_BYTES - start);
  return true;
}

static bool find_text(struct base_span lines, const char *name, char *out, size_t capacity) {
  struct base_span value;
  return find(lines, name, &value) && base_span_copy(value, out, capacity);
}

static bool find_mark(struct base_span lines, const char *name, enum slots_mark *out) {
  char text[16];
  return find_text(lines, name, text, sizeof(text)) && slots_parse_mark(text, out);
}

static bool find_sequence(struct base_span lines, uint64_t *out) {
  struct base_span value;
  if (!find(lines, "SEQ", &value) || !base_span_to_u64(value, out)) return false;
  return value.bytes > 0 && value.data[0] != '0' && *out <= SLOTS_MAX_SEQUENCE;
}

// CHECK is of all that stands before it, TWIN the last line, and nothing but filling follows: a block that was written
// in part only is none for GRUB, which looks at TWIN, and none here.
static bool is_checked(struct base_span block, struct base_span lines) {
  struct base_span value, twin;
  if (!find(lines, "CHECK", &value) || !find(lines, "TWIN", &twin)) return false;
  for (const uint8_t *at = twin.data + twin.bytes + 1; at < lines.data + lines.bytes; at++) {
    if (*at != '#') return false;
  }
  size_t before = (size_t)(value.data - block.data) - (sizeof("CHECK=") - 1);
  char check[16];
  snprintf(check, sizeof(check), "%08" PRIx32, crc32_of(base_span_slice(block, 0, before)));
  return base_span_is(value, check);
}

bool slots_grub_read_state(struct base_span block, struct slots_state *out) {
  struct base_span lines, tries;
  *out = (struct slots_state){0};
  if (!open_block(block, &lines) || !is_checked(block, lines)) return false;
  char first[4], twin[MAX_TWIN], expected[MAX_TWIN];
  struct slots_slot *slots = out->slots;
  bool is_read = find_sequence(lines, &out->sequence) && find_text(lines, "FIRST", first, sizeof(first)) &&
                 slots_parse_name(first, &out->first) && find_mark(lines, "A_MARK", &slots[SLOTS_A].mark) &&
                 find_mark(lines, "B_MARK", &slots[SLOTS_B].mark) && find(lines, "TRIES", &tries) &&
                 read_tries(tries, out) && find_text(lines, "TWIN", twin, sizeof(twin)) &&
                 find_text(lines, "A_VERSION", slots[SLOTS_A].version, sizeof(slots[SLOTS_A].version)) &&
                 find_text(lines, "B_VERSION", slots[SLOTS_B].version, sizeof(slots[SLOTS_B].version)) &&
                 find_text(lines, "FLOOR", out->floor, sizeof(out->floor));
  if (!is_read || !slots_is_valid(out)) return false;
  write_twin(out, expected);
  return strcmp(twin, expected) == 0;
}

bool slots_grub_read_counters(struct base_span block, struct slots_state *state) {
  struct base_span lines, tries;
  struct slots_state counted = *state;
  char twin[MAX_TWIN], expected[MAX_TWIN], digits[MAX_TRIES_TEXT];
  uint64_t sequence;
  if (!open_block(block, &lines) || !find_sequence(lines, &sequence) || sequence != state->sequence) return false;
  if (!find(lines, "TRIES", &tries) || !read_tries(tries, &counted)) return false;
  write_tries(&counted, digits);
  snprintf(expected, sizeof(expected), "%" PRIu64 ".%s", sequence, digits);
  if (!find_text(lines, "TWIN", twin, sizeof(twin)) || strcmp(twin, expected) != 0) return false;
  write_tries(state, twin);
  if (strcmp(digits, twin) > 0) return false;
  *state = counted;
  return true;
}
