// pixpop-rescue: the system for when no other one starts (arguments.c says what it does).
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "base/file.h"
#include "clients.h"
#include "lwip/timeouts.h"
#include "secure.h"
#include "stack.h"
#include "tls/tls.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_REBOOT = 10 };
enum { TURN_MS = 100, LOOK_MS = 1000, FAREWELL_MS = 1000, KEPT_LOG_BYTES = 32 * 1024, MAX_PATH_BYTES = 256 };

static volatile sig_atomic_t is_stopping;

static void stop(int number) {
  (void)number;
  is_stopping = 1;
}

struct rescue {
  struct arguments arguments;
  struct network_config network_config;
  struct api api;
  struct clients *clients;
  char fingerprint[TLS_FINGERPRINT_CHARS + 1];
  bool has_changed;  // an address: to be shown
};

static enum base_result open_log(struct rescue *rescue, struct base_fault *fault) {
  struct base_log_config config = {.fd = 2, .level = BASE_LOG_INFO, .kept_bytes = KEPT_LOG_BYTES};
  if (rescue->arguments.log != NULL) {
    config.fd = open(rescue->arguments.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (config.fd < 0) return BASE_FAIL_ERRNO(fault, rescue->arguments.log, "the log can not be opened");
  }
  rescue->api.log = base_log_create(&config);
  return rescue->api.log != NULL ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the log");
}

static void path_in_state(const struct rescue *rescue, const char *name, char out[MAX_PATH_BYTES]) {
  snprintf(out, MAX_PATH_BYTES, "%s/%s", rescue->arguments.state, name);
}

// When the silence began that gives the slots their tries back: a crash of this program does not begin it anew.
static void recall_start(struct rescue *rescue) {
  char path[MAX_PATH_BYTES], text[32];
  struct base_buffer kept;
  const uint64_t now_ms = base_clock_ms(rescue->api.clock);
  uint64_t since_ms;
  path_in_state(rescue, "since", path);
  if (base_file_read(path, sizeof text, &kept, NULL) != BASE_OK ||
      !base_span_to_u64(base_buffer_span(&kept), &since_ms) || since_ms > now_ms) {
    since_ms = now_ms;
    snprintf(text, sizeof text, "%llu", (unsigned long long)now_ms);
    if (base_file_replace_durably(path, base_span_text(text), 0600, NULL) != BASE_OK)
      base_log_write(rescue->api.log, BASE_LOG_WARN, "rescue", NULL, "%s can not be written", path);
  }
  base_buffer_finish(&kept);
  rescue->api.started_ms = rescue->api.used_ms = since_ms;
}

// The device's own key and certificate when they can be used, else new ones.
static enum base_result open_identity(struct rescue *rescue, struct altcp_tls_config **out, struct base_fault *fault) {
  char own[MAX_PATH_BYTES], local[NETWORK_MAX_HOST_NAME + 8];
  const char *const names[] = {local, rescue->arguments.host_name};
  const char *path = rescue->arguments.identity;
  struct base_fault why = {0};
  bool is_new;
  snprintf(local, sizeof local, "%s.local", rescue->arguments.host_name);
  if (path != NULL && tls_identity_fingerprint(path, rescue->fingerprint, &why) == BASE_OK)
    return secure_create(path, out, fault);
  if (path != NULL) base_log_fault(rescue->api.log, BASE_LOG_WARN, "tls", NULL, &why);
  path_in_state(rescue, "identity.pem", own);
  enum base_result result = tls_identity_ensure(own, names, 2, &is_new, fault);
  if (result == BASE_OK) result = tls_identity_fingerprint(own, rescue->fingerprint, fault);
  return result == BASE_OK ? secure_create(own, out, fault) : result;
}

static void address_changed(void *self) {
  struct rescue *rescue = self;
  rescue->has_changed = true;
}

// What people at the console need.
static void show(struct rescue *rescue) {
  char code[BASE_CODE_TEXT + 1];
  struct base_buffer text;
  base_buffer_init(&text, 4096);
  network_write_addresses(rescue->api.network, &text);
  struct base_span rest = base_buffer_span(&text);
  base_code_write(rescue->api.access.code, code);
  printf("\npixpop rescue\n");
  bool has_page = false;
  while (rest.bytes > 0) {
    struct base_span address = base_span_cut(&rest, '\n');
    const bool is_6 = memchr(address.data, ':', address.bytes) != NULL;
    if (base_span_starts_with(address, "fe80:")) continue;  // no browser takes a link-local one
    has_page = true;
    printf("  page         https://%s%.*s%s/\n", is_6 ? "[" : "", (int)address.bytes, (const char *)address.data,
           is_6 ? "]" : "");
  }
  if (!has_page) printf("  page         no address yet\n");
  printf("  or           https://%s.local/\n  code         %s\n  fingerprint  %s\n", rescue->arguments.host_name, code,
         rescue->fingerprint);
  fflush(stdout);
  base_buffer_finish(&text);
}

static enum base_result start(struct rescue *rescue, struct base_fault *fault) {
  const struct arguments *arguments = &rescue->arguments;
  struct api *api = &rescue->api;
  struct altcp_tls_config *tls = NULL;
  char code_path[MAX_PATH_BYTES];
  if (strlen(arguments->state) + sizeof "/identity.pem.tmp" > MAX_PATH_BYTES)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "--state", "the path is too long");
  api->arguments = arguments;
  api->clock = base_clock_system();
  enum base_result result = open_log(rescue, fault);
  if (result == BASE_OK) result = base_folder_make(arguments->state, fault);
  if (result != BASE_OK) return result;
  base_watchdog_init(&api->watchdog, arguments->watchdog, BASE_WATCHDOG_EVERY_MS, api->log);
  recall_start(rescue);
  path_in_state(rescue, "code", code_path);
  result = access_init(&api->access, code_path, api->clock, fault);
  if (result == BASE_OK) result = open_identity(rescue, &tls, fault);
  if (result != BASE_OK) return result;
  state_init(&api->state, arguments->bootenv, arguments->board_file, arguments->data, arguments->running == NULL,
             api->log);

