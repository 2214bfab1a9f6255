#include "arguments.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "pixpopd - the image CDN node: uploads on the console, variants on the delivery side\n"
    "\n"
    "Usage: pixpopd [OPTIONS]\n"
    "\n"
    "Options:\n"
    "  -c, --config FILE        read this configuration file (default: embedded defaults)\n"
    "  -d, --data DIR           folder for everything the box keeps (pixpop.data)\n"
    "      --resampler KIND     auto, vulkan or cpu: what resamples pictures (render.resampler)\n"
    "      --device NAME        Vulkan device: an index or a part of its name (render.device)\n"
    "  -s, --set SECTION.KEY=V  override one setting; may be repeated\n"
    "      --starting-file FILE made anew at start; gets longer while a long start goes on\n"
    "      --list-devices       print the Vulkan devices and exit\n"
    "      --print-config       print a complete, commented configuration file and exit\n"
    "      --check-config       read the configuration, say whether it is right, and exit\n"
    "      --new-ledger         put the ledger of a stopped box aside, so that the next start begins another, and exit\n"
    "  -V, --version            print the version and exit\n"
    "  -h, --help               print this and exit\n"
    "\n"
    "Without settings the box keeps its data in /var/lib/pixpop and listens on 127.0.0.1 only: the console\n"
    "on port 8443 (TLS), the delivery side on port 8080. To open it to others, set console.listen,\n"
    "delivery.listen and delivery.public_url; for HTTPS on the delivery side, set delivery.tls_listen.\n"
    "\n"
    "Signals:\n"
    "  SIGTERM, SIGINT   stop: finish the requests in flight, then exit\n"
    "  SIGHUP            read the configuration again (keys marked 'reload' in --print-config) and the certificates\n"
    "  SIGUSR2           start again in place, with the program and configuration that lie there now: requests in\n"
    "                    flight finish, and clients of the delivery side that come meanwhile wait\n"
    "\n"
    "Exit status:\n"
    "  0  stopped as asked       3  no usable Vulkan device, where one is asked for\n"
    "  1  failed                 4  an address or the data folder is in use\n"
    "  2  wrong usage or configuration\n"
    "\n"
    "At the first start the box makes a token and a certificate in the data folder and prints the\n"
    "token once; `pixpop --help` shows how to upload with it.\n";

void arguments_print_help(void) { fputs(help, stdout); }

// What an option does with its value.
static enum base_result take(struct arguments *arguments, const char *name, const char *value,
                             struct base_fault *fault) {
  const char *override = value;
  if (strcmp(name, "--config") == 0) {
    arguments->config_path = value;
    return BASE_OK;
  }
  if (strcmp(name, "--starting-file") == 0) {
    arguments->starting_path = value;
    return BASE_OK;
  }
  if (strcmp(name, "--data") == 0) {
    snprintf(arguments->data_override, sizeof(arguments->data_override), "pixpop.data=%s", value);
    override = arguments->data_override;
  } else if (strcmp(name, "--device") == 0) {
    snprintf(arguments->device_override, sizeof(arguments->device_override), "render.device=%s", value);
    override = arguments->device_override;
  } else if (strcmp(name, "--resampler") == 0) {
    snprintf(arguments->resampler_override, sizeof(arguments->resampler_override), "render.resampler=%s", value);
    override = arguments->resampler_override;
  }
  if (arguments->override_count == ARGUMENTS_MAX_OVERRIDES)
    return BASE_FAIL(fault, BASE_BAD_INPUT, name, "more than %d overrides", ARGUMENTS_MAX_OVERRIDES);
  arguments->overrides[arguments->override_count++] = override;
  return BASE_OK;
}

enum base_result arguments_parse(int argc, char **argv, struct arguments *out, struct base_fault *fault) {
  static const struct {
    const char *name, *letter;
    bool has_value;
    enum arguments_action action;
  } options[] = {
      {"--config", "-c", true, ARGUMENTS_RUN},
      {"--data", "-d", true, ARGUMENTS_RUN},
      {"--device", "", true, ARGUMENTS_RUN},
      {"--resampler", "", true, ARGUMENTS_RUN},
      {"--set", "-s", true, ARGUMENTS_RUN},
      {"--starting-file", "", true, ARGUMENTS_RUN},
      {"--list-devices", "", false, ARGUMENTS_LIST_DEVICES},
      {"--print-config", "", false, ARGUMENTS_PRINT_CONFIG},
      {"--check-config", "", false, ARGUMENTS_CHECK_CONFIG},
      {"--new-ledger", "", false, ARGUMENTS_NEW_LEDGER},
      {"--version", "-V", false, ARGUMENTS_VERSION},
      {"--help", "-h", false, ARGUMENTS_HELP},
  };
  memset(out, 0, sizeof(*out));
  for (int i = 1; i < argc; i++) {
    const char *equals = argv[i][0] == '-' && argv[i][1] == '-' ? strchr(argv[i], '=') : NULL;
    struct base_span word = base_span_of(argv[i], equals ? (size_t)(equals - argv[i]) : strlen(argv[i]));
    size_t found = 0;
    while (found < sizeof(options) / sizeof(options[0]) && !base_span_is(word, options[found].name) &&
           !(options[found].letter[0] && base_span_is(word, options[found].letter)))
      found++;
    if (found == sizeof(options) / sizeof(options[0]))
      return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "'%s' is not understood; see pixpopd --help", argv[i]);
    if (!options[found].has_value) {
      if (equals) return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "%s takes no value", options[found].name);
      out->action = options[found].action;
      continue;
    }
    const char *value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
    if (value == NULL) return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "%s wants a value", options[found].name);
    if (strlen(value) >= SETTINGS_MAX_TEXT)
      return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "the value of %s is too long", options[found].name);
    enum base_result result = take(out, options[found].name, value, fault);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}

enum base_result arguments_load_settings(const struct arguments *arguments, struct settings *out,
                                         struct base_fault *fault) {
  enum base_result result = BASE_OK;
  if (arguments->config_path != NULL)
    result = settings_load(arguments->config_path, out, fault);
  else
    settings_defaults(out);
  for (size_t i = 0; i < arguments->override_count && result == BASE_OK; i++)
    result = settings_override(out, arguments->overrides[i], fault);
  return result;
}
