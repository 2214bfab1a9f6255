#include "api.h"

enum { MAX_DEVICE_JSON = 64 * 1024 };

enum base_result console_device_show(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) {
  const struct console_config *config = &exchange->console->config;
  if (!config->describe_device) return BASE_FAIL(fault, BASE_NOT_FOUND, "", "this box does not tell about its device");
  struct base_buffer text;
  base_buffer_init(&text, MAX_DEVICE_JSON);
  enum base_result result = config->describe_device(config->device_self, &text, fault);
  if (result == BASE_OK) result = console_reply_json(reply, 200, &text, BASE_OK, fault);
  base_buffer_finish(&text);
  return result;
}