  struct install_config install = {.state = &api->state,
                                   .keys = arguments->keys,
                                   .board = arguments->board,
                                   .running = arguments->running,
                                   .log = api->log};
  memcpy(install.devices, arguments->devices, sizeof install.devices);
  result = install_create(&install, &api->install, fault);
  if (result != BASE_OK) return result;
  rescue->network_config = (struct network_config){.host_name = arguments->host_name,
                                                   .interfaces = arguments->interfaces,
                                                   .is_fixed = arguments->is_fixed,
                                                   .address = arguments->address,
                                                   .mask = arguments->mask,
                                                   .gateway = arguments->gateway,
                                                   .log = api->log,
                                                   .changed = address_changed,
                                                   .self = rescue};
  result = network_create(&rescue->network_config, &api->network, fault);
  return result == BASE_OK ? clients_create(api, tls, &rescue->clients, fault) : result;
}

// Waits for frames, timers and the installing thread.
static void wait_for_work(struct rescue *rescue) {
  struct pollfd fds[NETWORK_MAX_PORTS + 1];
  size_t count = network_fill_poll(rescue->api.network, fds);
  fds[count] = (struct pollfd){.fd = install_wake_fd(rescue->api.install), .events = POLLIN};
  const u32_t sleep_ms = sys_timeouts_sleeptime();
  if (poll(fds, count + 1, sleep_ms < TURN_MS ? (int)sleep_ms : TURN_MS) > 0 && (fds[count].revents & POLLIN))
    install_take_wake(rescue->api.install);
}

static int serve(struct rescue *rescue) {
  uint64_t looked_ms = 0, farewell_ms = 0;
  rescue->has_changed = true;
  while (!is_stopping) {
    wait_for_work(rescue);
    (void)network_receive(rescue->api.network);
    sys_check_timeouts();
    base_watchdog_tend(&rescue->api.watchdog, base_clock_ms(rescue->api.clock));
    clients_step(rescue->clients);
    const uint64_t now_ms = base_clock_ms(rescue->api.clock);
    if (rescue->api.wants_reboot && farewell_ms == 0) farewell_ms = now_ms;
    if (farewell_ms != 0 && now_ms - farewell_ms > FAREWELL_MS) return EXIT_REBOOT;
    if (now_ms - looked_ms < LOOK_MS) continue;
    looked_ms = now_ms;
    network_look(rescue->api.network);
    api_look(&rescue->api);
    if (rescue->has_changed) show(rescue);
    rescue->has_changed = false;
  }
  return 0;
}

int main(int argc, char **argv) {
  static struct rescue rescue;
  struct base_fault fault = {0};
  const struct sigaction action = {.sa_handler = stop};
  enum base_result result = arguments_parse(argc, argv, &rescue.arguments, &fault);
  if (result == BASE_OK && rescue.arguments.action == ARGUMENTS_HELP) {
    arguments_print_help();
    return 0;
  }
  if (result == BASE_OK && rescue.arguments.action == ARGUMENTS_VERSION) {
    puts("pixpop-rescue " PIXPOP_VERSION);
    return 0;
  }
  if (result == BASE_OK) {
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    stack_init();
    result = start(&rescue, &fault);
  }
  if (result != BASE_OK) {
    fprintf(stderr, "pixpop-rescue: %s%s%s\n", fault.subject, fault.subject[0] ? ": " : "", fault.text);
    return result == BASE_BAD_INPUT ? EXIT_USAGE : EXIT_FAILED;
  }
  const int status = serve(&rescue);
  base_watchdog_finish(&rescue.api.watchdog, status == EXIT_REBOOT);
  return status;
}
