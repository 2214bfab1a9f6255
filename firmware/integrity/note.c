#include "integrity/note.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"
#include "integrity/digest.h"

enum {
  TYPE_ED25519 = 0x01,  // c2sp.org/signed-note, "Signature types"
  ID_BYTES = 4,
  ED25519_LINE_BYTES = ID_BYTES + INTEGRITY_SIGNATURE_BYTES,
  ED25519_LINE_CHARS = (ED25519_LINE_BYTES + 2) / 3 * 4,
  KEY_BYTES = 1 + INTEGRITY_PUBLIC_KEY_BYTES,
  KEY_CHARS = (KEY_BYTES + 2) / 3 * 4,
};

static const char signature_start[] = "\xe2\x80\x94 ";  // an em dash and a space

// What Unicode calls white space, beyond the control characters.
static bool is_space(struct base_span character) {
  static const char *const spaces[] = {" ",
                                       "\xc2\x85",
                                       "\xc2\xa0",
                                       "\xe1\x9a\x80",
                                       "\xe2\x80\xa8",
                                       "\xe2\x80\xa9",
                                       "\xe2\x80\xaf",
                                       "\xe2\x81\x9f",
                                       "\xe3\x80\x80"};
  for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
    if (base_span_is(character, spaces[i])) return true;
  }
  // U+2000..U+200A
  return character.bytes == 3 && character.data[0] == 0xe2 && character.data[1] == 0x80 && character.data[2] >= 0x80 &&
         character.data[2] <= 0x8a;
}

static bool is_name(struct base_span name) {
  if (name.bytes == 0) return false;
  for (size_t at = 0; at < name.bytes;) {
    const size_t bytes = base_utf8_char_bytes(base_span_slice(name, at, name.bytes));
    if (bytes == 0 || name.data[at] < ' ' || name.data[at] == '+') return false;
    if (is_space(base_span_slice(name, at, bytes))) return false;
    at += bytes;
  }
  return true;
}

// UTF-8 without control characters but the line feed.
static bool is_note_text(struct base_span text) {
  for (size_t at = 0; at < text.bytes;) {
    const size_t bytes = base_utf8_char_bytes(base_span_slice(text, at, text.bytes));
    if (bytes == 0 || (text.data[at] < ' ' && text.data[at] != '\n')) return false;
    at += bytes;
  }
  return true;
}

enum base_result integrity_note_key_init(struct base_span name, const uint8_t public_key[INTEGRITY_PUBLIC_KEY_BYTES],
                                         struct integrity_note_key *out, struct base_fault *fault) {
  if (!is_name(name) || !base_span_copy(name, out->name, sizeof out->name)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "name",
                     "a key's name has 1 to %d bytes, none of them a space, a '+' or a control character",
                     INTEGRITY_NOTE_MAX_NAME);
  }
  memmove(out->public_key, public_key, sizeof out->public_key);
  static const uint8_t separator[] = {'\n', TYPE_ED25519};
  const struct base_span pieces[] = {name, base_span_of(separator, sizeof separator),
                                     base_span_of(out->public_key, sizeof out->public_key)};
  uint8_t digest[BASE_DIGEST_BYTES];
  integrity_digest_pieces(pieces, sizeof pieces / sizeof pieces[0], digest);
  memcpy(out->id, digest, sizeof out->id);
  return BASE_OK;
}

void integrity_note_key_text(const struct integrity_note_key *key, char out[INTEGRITY_VKEY_MAX_CHARS + 1]) {
  char id[2 * ID_BYTES + 1], base64[KEY_CHARS + 1];
  uint8_t bytes[KEY_BYTES] = {TYPE_ED25519};
  memcpy(bytes + 1, key->public_key, sizeof key->public_key);
  base_hex_encode(base_span_of(key->id, sizeof key->id), id, sizeof id);
  base_base64_encode(base_span_of(bytes, sizeof bytes), base64, sizeof base64);
  snprintf(out, INTEGRITY_VKEY_MAX_CHARS + 1, "%s+%s+%s", key->name, id, base64);
}

enum base_result integrity_note_key_parse(struct base_span vkey, struct integrity_note_key *out,
                                          struct base_fault *fault) {
  struct base_span rest = vkey;
  const struct base_span name = base_span_cut(&rest, '+'), id = base_span_cut(&rest, '+');
  uint8_t id_bytes[ID_BYTES], bytes[512];
  size_t count;
  // The key's base64 may hold '+' of its own: it is all the rest.
  if (!base_hex_decode(id, id_bytes, sizeof id_bytes) || !base_base64_decode(rest, bytes, sizeof bytes, &count) ||
      count == 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "vkey", "a verifier key looks like name+0123abcd+base64");
  }
  if (bytes[0] != TYPE_ED25519) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "vkey", "the verifier key is not one of Ed25519 (type %d, not 1)",
                     bytes[0]);
  }
  if (count != KEY_BYTES) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "vkey", "the verifier key holds %zu bytes, not %d", count, KEY_BYTES);
  }
  const enum base_result result = integrity_note_key_init(name, bytes + 1, out, fault);
  if (result != BASE_OK) return result;
  if (memcmp(out->id, id_bytes, sizeof id_bytes) != 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "vkey", "the verifier key's id is not that of its name and key: a typo?");
  }
  return BASE_OK;
}

