#include "arguments.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/span.h"
#include "update/agent.h"

static const char help[] =
    "pixpop-system - the one program of an appliance that may change its system\n"
    "\n"
    "Usage: pixpop-system [OPTIONS]\n"
    "\n"
    "Answers pixpopd and `pixpop` at a Unix socket: installs updates, chooses the slot, reboots, powers off,\n"
    "keeps the network's settings. Proves the running slot healthy once after each start, goes back to the\n"
    "other one when a new one is not, and feeds the hardware watchdog while pixpopd answers.\n"
    "\n"
    "Who may ask:\n"
    "      --socket PATH            where to listen (/run/pixpop/system.sock)\n"
    "      --user NAME              who may ask beside root and this program's own user (pixpop)\n"
    "The box:\n"
    "      --board-file FILE        lines \"board NAME\", \"version V\", \"floor V\" (/etc/pixpop/board)\n"
    "      --slot A|B               what runs (pixpop.slot= of /proc/cmdline)\n"
    "      --bootenv DEVICE         the boot loader's memory (/dev/disk/by-partlabel/bootenv)\n"
    "      --boot-a, --boot-b, --root-a, --root-b DEVICE\n"
    "                               the slots' partitions (/dev/disk/by-partlabel/bootA ...), or files\n"
    "      --keys FOLDER            public keys that updates may be signed with (/etc/pixpop/update-keys)\n"
    "      --data FOLDER            network.conf and factory-reset lie there (/data/system)\n"
    "Health:\n"
    "      --health URL             has to answer 200; again for more (https://127.0.0.1:8443/healthz)\n"
    "      --health-ca FILE         the certificate (PEM) of https URLs (/data/system/tls.pem)\n"
    "      --probe PROGRAM          asks the URLs and makes a variant, as --user (pixpop-probe beside this program)\n"
    "      --probe-timeout TIME     for one variant (60s)\n"
    "      --every TIME             between two looks (5s)\n"
    "      --gate TIME              a slot on trial that is not healthy by then is given up (300s)\n"
    "      --patience TIME          without an answer of --health the box is started again (60s)\n"
    "      --grace TIME             the same, before the first answer (180s)\n"
    "      --starting-file FILE     while pixpopd makes it longer the time before the first answer has not begun\n"
    "                               (/run/pixpopd/starting)\n"
    "      --watchdog DEVICE        fed while all is well; \"\": none (/dev/watchdog)\n"
    "Programs:\n"
    "      --network-program FILE   called \"check FILE\", then \"apply FILE\" (/usr/lib/pixpop/network)\n"
    "      --reboot-program FILE    (/sbin/reboot)\n"
    "      --poweroff-program FILE  (/sbin/poweroff)\n"
    "  -V, --version                print the version and exit\n"
    "  -h, --help                   print this and exit\n"
    "\n"
    "TIME is a number with ms or s. Exit status: 0 ended by SIGTERM, 1 failed, 2 wrong usage\n";

void arguments_print_help(void) { fputs(help, stdout); }

#define FIELD(field) offsetof(struct arguments, field)

enum kind { TEXT, TIME, HEALTH, SWITCH };
static const struct option {
  const char *name, *letter;
  enum kind kind;
  size_t offset;
} options[] = {{"--socket", "", TEXT, FIELD(socket)},
               {"--user", "", TEXT, FIELD(user)},
               {"--board-file", "", TEXT, FIELD(board_file)},
               {"--slot", "", TEXT, FIELD(slot)},
               {"--bootenv", "", TEXT, FIELD(bootenv)},
               {"--boot-a", "", TEXT, FIELD(boot_a)},
               {"--boot-b", "", TEXT, FIELD(boot_b)},
               {"--root-a", "", TEXT, FIELD(root_a)},
               {"--root-b", "", TEXT, FIELD(root_b)},
               {"--keys", "", TEXT, FIELD(keys)},
               {"--data", "", TEXT, FIELD(data)},
               {"--health", "", HEALTH, 0},
               {"--health-ca", "", TEXT, FIELD(health_ca)},
               {"--probe", "", TEXT, FIELD(probe)},
               {"--probe-timeout", "", TIME, FIELD(probe_timeout_ms)},
               {"--every", "", TIME, FIELD(every_ms)},
               {"--gate", "", TIME, FIELD(gate_ms)},
               {"--patience", "", TIME, FIELD(patience_ms)},
               {"--grace", "", TIME, FIELD(grace_ms)},
               {"--starting-file", "", TEXT, FIELD(starting_file)},
               {"--watchdog", "", TEXT, FIELD(watchdog)},
               {"--network-program", "", TEXT, FIELD(network_program)},
               {"--reboot-program", "", TEXT, FIELD(reboot_program)},
               {"--poweroff-program", "", TEXT, FIELD(poweroff_program)},
               {"--version", "-V", SWITCH, FIELD(wants_version)},
               {"--help", "-h", SWITCH, FIELD(wants_help)}};
