#include "arguments.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "pixpop-rescue - a web page for a box whose system does not start: look, update, reset\n"
    "\n"
    "Usage: pixpop-rescue --state DIR --keys DIR --bootenv DEVICE --board NAME [OPTIONS]\n"
    "\n"
    "It serves HTTPS on port 443 with a network stack of its own, on Ethernet interfaces where the kernel\n"
    "has no address. Who may use the page knows the code that it prints when it starts.\n"
    "\n"
    "Options:\n"
    "      --state DIR          folder for what must outlive a crash of this program: the code, a certificate\n"
    "      --board NAME         the board that an update must be made for\n"
    "      --board-file FILE    what its line \"floor VERSION\" excludes is not installed\n"
    "                           (default /etc/pixpop/board; it need not exist)\n"
    "      --keys DIR           public keys (*.pem) that an update must be signed with one of\n"
    "      --bootenv DEVICE     where the state of the slots is kept\n"
    "      --boot-a DEVICE      boot partition of slot A (also --root-a, --boot-b, --root-b); default\n"
    "                           /dev/disk/by-partlabel/bootA ...\n"
    "      --running A|B        the slot that runs now: it is not written (default: none runs)\n"
    "      --host-name NAME     name in the network, as NAME.local too (default pixpop-rescue)\n"
    "      --interface NAME     use this interface; may be repeated (default: every Ethernet interface)\n"
    "      --address A.B.C.D/N  do not ask for an address (DHCP), have this one\n"
    "      --gateway A.B.C.D    with --address: where other networks are\n"
    "      --identity FILE      private key and certificate, PEM (default: made in the state folder)\n"
    "      --data DIR           the mounted data partition; a factory reset leaves a note in DIR/system\n"
    "      --format PROGRAM     run for a factory reset when that can not be done: makes the partition anew\n"
    "      --rearm SECONDS      without a request for so long, slots that are not bad may be tried again\n"
    "                           (default 600)\n"
    "      --reason WHY         why this system runs: asked, key, or failed: no other one started; then the\n"
    "                           machine is restarted when the slots may be tried again\n"
    "      --watchdog DEVICE    fed while this program works (default: none)\n"
    "      --log FILE           append log lines to FILE, such as /dev/kmsg (default: standard error)\n"
    "  -V, --version            print the version and exit\n"
    "  -h, --help               print this and exit\n"
    "\n"
    "Exit status:\n"
    "  0   stopped (SIGTERM)        2   wrong usage\n"
    "  1   failed: start it again   10  a restart of the machine was asked for\n";

void arguments_print_help(void) { fputs(help, stdout); }

static enum base_result wrong_value(struct base_fault *fault, const char *name, const char *value) {
  return BASE_FAIL(fault, BASE_BAD_INPUT, name, "'%s' is not understood; see pixpop-rescue --help", value);
}

// "192.168.1.20/24"
static bool parse_address(const char *value, struct arguments *out) {
  char text[32];
  uint64_t bits;
  struct base_span rest = base_span_text(value);
  struct base_span address = base_span_cut(&rest, '/');
  if (!base_span_copy(address, text, sizeof text) || !ip4addr_aton(text, &out->address)) return false;
  if (!base_span_to_u64(rest, &bits) || bits < 1 || bits > 31) return false;
  out->mask.addr = lwip_htonl(~(uint32_t)0 << (32 - bits));
  out->is_fixed = true;
  return true;
}

static bool add_interface(const char *name, struct arguments *out) {
  size_t count = 0;
  while (out->interfaces[count] != NULL) count++;
  if (count == NETWORK_MAX_PORTS || name[0] == '\0' || strlen(name) >= IF_NAMESIZE) return false;
  out->interfaces[count] = name;
  return true;
}

static bool is_host_name(const char *name) {
  size_t chars = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
  return chars > 0 && chars <= NETWORK_MAX_HOST_NAME && name[chars] == '\0' && name[0] != '-' && name[chars - 1] != '-';
}