enum base_result integrity_note_sign(struct base_span text, const struct integrity_note_key *key,
                                     const struct integrity_signer *signer, struct base_buffer *out,
                                     struct base_fault *fault) {
  if (text.bytes == 0 || text.data[text.bytes - 1] != '\n' || !is_note_text(text)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "note", "the text of a note is UTF-8 lines without control characters");
  }
  BASE_ASSERT(memcmp(key->public_key, signer->public_key, sizeof key->public_key) == 0);
  uint8_t bytes[ED25519_LINE_BYTES];
  char base64[ED25519_LINE_CHARS + 1];
  memcpy(bytes, key->id, ID_BYTES);
  integrity_sign(signer, text, bytes + ID_BYTES);
  base_base64_encode(base_span_of(bytes, sizeof bytes), base64, sizeof base64);
  enum base_result result = base_buffer_append(out, text.data, text.bytes);
  if (result == BASE_OK) result = base_buffer_printf(out, "\n%s%s %s\n", signature_start, key->name, base64);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "note", "no room for the note");
}

// Cuts the note at its last empty line. *signatures ends in '\n' and is not empty.
static bool cut_note(struct base_span note, struct base_span *text, struct base_span *signatures) {
  if (note.bytes < 3 || note.bytes > INTEGRITY_NOTE_MAX_BYTES || note.data[note.bytes - 1] != '\n') return false;
  if (!is_note_text(note)) return false;
  size_t at = note.bytes - 2;  // of the second line feed of the pair
  while (at > 0 && (note.data[at] != '\n' || note.data[at - 1] != '\n')) at--;
  if (at < 1) return false;
  *text = base_span_slice(note, 0, at);
  *signatures = base_span_slice(note, at + 1, note.bytes);
  return true;
}

enum line { LINE_MALFORMED, LINE_FOREIGN, LINE_WRONG, LINE_RIGHT };

static enum line judge_line(struct base_span line, const struct integrity_note_key *key, struct base_span text) {
  if (!base_span_starts_with(line, signature_start)) return LINE_MALFORMED;
  struct base_span rest = base_span_slice(line, sizeof signature_start - 1, line.bytes);
  const struct base_span name = base_span_cut(&rest, ' ');
  uint8_t bytes[INTEGRITY_NOTE_MAX_BYTES / 4 * 3];
  size_t count;
  if (!is_name(name) || !base_base64_decode(rest, bytes, sizeof bytes, &count) || count <= ID_BYTES) {
    return LINE_MALFORMED;
  }
  if (!base_span_is(name, key->name) || memcmp(bytes, key->id, ID_BYTES) != 0) return LINE_FOREIGN;
  if (count != ED25519_LINE_BYTES) return LINE_WRONG;
  return integrity_is_signed(key->public_key, text, bytes + ID_BYTES) ? LINE_RIGHT : LINE_WRONG;
}

enum base_result integrity_note_open(struct base_span note, const struct integrity_note_key *key,
                                     struct base_span *text, struct base_fault *fault) {
  struct base_span signatures, inside;
  if (!cut_note(note, &inside, &signatures)) {
    return BASE_FAIL(fault, BASE_CORRUPT, "note", "this is no signed note");
  }
  bool is_signed = false;
  for (unsigned lines = 0; signatures.bytes > 0; lines++) {
    if (lines == INTEGRITY_NOTE_MAX_LINES) {
      return BASE_FAIL(fault, BASE_CORRUPT, "note", "the note has more than %d signatures", INTEGRITY_NOTE_MAX_LINES);
    }
    switch (judge_line(base_span_cut(&signatures, '\n'), key, inside)) {
      case LINE_MALFORMED:
        return BASE_FAIL(fault, BASE_CORRUPT, "note", "signature line %u of the note is malformed", lines + 1);
      case LINE_WRONG:
        return BASE_FAIL(fault, BASE_CORRUPT, "note", "the signature by %s is wrong", key->name);
      case LINE_RIGHT:
        is_signed = true;
        break;
      case LINE_FOREIGN:
        break;
    }
  }
  if (!is_signed) return BASE_FAIL(fault, BASE_CORRUPT, "note", "the note is not signed by %s's key", key->name);
  *text = inside;
  return BASE_OK;
}
