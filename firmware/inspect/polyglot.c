#include <ctype.h>
#include <string.h>

#include "base/checked.h"
#include "structure.h"

// A file that is something else as well. Scripts, pages, documents and ZIP entries are looked for in the whole file, as
// are ELF programs; what has less structure than those only behind the picture; a film there (a phone's motion photo)
// is trailing data and no more. Every check asks for structure, not for a magic number alone: four given bytes come
// about once by chance in four gigabytes of compressed data, and a box sees more than that.
enum {
  PDF_HEAD_BYTES = 1024,  // PDF readers accept a header this far in (ISO 32000-1, annex H.3.4.1)
  ZIP_END_BYTES = 22,     // of an end-of-central-directory record without its comment
  ZIP_MAX_COMMENT = 65535,
  MAX_KINDS = 4,  // findings of one file
};

struct search {
  struct inspect_walk *walk;
  struct base_span file;
  unsigned found;
  const char *last;  // what was found last, not to say it twice
};

static void say(struct search *search, uint64_t offset, const char *what) {
  if (search->last == what || search->found++ >= MAX_KINDS) return;
  search->last = what;
  image_report_find(search->walk->report, IMAGE_RULE_POLYGLOT, offset, 0, "", "it is also %s", what);
}

static bool begins_nocase(struct base_span at, const char *lower_text) {
  const size_t length = strlen(lower_text);
  if (at.bytes < length) return false;
  for (size_t i = 0; i < length; i++) {
    if (tolower(at.data[i]) != lower_text[i]) return false;
  }
  return true;
}

// `text` with white space, '/' or '>' behind, as a tag has.
static bool begins_tag(struct base_span at, const char *text) {
  const size_t length = strlen(text);
  if (at.bytes <= length || !begins_nocase(at, text)) return false;
  const uint8_t behind = at.data[length];
  return isspace(behind) || behind == '/' || behind == '>';
}

static bool is_zip_entry(struct base_span at) {
  static const uint16_t methods[] = {0, 8, 9, 12, 14, 93, 95, 98, 99};
  if (!inspect_has(at, 0, 30) || !inspect_begins(at, "PK\3\4", 4)) return false;
  const uint16_t version = inspect_le16(at.data + 4), method = inspect_le16(at.data + 8);
  const uint16_t name_bytes = inspect_le16(at.data + 26);
  bool is_method = false;
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) is_method = is_method || methods[i] == method;
  return is_method && (version & 255) <= 63 && name_bytes > 0 && inspect_has(at, 30, name_bytes) &&
         at.data[30] >= ' ' && memchr(at.data + 30, '\0', name_bytes) == NULL;
}

static bool is_elf(struct base_span at) {
  if (!inspect_has(at, 0, 24) || !inspect_begins(at,
                                                 "\x7f"
                                                 "ELF",
                                                 4))
    return false;
  const bool is_little = at.data[5] == 1;
  const uint16_t type = is_little ? inspect_le16(at.data + 16) : inspect_be16(at.data + 16);
  return (at.data[4] == 1 || at.data[4] == 2) && (is_little || at.data[5] == 2) && at.data[6] == 1 && type >= 1 &&
         type <= 4;
}

static bool is_windows_program(struct base_span at) {
  if (!inspect_has(at, 0, 64) || !inspect_begins(at, "MZ", 2)) return false;
  const uint32_t header = inspect_le32(at.data + 60);
  return header >= 64 && inspect_has(at, header, 24) && inspect_begins(base_span_slice(at, header, 4), "PE\0\0", 4);
}

static bool is_mac_program(struct base_span at) {
  if (!inspect_has(at, 0, 28)) return false;
  const uint32_t magic = inspect_le32(at.data), processor = inspect_le32(at.data + 4) & 0xfeffffff;
  const uint32_t type = inspect_le32(at.data + 12), commands = inspect_le32(at.data + 16);
  return (magic == 0xfeedface || magic == 0xfeedfacf) && processor >= 1 && processor <= 18 && type >= 1 && type <= 12 &&
         commands >= 1 && commands <= 4096;
}

