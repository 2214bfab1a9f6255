#include "integrity/entry.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "integrity/merkle.h"

enum {
  VERSION = 1,
  VERSION_AT = 0,
  KIND_AT = 1,
  TIME_AT = 2,
  REFERS_AT = 10,
  RENEWS_AT = 18,
  COMMITMENT_AT = 26,
  MAX_FIELDS = 7,
};

_Static_assert(COMMITMENT_AT + BASE_DIGEST_BYTES == INTEGRITY_ENTRY_BYTES, "the layout in entry.h");

static void put_u64(uint64_t number, uint8_t *out) {
  for (int i = 7; i >= 0; i--, number >>= 8) out[i] = (uint8_t)number;
}

static uint64_t get_u64(const uint8_t *bytes) {
  uint64_t number = 0;
  for (size_t i = 0; i < 8; i++) number = number << 8 | bytes[i];
  return number;
}

void integrity_entry_write(const struct integrity_entry *entry, uint8_t out[INTEGRITY_ENTRY_BYTES]) {
  out[VERSION_AT] = VERSION;
  out[KIND_AT] = (uint8_t)entry->kind;
  put_u64(entry->time_s, out + TIME_AT);
  put_u64(entry->refers, out + REFERS_AT);
  put_u64(entry->renews, out + RENEWS_AT);
  memcpy(out + COMMITMENT_AT, entry->commitment.bytes, sizeof entry->commitment.bytes);
}

enum base_result integrity_entry_parse(struct base_span bytes, struct integrity_entry *out, struct base_fault *fault) {
  if (bytes.bytes != INTEGRITY_ENTRY_BYTES) {
    return BASE_FAIL(fault, BASE_CORRUPT, "entry", "an entry of the ledger has %d bytes, not %zu",
                     INTEGRITY_ENTRY_BYTES, bytes.bytes);
  }
  const uint8_t kind = bytes.data[KIND_AT];
  if (bytes.data[VERSION_AT] != VERSION || kind < INTEGRITY_ENTRY_PUT || kind > INTEGRITY_ENTRY_CONFIG) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "entry", "the ledger's entry has version %d and kind %d, unknown here",
                     bytes.data[VERSION_AT], kind);
  }
  out->kind = (enum integrity_entry_kind)kind;
  out->time_s = get_u64(bytes.data + TIME_AT);
  out->refers = get_u64(bytes.data + REFERS_AT);
  out->renews = get_u64(bytes.data + RENEWS_AT);
  memcpy(out->commitment.bytes, bytes.data + COMMITMENT_AT, sizeof out->commitment.bytes);
  return BASE_OK;
}

void integrity_entry_leaf(const uint8_t bytes[INTEGRITY_ENTRY_BYTES], struct integrity_digest *out) {
  integrity_merkle_leaf(base_span_of(bytes, INTEGRITY_ENTRY_BYTES), out);
}

void integrity_commit(const uint8_t salt[INTEGRITY_SALT_BYTES], struct base_span subject,
                      struct integrity_digest *out) {
  const struct base_span pieces[] = {base_span_of(salt, INTEGRITY_SALT_BYTES), subject};
  integrity_digest_pieces(pieces, 2, out->bytes);
}

enum type { TYPE_TENANT, TYPE_TEXT, TYPE_DIGEST, TYPE_U64, TYPE_U32 };

// A line of a subject, and the member that it is kept in.
struct field {
  const char *name;
  enum type type;
  size_t at, bytes;
};

#define MEMBER(member) offsetof(struct integrity_subject, member), sizeof((struct integrity_subject *)0)->member

static const struct {
  const char *title;
  struct field fields[MAX_FIELDS];
} layouts[] = {
    [INTEGRITY_ENTRY_PUT] = {"pixpop put",
                             {{"tenant", TYPE_TENANT, MEMBER(tenant)},
                              {"original", TYPE_DIGEST, MEMBER(object)},
                              {"bytes", TYPE_U64, MEMBER(bytes)},
                              {"root", TYPE_DIGEST, MEMBER(root)}}},
    [INTEGRITY_ENTRY_DERIVE] = {"pixpop derive",
                                {{"tenant", TYPE_TENANT, MEMBER(tenant)},
                                 {"original", TYPE_DIGEST, MEMBER(original)},
                                 {"recipe", TYPE_TEXT, MEMBER(recipe)},
                                 {"render", TYPE_U32, MEMBER(render_version)},
                                 {"variant", TYPE_DIGEST, MEMBER(object)},
                                 {"bytes", TYPE_U64, MEMBER(bytes)},
                                 {"root", TYPE_DIGEST, MEMBER(root)}}},
    [INTEGRITY_ENTRY_EVICT] = {"pixpop evict",
                               {{"tenant", TYPE_TENANT, MEMBER(tenant)}, {"object", TYPE_DIGEST, MEMBER(object)}}},
    [INTEGRITY_ENTRY_PURGE] = {"pixpop purge",
                               {{"tenant", TYPE_TENANT, MEMBER(tenant)}, {"object", TYPE_DIGEST, MEMBER(object)}}},
    [INTEGRITY_ENTRY_CONFIG] = {"pixpop config",
                                {{"settings", TYPE_DIGEST, MEMBER(object)}, {"version", TYPE_TEXT, MEMBER(version)}}},
};

