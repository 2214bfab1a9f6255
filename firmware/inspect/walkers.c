// Which walker a file gets, and what files without one are.
#include <string.h>

#include "structure.h"

// In the order they are asked: formats with a strong signature first, TGA (which has none) last.
static const struct inspect_walker *const walkers[] = {
    &inspect_jpeg, &inspect_png, &inspect_webp, &inspect_gif, &inspect_heic, &inspect_avif,
    &inspect_tiff, &inspect_psd, &inspect_bmp,  &inspect_pnm, &inspect_tga,
};

const struct inspect_walker *inspect_walker_for(struct base_span file) {
  for (size_t i = 0; i < sizeof walkers / sizeof *walkers; i++) {
    if (walkers[i]->matches(file)) return walkers[i];
  }
  return NULL;
}

struct signature {
  const char *bytes;
  uint16_t offset, count;
  const char *name;
};
#define SIGNATURE(offset, bytes, name) \
  { (bytes), (offset), sizeof(bytes) - 1, (name) }

static const struct signature signatures[] = {
    SIGNATURE(0, "%PDF-", "a PDF"),
    SIGNATURE(0, "%!PS", "PostScript"),
    SIGNATURE(0, "PK\3\4", "a ZIP archive (or an office document)"),
    SIGNATURE(0, "PK\5\6", "a ZIP archive"),
    SIGNATURE(0, "\x1F\x8B", "gzip"),
    SIGNATURE(0, "BZh", "bzip2"),
    SIGNATURE(0,
              "\xFD"
              "7zXZ",
              "xz"),
    SIGNATURE(0, "7z\xBC\xAF\x27\x1C", "a 7z archive"),
    SIGNATURE(0, "Rar!", "a RAR archive"),
    SIGNATURE(0, "\x28\xB5\x2F\xFD", "zstd"),
    SIGNATURE(257, "ustar", "a tar archive"),
    SIGNATURE(0,
              "\x7F"
              "ELF",
              "a program (ELF)"),
    SIGNATURE(0, "MZ", "a program (Windows)"),
    SIGNATURE(0, "\xCF\xFA\xED\xFE", "a program (macOS)"),
    SIGNATURE(0, "\0asm", "a program (WebAssembly)"),
    SIGNATURE(0, "#!", "a script"),
    SIGNATURE(0, "\xFF\x0A", "JPEG XL"),
    SIGNATURE(0, "\0\0\0\x0CJXL ", "JPEG XL"),
    SIGNATURE(0, "\0\0\0\x0CjP  ", "JPEG 2000"),
    SIGNATURE(0, "\xFF\x4F\xFF\x51", "JPEG 2000"),
    SIGNATURE(0, "\0\0\1\0", "a Windows icon"),
    SIGNATURE(0, "\x8AMNG", "MNG"),
    SIGNATURE(1, "PNG", "a PNG file that was damaged on its way"),
    SIGNATURE(0, "8BPS\0\2", "a large Photoshop document (PSB)"),
    SIGNATURE(0, "gimp xcf", "a GIMP document"),
    SIGNATURE(0, "FUJIFILM", "a raw photograph"),
    SIGNATURE(8, "AVI ", "an AVI film"),
    SIGNATURE(8, "WAVE", "WAVE sound"),
    SIGNATURE(4, "ftyp", "a film or picture in an ISO base media file (MP4, MOV, CR3 ...)"),
    SIGNATURE(0, "\x1A\x45\xDF\xA3", "a film (Matroska, WebM)"),
    SIGNATURE(0, "OggS", "Ogg"),
    SIGNATURE(0, "fLaC", "FLAC sound"),
    SIGNATURE(0, "ID3", "MP3 sound"),
    SIGNATURE(0, "SQLite format 3", "an SQLite database"),
    SIGNATURE(0, "\xD0\xCF\x11\xE0", "an old office document"),
    SIGNATURE(0, "{\\rtf", "RTF"),
};

static bool has_text(struct base_span head, const char *text) {
  return memmem(head.data, head.bytes, text, strlen(text)) != NULL;
}

// Whether `text` (lower case) stands at the front, in any case.
static bool begins_nocase(struct base_span head, const char *text) {
  return base_span_is_nocase(base_span_slice(head, 0, strlen(text)), text);
}

// What text content is; NULL when it is no text.
static const char *text_name(struct base_span file) {
  enum { LOOK_BYTES = 1024 };
  struct base_span head = base_span_slice(file, 0, LOOK_BYTES);
  if (inspect_begins(head, "\xEF\xBB\xBF", 3)) head = base_span_slice(head, 3, head.bytes);
  for (size_t i = 0; i < head.bytes; i++) {
    uint8_t c = head.data[i];
    if (c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f') return NULL;
  }
  while (head.bytes > 0 && head.data[0] <= ' ') head = base_span_slice(head, 1, head.bytes);
  if (head.bytes == 0) return "empty but for white space";
  if (has_text(head, "<?php")) return "PHP";
  if (has_text(head, "<svg")) return "SVG";
  if (begins_nocase(head, "<!doctype html") || begins_nocase(head, "<html") || begins_nocase(head, "<head") ||
      begins_nocase(head, "<body") || begins_nocase(head, "<script")) {
    return "HTML";
  }
  if (begins_nocase(head, "<?xml")) return "XML";
  if (head.data[0] == '<') return "HTML or XML";
  if (head.data[0] == '{' || head.data[0] == '[') return "text (JSON, perhaps)";
  return "text";
}

const char *inspect_content_name(struct base_span file) {
  if (file.bytes == 0) return "empty";
  for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
    const struct signature *signature = &signatures[i];
    if (inspect_begins(base_span_slice(file, signature->offset, file.bytes), signature->bytes, signature->count)) {
      return signature->name;
    }
  }
  return text_name(file);
}
