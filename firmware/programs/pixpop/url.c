#include <stdint.h>
#include <stdio.h>

#include "client/client.h"
#include "command.h"
#include "complain.h"
#include "variant_path.h"

static const char page[] =
    "pixpop url - print the URL of a variant\n"
    "\n"
    "Usage: pixpop [--delivery URL] url ID [NAME=VALUE...]\n"
    "\n"
    "Works without a box: only the syntax is checked. The options are those of the delivery side, for example\n"
    "w=400 h=300 fit=cover fm=webp q=75 dpr=2 rot=90.\n"
    "\n"
    "Example:\n"
    "  pixpop url 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU w=400 fm=webp\n"
    "\n"
    "Exit status: 0 done, 2 wrong usage\n";

static int run(const struct options *options) {
  struct base_buffer path;
  struct base_fault fault = {0};
  struct client *client = NULL;
  int status = EXIT_FINE;
  base_buffer_init(&path, VARIANT_PATH_LIMIT);
  // Creating a client connects to nothing and checks the base URL.
  enum base_result result = client_create(&(struct client_config){.base_url = options->delivery_url}, &client, &fault);
  if (result == BASE_OK) result = variant_path_write(options->words, options->word_count, &path, &fault);
  if (result != BASE_OK) {
    status = complain_usage("url", "%s", fault.text);
  } else {
    struct base_span base = base_span_text(options->delivery_url);
    while (base.bytes > 0 && base.data[base.bytes - 1] == '/') base.bytes--;
    printf("%.*s%.*s\n", (int)base.bytes, base.data, (int)path.bytes, path.data);
  }
  client_destroy(&client);
  base_buffer_finish(&path);
  return status;
}

const struct command command_url = {"url", "print the URL of a variant, offline", page, "ID", 1, SIZE_MAX, run};