static bool is_tenant(struct base_span text) {
  for (size_t i = 0; i < text.bytes; i++) {
    const uint8_t c = text.data[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return text.bytes > 0;
}

static bool is_printable(struct base_span text) {
  for (size_t i = 0; i < text.bytes; i++) {
    if (text.data[i] < ' ' || text.data[i] > '~') return false;
  }
  return true;
}

static enum base_result write_text(const struct field *field, const char *text, struct base_buffer *out,
                                   struct base_fault *fault) {
  const size_t bytes = strnlen(text, field->bytes);
  const struct base_span span = base_span_of(text, bytes);
  if (bytes == field->bytes || !(field->type == TYPE_TENANT ? is_tenant(span) : is_printable(span))) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, field->name, "the %s can not stand in the ledger: %s", field->name,
                     field->type == TYPE_TENANT ? "a tenant has a-z, 0-9 and '-' only" : "plain ASCII only");
  }
  return base_buffer_printf(out, "%s %s\n", field->name, text);
}

static enum base_result write_field(const struct field *field, const struct integrity_subject *subject,
                                    struct base_buffer *out, struct base_fault *fault) {
  const void *member = (const char *)subject + field->at;
  char digest[BASE_DIGEST_BASE64URL_CHARS + 1];
  switch (field->type) {
    case TYPE_TENANT:
    case TYPE_TEXT:
      return write_text(field, member, out, fault);
    case TYPE_DIGEST:
      integrity_digest_text(member, digest);
      return base_buffer_printf(out, "%s %s\n", field->name, digest);
    case TYPE_U64:
      return base_buffer_printf(out, "%s %" PRIu64 "\n", field->name, *(const uint64_t *)member);
    case TYPE_U32:
      return base_buffer_printf(out, "%s %" PRIu32 "\n", field->name, *(const uint32_t *)member);
  }
  return BASE_INTERNAL;
}

enum base_result integrity_subject_write(const struct integrity_subject *subject, struct base_buffer *out,
                                         struct base_fault *fault) {
  BASE_ASSERT(subject->kind >= INTEGRITY_ENTRY_PUT && subject->kind <= INTEGRITY_ENTRY_CONFIG);
  enum base_result result = base_buffer_printf(out, "%s\n", layouts[subject->kind].title);
  for (size_t i = 0; i < MAX_FIELDS && result == BASE_OK; i++) {
    const struct field *field = &layouts[subject->kind].fields[i];
    if (!field->name) break;
    result = write_field(field, subject, out, fault);
  }
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "subject", "no room for the entry's subject");
}

static bool read_number(struct base_span text, uint64_t *out) {
  return (text.bytes == 1 || (text.bytes > 1 && text.data[0] != '0')) && base_span_to_u64(text, out);
}

static bool read_field(const struct field *field, struct base_span value, struct integrity_subject *out) {
  void *member = (char *)out + field->at;
  uint64_t number;
  switch (field->type) {
    case TYPE_TENANT:
      return is_tenant(value) && base_span_copy(value, member, field->bytes);
    case TYPE_TEXT:
      return is_printable(value) && base_span_copy(value, member, field->bytes);
    case TYPE_DIGEST:
      return integrity_digest_parse(value, member);
    case TYPE_U64:
      return read_number(value, member);
    case TYPE_U32:
      if (!read_number(value, &number) || number > UINT32_MAX) return false;
      *(uint32_t *)member = (uint32_t)number;
      return true;
  }
  return false;
}

// Cuts a line; false when it does not end in '\n'.
static bool cut_line(struct base_span *rest, struct base_span *line) {
  *line = base_span_cut(rest, '\n');
  return rest->data != NULL;
}

enum base_result integrity_subject_parse(struct base_span text, struct integrity_subject *out,
                                         struct base_fault *fault) {
  memset(out, 0, sizeof *out);
  struct base_span rest = text, line;
  bool is_good = text.bytes <= INTEGRITY_SUBJECT_MAX_BYTES && cut_line(&rest, &line);
  for (int kind = INTEGRITY_ENTRY_PUT; is_good && kind <= INTEGRITY_ENTRY_CONFIG; kind++) {
    if (base_span_is(line, layouts[kind].title)) out->kind = (enum integrity_entry_kind)kind;
  }
  is_good = is_good && out->kind != 0;
  for (size_t i = 0; is_good && i < MAX_FIELDS && layouts[out->kind].fields[i].name; i++) {
    const struct field *field = &layouts[out->kind].fields[i];
    is_good = cut_line(&rest, &line);
    const struct base_span name = base_span_cut(&line, ' ');
    is_good = is_good && base_span_is(name, field->name) && line.data && read_field(field, line, out);
  }
  if (!is_good || rest.bytes > 0) {
    return BASE_FAIL(fault, BASE_CORRUPT, "subject", "the subject of the ledger's entry is malformed");
  }
  return BASE_OK;
}
