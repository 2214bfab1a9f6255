// From whom the ledger takes a token: over TLS from everybody, over plain HTTP from this machine only.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pop/ledger.h"
#include "rig.h"

#define TOKEN "Authorization: Bearer token\r\n"
#define UNKNOWN "/ledger/proof/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"

static unsigned checks;

static enum base_result check(void *self, const struct http_request *request, struct base_fault *fault) {
  (void)self;
  (void)request;
  (void)fault;
  checks++;
  return BASE_OK;
}

static const struct pop_ledger_guard guard = {.check = check};

static int setup(void **state) {
  static struct rig rig;
  rig_open(&rig, &(struct rig_config){.io_threads = 1});
  rig.is_ledger = true;
  pop_ledger_set_guard(rig.pop, &guard);
  checks = 0;
  *state = &rig;
  return 0;
}

static int teardown(void **state) {
  struct rig *rig = *state;
  rig->is_ledger = rig->is_secure = false;
  memset(rig->client, 0, sizeof rig->client);
  rig_close(rig);
  return 0;
}

static void expect(struct rig *rig, const uint8_t client[16], bool is_secure, int status) {
  struct rig_client asking;
  memcpy(rig->client, client, sizeof rig->client);
  rig->is_secure = is_secure;
  rig_send_path(rig, &asking, "GET", UNKNOWN, TOKEN);
  assert_int_equal(rig_receive(&asking), status);
  if (status == 403) rig_assert_body_has(&asking, "plain HTTP");
  rig_client_finish(&asking);
}

static void tokens_over_plain_http_come_from_this_machine(void **state) {
  static const uint8_t local[][16] = {
      {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1},
      {[10] = 0xff, [11] = 0xff, [12] = 127, [13] = 8, [15] = 9},
      {[15] = 1},
  };
  static const uint8_t others[][16] = {
      {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 168, [15] = 1},
      {[10] = 0xff, [11] = 0xff, [12] = 128, [15] = 1},
      {0x20, 0x01, 0x0d, 0xb8, [15] = 1},
      {[12] = 127, [15] = 1},
      {0},
  };
  // Not found: the token was taken, and this store has no ledger.
  for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
    expect(*state, local[i], false, 404);
    expect(*state, local[i], true, 404);
  }
  const unsigned taken = checks;
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) expect(*state, others[i], false, 403);
  assert_int_equal(checks, taken);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) expect(*state, others[i], true, 404);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(tokens_over_plain_http_come_from_this_machine, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
