#include "old_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"

enum { HEAD_BYTES = 96, DIGEST_AT = 64, LARGEST_FILE = 1 << 20 };

void old_record_head(unsigned kind, struct base_span meta, struct base_span body, struct base_buffer *out) {
  uint8_t head[HEAD_BYTES] = {'p', 'i', 'x', 'p', 'o', 'p', 0x1a, 0x0a, 1, 0, (uint8_t)kind, 0};
  struct integrity_digest digest;
  for (size_t i = 0; i < 4; i++) head[12 + i] = (uint8_t)(meta.bytes >> (8 * i));
  for (size_t i = 0; i < 8; i++) head[16 + i] = (uint8_t)((uint64_t)body.bytes >> (8 * i));
  integrity_digest_of(body, &digest);
  memcpy(head + 32, digest.bytes, sizeof digest.bytes);
  const struct base_span covered[] = {base_span_of(head, DIGEST_AT), meta};
  integrity_digest_pieces(covered, 2, head + DIGEST_AT);
  assert_int_equal(base_buffer_append(out, head, sizeof head), BASE_OK);
  assert_int_equal(base_buffer_append(out, meta.data, meta.bytes), BASE_OK);
}

void old_record_write(const char *path, unsigned kind, struct base_span meta, struct base_span body) {
  struct base_buffer file;
  base_buffer_init(&file, LARGEST_FILE);
  old_record_head(kind, meta, body, &file);
  assert_int_equal(base_buffer_append(&file, body.data, body.bytes), BASE_OK);
  FILE *out = fopen(path, "w");
  assert_non_null(out);
  assert_int_equal(fwrite(file.data, 1, file.bytes, out), file.bytes);
  assert_int_equal(fclose(out), 0);
  base_buffer_finish(&file);
}

void old_record_convert(const char *path) {
  struct base_buffer file;
  struct store_record record;
  uint64_t body_at;
  assert_int_equal(base_file_read(path, LARGEST_FILE, &file, NULL), BASE_OK);
  const struct base_span bytes = base_buffer_span(&file);
  assert_int_equal(store_record_read_head(bytes, bytes.bytes, &record, &body_at, NULL), BASE_OK);
  assert_int_equal(record.format, 2);
  old_record_write(path, record.kind, record.meta, base_span_slice(bytes, (size_t)body_at, (size_t)record.body_bytes));
  base_buffer_finish(&file);
}