// Options with a meaning of their own; false when the value is wrong.
static bool take_special(const char *name, const char *value, struct arguments *out) {
  enum slots_id running;
  if (strcmp(name, "--interface") == 0) return add_interface(value, out);
  if (strcmp(name, "--address") == 0) return parse_address(value, out);
  if (strcmp(name, "--gateway") == 0) return ip4addr_aton(value, &out->gateway) != 0;
  if (strcmp(name, "--rearm") == 0) return base_span_to_u64(base_span_text(value), &out->rearm_s) && out->rearm_s > 0;
  if (strcmp(name, "--reason") == 0) {
    out->is_after_failure = strcmp(value, "failed") == 0;
    return out->is_after_failure || strcmp(value, "asked") == 0 || strcmp(value, "key") == 0;
  }
  if (strcmp(name, "--running") == 0) {
    out->running = value;
    return slots_parse_name(value, &running);
  }
  out->host_name = value;  // --host-name
  return is_host_name(value);
}

static enum base_result take(const char *name, const char *value, struct arguments *out, struct base_fault *fault) {
  const struct {
    const char *name;
    const char **target;
  } texts[] = {
      {"--state", &out->state},
      {"--board", &out->board},
      {"--board-file", &out->board_file},
      {"--watchdog", &out->watchdog},
      {"--keys", &out->keys},
      {"--bootenv", &out->bootenv},
      {"--identity", &out->identity},
      {"--data", &out->data},
      {"--format", &out->format},
      {"--log", &out->log},
      {"--boot-a", &out->devices[SLOTS_A][UPDATE_BOOT]},
      {"--root-a", &out->devices[SLOTS_A][UPDATE_ROOT]},
      {"--boot-b", &out->devices[SLOTS_B][UPDATE_BOOT]},
      {"--root-b", &out->devices[SLOTS_B][UPDATE_ROOT]},
  };
  static const char *const special[] = {"--interface", "--address", "--gateway",  "--rearm",
                                        "--reason",    "--running", "--host-name"};
  if (value == NULL) return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "%s wants a value", name);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    if (strcmp(name, texts[i].name) != 0) continue;
    *texts[i].target = value;
    return BASE_OK;
  }
  for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
    if (strcmp(name, special[i]) != 0) continue;
    return take_special(name, value, out) ? BASE_OK : wrong_value(fault, name, value);
  }
  return wrong_value(fault, "usage", name);
}

static enum base_result check(const struct arguments *arguments, struct base_fault *fault) {
  const struct {
    const char *name, *value;
  } needed[] = {{"--state", arguments->state},
                {"--board", arguments->board},
                {"--keys", arguments->keys},
                {"--bootenv", arguments->bootenv}};
  for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
    if (needed[i].value == NULL)
      return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "%s is missing; see pixpop-rescue --help", needed[i].name);
  }
  if (!ip4_addr_isany_val(arguments->gateway) && !arguments->is_fixed)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "--gateway goes with --address");
  return BASE_OK;
}

enum base_result arguments_parse(int argc, char **argv, struct arguments *out, struct base_fault *fault) {
  *out = (struct arguments){
      .host_name = "pixpop-rescue",
      .board_file = "/etc/pixpop/board",
      .rearm_s = 600,
      .devices = {{"/dev/disk/by-partlabel/bootA", "/dev/disk/by-partlabel/rootA"},
                  {"/dev/disk/by-partlabel/bootB", "/dev/disk/by-partlabel/rootB"}},
  };
  for (int i = 1; i < argc; i++) {
    const bool is_help = strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
    if (is_help || strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0) {
      out->action = is_help ? ARGUMENTS_HELP : ARGUMENTS_VERSION;
      return BASE_OK;
    }
    if (strncmp(argv[i], "--", 2) != 0) return wrong_value(fault, "usage", argv[i]);
    const char *name = argv[i];
    enum base_result result = take(name, i + 1 < argc ? argv[++i] : NULL, out, fault);
    if (result != BASE_OK) return result;
  }
  return check(out, fault);
}
