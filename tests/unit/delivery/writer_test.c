#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"

enum { PAGED_BYTES = 300000, HEAP_BYTES = 70000, FILE_BYTES = 50000, FROM = 1000, SMALL_BUFFER = 4096 };
#define HEAD "HTTP/1.1 200 OK\r\n\r\n"

struct rig {
  struct base_arena *arena;
  struct base_blob *paged, *heap;
  struct http_file *file;
  uint8_t file_bytes[FILE_BYTES];
  struct http_reply reply;
  struct writer writer;
  struct transport transport;
  int client;
  uint8_t received[1 << 20];
  size_t received_bytes;
};
static struct rig rig;

static void fill(uint8_t *bytes, size_t count, unsigned seed) {
  for (size_t i = 0; i < count; i++) bytes[i] = (uint8_t)((i + seed) * 2654435761U >> 13);
}

static struct base_blob *make_blob(size_t bytes, unsigned seed) {
  struct base_blob *blob = base_blob_create(bytes);
  assert_non_null(blob);
  fill(blob->data, bytes, seed);
  return blob;
}

static int start(void **state) {
  (void)state;
  struct base_fault fault = {0};
  const struct base_arena_config config = {.capacity_bytes = PAGED_BYTES};  // room for one
  memset(&rig, 0, sizeof rig);
  assert_int_equal(base_arena_create(&config, &rig.arena, &fault), BASE_OK);
  rig.paged = base_arena_move_in(rig.arena, make_blob(PAGED_BYTES, 1));
  assert_true(rig.paged->fd >= 0);
  rig.heap = make_blob(HEAP_BYTES, 2);
  fill(rig.file_bytes, FILE_BYTES, 3);
  const int fd = memfd_create("file", MFD_CLOEXEC);
  assert_int_equal(write(fd, rig.file_bytes, FILE_BYTES), FILE_BYTES);
  rig.file = http_file_create(fd);
  int pair[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
  rig.transport.fd = pair[0];
  rig.client = pair[1];
  http_reply_init(&rig.reply, 200);
  signal(SIGPIPE, SIG_IGN);  // the loops' threads block it
  return 0;
}

static int end(void **state) {
  (void)state;
  delivery_writer_finish(&rig.writer);
  http_reply_finish(&rig.reply);
  close(rig.transport.fd);
  if (rig.client >= 0) close(rig.client);
  base_blob_unref(&rig.paged);
  base_blob_unref(&rig.heap);
  http_file_unref(&rig.file);
  base_arena_destroy(&rig.arena);
  return 0;
}

static void begin(void) {
  static const char head[] = HEAD;
  delivery_writer_init(&rig.writer, base_span_text(head), &rig.reply, true);
}

static void receive_some(size_t at_most) {
  const ssize_t got = recv(rig.client, rig.received + rig.received_bytes, at_most, 0);
  if (got > 0) rig.received_bytes += (size_t)got;
}

// Flushes and reads in turns until everything has gone; returns how often the writer was blocked.
static unsigned flush_all(size_t read_bytes) {
  unsigned blocked = 0;
  uint64_t sent = 0;
  enum writer_state state;
  while ((state = delivery_writer_flush(&rig.writer, &rig.transport, &sent)) == WRITER_BLOCKED) {
    assert_true(delivery_writer_keep(&rig.writer));
    receive_some(read_bytes);
    blocked++;
  }
  assert_int_equal(state, WRITER_DONE);
  const size_t expected = strlen(HEAD) + (size_t)rig.reply.body_bytes;
  assert_int_equal(sent, expected);
  while (rig.received_bytes < expected) {
    const size_t before = rig.received_bytes;
    receive_some(sizeof rig.received - rig.received_bytes);
    assert_true(rig.received_bytes > before);
  }
  assert_int_equal(rig.received_bytes, expected);
  assert_memory_equal(rig.received, HEAD, strlen(HEAD));
  return blocked;
}

static void pages_heap_and_file_arrive_in_order_when_the_client_reads_slowly(void **state) {
  (void)state;
  const int small = SMALL_BUFFER;
  assert_int_equal(setsockopt(rig.transport.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
  http_reply_add_blob(&rig.reply, base_blob_ref(rig.heap), FROM, HEAP_BYTES - FROM);
  http_reply_add_blob(&rig.reply, base_blob_ref(rig.paged), FROM, PAGED_BYTES - 2 * FROM);
  http_reply_add_blob(&rig.reply, base_blob_ref(rig.paged), FROM, FROM);  // too small for pages
  http_reply_add_file(&rig.reply, http_file_ref(rig.file), FROM, FILE_BYTES - FROM);
  http_reply_add_blob(&rig.reply, base_blob_ref(rig.heap), 0, 1);
  begin();
  assert_true(flush_all(SMALL_BUFFER) > 10);
  const uint8_t *at = rig.received + strlen(HEAD);
  assert_memory_equal(at, rig.heap->data + FROM, HEAP_BYTES - FROM);
  at += HEAP_BYTES - FROM;
  assert_memory_equal(at, rig.paged->data + FROM, PAGED_BYTES - 2 * FROM);
  at += PAGED_BYTES - 2 * FROM;
  assert_memory_equal(at, rig.paged->data + FROM, FROM);
  at += FROM;
  assert_memory_equal(at, rig.file_bytes + FROM, FILE_BYTES - FROM);
  at += FILE_BYTES - FROM;
  assert_int_equal(*at, rig.heap->data[0]);
}

static void bytes_are_right_when_the_blob_was_replaced_before_the_client_reads(void **state) {
  (void)state;
  const int large = 4 * PAGED_BYTES;
  static uint8_t expected[PAGED_BYTES];
  (void)setsockopt(rig.transport.fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
  memcpy(expected, rig.paged->data, PAGED_BYTES);
  http_reply_add_blob(&rig.reply, rig.paged, 0, PAGED_BYTES);
  rig.paged = NULL;
  begin();
  uint64_t sent = 0;
  const enum writer_state first = delivery_writer_flush(&rig.writer, &rig.transport, &sent);
  assert_int_not_equal(first, WRITER_FAILED);
  assert_true(sent > strlen(HEAD));
  // The client reads only after the pages' place has another blob.
  http_reply_drop_body(&rig.reply);
  rig.paged = base_arena_move_in(rig.arena, make_blob(PAGED_BYTES, 9));
  assert_true(rig.paged->fd >= 0);
  while (rig.received_bytes < sent) {
    const size_t before = rig.received_bytes;
    receive_some(sizeof rig.received - before);
    assert_true(rig.received_bytes > before);
  }
  assert_memory_equal(rig.received + strlen(HEAD), expected, (size_t)sent - strlen(HEAD));
}

static void the_writer_fails_when_a_file_is_shorter_than_promised(void **state) {
  (void)state;
  uint64_t sent = 0;
  http_reply_add_file(&rig.reply, http_file_ref(rig.file), FILE_BYTES - 10, 20);
  begin();
  assert_int_equal(delivery_writer_flush(&rig.writer, &rig.transport, &sent), WRITER_FAILED);
  assert_int_equal(sent, strlen(HEAD) + 10);
}

static void the_writer_fails_when_the_client_has_gone(void **state) {
  (void)state;
  uint64_t sent = 0;
  close(rig.client);
  rig.client = -1;
  http_reply_add_blob(&rig.reply, base_blob_ref(rig.paged), 0, PAGED_BYTES);
  begin();
  assert_int_equal(delivery_writer_flush(&rig.writer, &rig.transport, &sent), WRITER_FAILED);
}

#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      RIG_TEST(pages_heap_and_file_arrive_in_order_when_the_client_reads_slowly),
      RIG_TEST(bytes_are_right_when_the_blob_was_replaced_before_the_client_reads),
      RIG_TEST(the_writer_fails_when_a_file_is_shorter_than_promised),
      RIG_TEST(the_writer_fails_when_the_client_has_gone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