static bool is_java_class(struct base_span at) {
  if (!inspect_has(at, 0, 10) || !inspect_begins(at, "\xca\xfe\xba\xbe", 4)) return false;
  const uint16_t minor = inspect_be16(at.data + 4), major = inspect_be16(at.data + 6);
  return minor <= 3 && major >= 45 && major <= 100 && inspect_be16(at.data + 8) > 1;
}

static bool is_pdf(struct base_span at) {
  return inspect_has(at, 0, 8) && inspect_begins(at, "%PDF-", 5) && isdigit(at.data[5]) && at.data[6] == '.' &&
         isdigit(at.data[7]);
}

static bool is_script(struct base_span at) {
  return inspect_begins(at, "#!/bin/", 7) || inspect_begins(at, "#!/usr/", 7);
}

static bool is_rar(struct base_span at) {
  return inspect_begins(at, "Rar!\x1a\x07\x00", 7) || inspect_begins(at, "Rar!\x1a\x07\x01\x00", 8);
}

static bool is_seven_zip(struct base_span at) { return inspect_begins(at, "7z\xbc\xaf\x27\x1c\x00", 7); }

static bool is_php(struct base_span at) { return at.bytes > 5 && begins_nocase(at, "<?php") && isspace(at.data[5]); }

static bool is_html(struct base_span at) {
  return begins_tag(at, "<html") || begins_tag(at, "<!doctype html") || begins_tag(at, "<iframe") ||
         begins_tag(at, "<svg");
}

static bool is_text(struct base_span part) {
  for (size_t i = 0; i < part.bytes; i++) {
    if (!isprint(part.data[i]) && !isspace(part.data[i])) return false;
  }
  return true;
}

// What is also looked for inside has more to show: by chance, four letters of either case stand in every other disk.
static bool is_html_text(struct base_span at) {
  enum { TEXT_BYTES = 24 };
  return inspect_has(at, 0, TEXT_BYTES) && is_html(at) && is_text(base_span_slice(at, 0, TEXT_BYTES));
}

static bool is_pdf_document(struct base_span at) {
  struct base_span head = base_span_slice(at, 0, PDF_HEAD_BYTES);
  return is_pdf(at) && memmem(head.data, head.bytes, " obj", 4) != NULL;
}

static bool is_html_script(struct base_span at) { return begins_tag(at, "<script"); }

