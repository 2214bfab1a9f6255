#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client/client.h"
#include "command.h"
#include "complain.h"
#include "remote.h"
#include "url_sign.h"
#include "variant_path.h"

enum { MAX_EXPIRES_S = 10 * 366 * 24 * 3600 };

static const char page[] =
    "pixpop url - print the URL of a variant\n"
    "\n"
    "Usage: pixpop [--delivery URL] url ID [NAME=VALUE...]\n"
    "       pixpop [OPTIONS] url --sign [--expires TIME] ID [NAME=VALUE...]\n"
    "       pixpop [OPTIONS] url --iiif [--sign [--expires TIME]] ID\n"
    "       pixpop [OPTIONS] url --imgproxy [--sign [--expires TIME]] ID [OPTION:ARGUMENT...]\n"
    "\n"
    "The options are those of the delivery side, for example w=400 h=300 fit=cover fm=webp q=75 dpr=2 rot=90.\n"
    "Unsigned, a box lets through what its policy says: by default widths of its ladder (160, 320, 400, 480, 640 ...)\n"
    "with any fm, and nothing else. Everything else must be signed.\n"
    "\n"
    "  --sign            sign the URL: here, when a key is given, which needs no box; else by the console, with the\n"
    "                    first of the tenant's sign_keys (needs --token-file or PIXPOP_TOKEN)\n"
    "  --expires TIME    good for so long: 90s, 30m, 1h, 7d\n"
    "  --key KEY         the key; hexadecimal after 'hex:', and always for --imgproxy\n"
    "  --salt SALT       the salt that goes with it, in the same way\n"
    "  --iiif            the picture's IIIF Image API 3.0 address, for viewers; what is signed opens all of the picture\n"
    "  --imgproxy        a URL in imgproxy's way, with its options: rs:fill:300:300 g:no q:75 f:webp\n"
    "\n"
    "Others on the machine can see what is on a command line. Better, the key stands in the environment:\n"
    "  PIXPOP_SIGN_KEY       KEY:SALT, as in sign_keys\n"
    "  PIXPOP_IMGPROXY_KEY   KEY:SALT in hexadecimal, as in imgproxy_keys; imgproxy's URLs are only signed here\n"
    "\n"
    "Examples:\n"
    "  pixpop url 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU w=400 fm=webp\n"
    "  pixpop url --sign --expires 1h 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU w=1234 fit=cover h=500\n"
    "  PIXPOP_SIGN_KEY=secret-key:tenant-a pixpop url --sign 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU w=800\n"
    "    .../i/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU?w=800&sig=qnTdXnr0d8_jBVzhcEntXVWZeiYeIvtF2pqIHnohP0E\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage\n";

static enum base_result read_duration(const char *text, int64_t *out, struct base_fault *fault) {
  static const struct {
    char letter;
    uint32_t seconds;
  } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
  struct base_span number = base_span_text(text);
  uint64_t count = 0, unit = 1;
  for (size_t i = 0; number.bytes > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
    if (number.data[number.bytes - 1] != units[i].letter) continue;
    unit = units[i].seconds;
    number.bytes--;
    break;
  }
  if (!base_span_to_u64(number, &count) || count == 0 || count > MAX_EXPIRES_S / unit)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "expires", "--expires wants a time such as 90s, 30m, 1h or 7d");
  *out = (int64_t)(count * unit);
  return BASE_OK;
}

// The console signs: it has the key, and knows the box's public URL.
static int sign_by_console(const struct options *options, int64_t expires_in_s) {
  struct base_buffer path;
  struct base_fault fault = {0};
  struct remote console = {0};
  struct client_response response = {0};
  struct base_json *json = NULL;
  int status = EXIT_FINE;
  base_buffer_init(&path, VARIANT_PATH_LIMIT);
  enum base_result result = url_write_question(options, expires_in_s, &path, &fault);
  if (result != BASE_OK) {
    status = complain_usage("url", "%s", fault.text);
    goto out;
  }
  result = remote_open_console(options, &console, &fault);
  if (result != BASE_OK) {
    status = complain_fault(NULL, &fault);
    goto out;
  }
  status = remote_ask_json(&console, (const char *)path.data, &response, &json);
  if (status != EXIT_FINE) goto out;
  const char *url = base_json_as_string(base_json_get(base_json_root(json), "signed_url"));
  if (url != NULL) {
    printf("%s\n", url);
  } else {
    (void)BASE_FAIL(&fault, BASE_CONFLICT, "sign_keys",
                    "the box has no sign_keys for this tenant: set them in its configuration under [tenant NAME]");
    status = complain_fault(NULL, &fault);
  }
out:
  base_json_destroy(&json);
  client_response_finish(&response);
  remote_close(&console);
  base_buffer_finish(&path);
  return status;
}

// Without a box: only the syntax is checked.
static int print_offline(const struct options *options, const struct recipe_sign_key *key, int64_t expires_s) {
  struct base_buffer path;
  struct base_fault fault = {0};
  struct client *client = NULL;
  int status = EXIT_FINE;
  base_buffer_init(&path, VARIANT_PATH_LIMIT);
  // Creating a client connects to nothing and checks the base URL.
  enum base_result result = client_create(&(struct client_config){.base_url = options->delivery_url}, &client, &fault);
  if (result == BASE_OK) result = url_write_path(options, key, expires_s, &path, &fault);
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

static int run(const struct options *options) {
  struct base_fault fault = {0};
  struct recipe_sign_key key;
  bool has_key = false;
  int64_t expires_in_s = 0;
  if (options->iiif && options->imgproxy) return complain_usage("url", "--iiif and --imgproxy do not go together");
  if (!options->sign && (options->expires != NULL || options->key != NULL || options->salt != NULL))
    return complain_usage("url", "--expires, --key and --salt want --sign");
  if (!options->sign) return print_offline(options, NULL, 0);
  enum base_result result = BASE_OK;
  if (options->expires != NULL) result = read_duration(options->expires, &expires_in_s, &fault);
  if (result == BASE_OK) result = url_read_key(options, &key, &has_key, &fault);
  if (result != BASE_OK) return complain_usage("url", "%s", fault.text);
  if (!has_key && options->imgproxy)
    return complain_usage("url", "imgproxy's URLs are signed here: set PIXPOP_IMGPROXY_KEY=KEY:SALT in hexadecimal");
  if (!has_key) return sign_by_console(options, expires_in_s);
  const int64_t expires_s = expires_in_s > 0 ? base_clock_wall_s(base_clock_system()) + expires_in_s : 0;
  const int status = print_offline(options, &key, expires_s);
  explicit_bzero(&key, sizeof(key));
  return status;
}

const struct command command_url = {"url", "print the URL of a variant, signed or not", page, "ID", 1, SIZE_MAX, run};