enum { OPTION_COUNT = sizeof(options) / sizeof(*options), MAX_TIME_S = 86400 };

static bool parse_time(const char *text, unsigned *out) {
  struct base_span span = base_span_text(text);
  const bool is_ms = span.bytes > 2 && strcmp(text + span.bytes - 2, "ms") == 0;
  uint64_t value;
  if (span.bytes < 2 || text[span.bytes - 1] != 's') return false;
  span.bytes -= is_ms ? 2 : 1;
  if (!base_span_to_u64(span, &value) || value == 0 || value > (is_ms ? MAX_TIME_S * 1000U : MAX_TIME_S)) return false;
  *out = (unsigned)(is_ms ? value : value * 1000);
  return true;
}

static enum base_result take(struct arguments *out, const struct option *option, const char *value,
                             struct base_fault *fault) {
  void *field = (char *)out + option->offset;
  if (option->kind == TIME && !parse_time(value, field))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "%s wants a time such as 60s, not '%s'", option->name, value);
  if (option->kind == HEALTH && out->health_count == ARGUMENTS_MAX_HEALTH)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "%s more than %d times", option->name, ARGUMENTS_MAX_HEALTH);
  if (option->kind == HEALTH) out->health[out->health_count++] = value;
  if (option->kind == TEXT) *(const char **)field = value;
  return BASE_OK;
}

static const struct option *find(struct base_span word) {
  for (size_t i = 0; i < OPTION_COUNT; i++) {
    if (base_span_is(word, options[i].name) || (options[i].letter[0] && base_span_is(word, options[i].letter)))
      return &options[i];
  }
  return NULL;
}

static void set_defaults(struct arguments *out) {
  *out = (struct arguments){.socket = UPDATE_AGENT_SOCKET,
                            .user = "pixpop",
                            .board_file = "/etc/pixpop/board",
                            .bootenv = "/dev/disk/by-partlabel/bootenv",
                            .boot_a = "/dev/disk/by-partlabel/bootA",
                            .boot_b = "/dev/disk/by-partlabel/bootB",
                            .root_a = "/dev/disk/by-partlabel/rootA",
                            .root_b = "/dev/disk/by-partlabel/rootB",
                            .keys = "/etc/pixpop/update-keys",
                            .data = "/data/system",
                            .health_ca = "/data/system/tls.pem",
                            .network_program = "/usr/lib/pixpop/network",
                            .starting_file = "/run/pixpopd/starting",
                            .watchdog = "/dev/watchdog",
                            .reboot_program = "/sbin/reboot",
                            .poweroff_program = "/sbin/poweroff",
                            .probe_timeout_ms = 60000,
                            .every_ms = 5000,
                            .gate_ms = 300000,
                            .patience_ms = 60000,
                            .grace_ms = 180000};
}

enum base_result arguments_parse(int argc, char **argv, struct arguments *out, struct base_fault *fault) {
  set_defaults(out);
  for (int i = 1; i < argc; i++) {
    const char *equals = strncmp(argv[i], "--", 2) == 0 ? strchr(argv[i], '=') : NULL;
    const struct option *option =
        find(base_span_of(argv[i], equals != NULL ? (size_t)(equals - argv[i]) : strlen(argv[i])));
    if (option == NULL)
      return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "'%s' is not understood; see pixpop-system --help", argv[i]);
    if (option->kind == SWITCH) {
      if (equals != NULL) return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "%s takes no value", option->name);
      *(bool *)((char *)out + option->offset) = true;
      continue;
    }
    const char *value = equals != NULL ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
    if (value == NULL) return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "%s wants a value", option->name);
    const enum base_result result = take(out, option, value, fault);
    if (result != BASE_OK) return result;
  }
  if (out->health_count == 0) out->health[out->health_count++] = "https://127.0.0.1:8443/healthz";
  return BASE_OK;
}