// What may stand anywhere, by its first byte; once each.
struct kind {
  uint8_t first;
  bool is_anywhere;  // else only behind the picture's end
  bool (*matches)(struct base_span at);
  const char *what;
};
static const char zip_archive[] = "a ZIP archive", pdf[] = "a PDF", html[] = "HTML or SVG";
static const struct kind kinds[] = {
    {'P', true, is_zip_entry, zip_archive},
    {'<', true, is_php, "PHP"},
    {'<', true, is_html_script, "HTML with a script"},
    {'<', true, is_html_text, html},
    {'<', false, is_html, html},
    {0x7f, true, is_elf, "a program (ELF)"},
    {'%', true, is_pdf_document, pdf},
    {'%', false, is_pdf, pdf},
    {'M', false, is_windows_program, "a program (Windows)"},
    {0xce, false, is_mac_program, "a program (macOS)"},
    {0xcf, false, is_mac_program, "a program (macOS)"},
    {0xca, false, is_java_class, "a Java class"},
    {'#', true, is_script, "a shell script"},
    {'R', false, is_rar, "a RAR archive"},
    {'7', false, is_seven_zip, "a 7z archive"},
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

// The first place of one kind. memchr leaps over what can not begin it.
static void look_for(struct search *search, const struct kind *kind, uint64_t start) {
  struct base_span rest = base_span_slice(search->file, start, search->file.bytes - start);
  while (rest.bytes > 0) {
    const uint8_t *at = memchr(rest.data, kind->first, rest.bytes);
    if (!at) return;
    const size_t skipped = (size_t)(at - rest.data);
    rest = base_span_of(at, rest.bytes - skipped);
    if (kind->matches(rest)) {
      say(search, (uint64_t)(at - search->file.data), kind->what);
      return;
    }
    rest = base_span_of(at + 1, rest.bytes - 1);
  }
}

// A ZIP reader begins at the end: a central directory that is where the record says, counted from the file's start or,
// as in a self-extracting archive, from the archive's.
static bool is_zip_end(struct base_span file, uint64_t offset) {
  const uint8_t *at = file.data + offset;
  const uint64_t comment_bytes = inspect_le16(at + 20), directory_bytes = inspect_le32(at + 12);
  if (!inspect_has(file, offset + ZIP_END_BYTES, comment_bytes) || directory_bytes > offset) return false;
  if (inspect_le16(at + 10) == 0 || directory_bytes < 46) return false;
  return inspect_begins(base_span_slice(file, offset - directory_bytes, 4), "PK\1\2", 4);
}

static void look_for_zip_end(struct search *search) {
  const struct base_span file = search->file;
  if (file.bytes < ZIP_END_BYTES) return;
  const uint64_t last = file.bytes - ZIP_END_BYTES;
  const uint64_t first = last > ZIP_MAX_COMMENT ? last - ZIP_MAX_COMMENT : 0;
  for (uint64_t at = last + 1; at-- > first;) {
    if (file.data[at] != 'P' || !inspect_begins(base_span_slice(file, at, 4), "PK\5\6", 4)) continue;
    if (is_zip_end(file, at)) {
      say(search, at, zip_archive);
      return;
    }
  }
}

static void look_for_pdf(struct search *search) {
  for (size_t at = 0; at < PDF_HEAD_BYTES && at < search->file.bytes; at++) {
    if (is_pdf(base_span_slice(search->file, at, 8))) {
      say(search, at, pdf);
      return;
    }
  }
}

// The picture's first bytes as JavaScript: a name, then a comment or an assignment that hides the rest. What the bytes
// are in the picture, a length or a size, no real file has there.
static void look_for_javascript(struct search *search) {
  const struct base_span file = search->file;
  const uint8_t *at = file.data;
  bool is_script = false;
  if (inspect_begins(file, "GIF8", 4) && inspect_has(file, 0, 10)) {
    // The width: 10,799 or 12,093 for the comment or the assignment.
    is_script = memcmp(at + 6, "/*", 2) == 0 || memcmp(at + 6, "=/", 2) == 0 || memcmp(at + 6, "=1;", 3) == 0;
  } else if (inspect_begins(file, "BM", 2) && inspect_has(file, 0, 6)) {
    is_script = memcmp(at + 2, "/*", 2) == 0 || memcmp(at + 2, "=/*", 3) == 0 || memcmp(at + 2, "=1;", 3) == 0;
    is_script = is_script && inspect_le32(at + 2) != file.bytes;
  } else if (inspect_begins(file, "\xff\xd8\xff\xe0", 4) && inspect_has(file, 0, 6)) {
    is_script = memcmp(at + 4, "/*", 2) == 0;
  }
  if (is_script && memmem(at, file.bytes, "*/", 2) != NULL) say(search, 0, "JavaScript");
}

void inspect_polyglot(struct inspect_walk *walk, uint64_t end) {
  struct search search = {.walk = walk, .file = walk->file};
  const uint64_t trailing = base_min_u64(end, walk->file.bytes);
  look_for_javascript(&search);
  look_for_pdf(&search);
  look_for_zip_end(&search);
  for (size_t i = 0; i < KIND_COUNT; i++) look_for(&search, &kinds[i], kinds[i].is_anywhere ? 0 : trailing);
}
