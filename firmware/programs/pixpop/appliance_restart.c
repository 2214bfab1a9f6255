#include <stdio.h>
#include <string.h>
#include <time.h>

#include "appliance.h"
#include "base/clock.h"
#include "complain.h"
#include "terminal.h"

enum {
  ASK_EVERY_MS = 1000,
  ASK_TIMEOUT_MS = 10000,
  GIVE_UP_MS = 15 * 60 * 1000,  // three boots that fail and the way back take less
};

struct waiting {
  struct appliance *appliance;
  struct appliance_state before, now;
  char said[2 * APPLIANCE_MAX_NAME];  // the last line
  bool is_gone;                       // did not answer since the order
  bool is_back;
};

static void say(struct waiting *waiting, const char *text) {
  char clean[sizeof(waiting->said)];
  terminal_clean(text, clean, sizeof(clean));
  if (strcmp(waiting->said, clean) == 0) return;
  snprintf(waiting->said, sizeof(waiting->said), "%s", clean);
  fprintf(stderr, "%s\n", clean);
}

static void sleep_a_while(void) {
  const struct timespec pause = {.tv_sec = ASK_EVERY_MS / 1000, .tv_nsec = ASK_EVERY_MS % 1000 * 1000000};
  nanosleep(&pause, NULL);
}

static void look(struct waiting *waiting) {
  struct base_fault fault = {0};
  if (appliance_ask(waiting->appliance, &fault) != BASE_OK) {
    waiting->is_gone = true;
    waiting->is_back = false;
    say(waiting, "the box restarts");
    return;
  }
  appliance_get_state(waiting->appliance, &waiting->now);
  const struct appliance_state *before = &waiting->before, *now = &waiting->now;
  const bool has_boot = before->boot[0] != '\0' && now->boot[0] != '\0';
  waiting->is_back = (has_boot ? strcmp(before->boot, now->boot) != 0 : waiting->is_gone) ||
                     strcmp(before->running, now->running) != 0;
}

static bool is_healthy(const struct waiting *waiting) {
  return waiting->is_back && strcmp(waiting->now.health, "good") == 0;
}

static void say_health(struct waiting *waiting) {
  char line[sizeof(waiting->said)];
  const struct appliance_state *now = &waiting->now;
  if (!waiting->is_back) return;
  const char *what = strcmp(now->health, "waiting") == 0 ? "checks itself" : now->health;
  snprintf(line, sizeof(line), "the box is up: version %.40s in slot %.8s, %.40s", now->version, now->running, what);
  say(waiting, line);
}

static int judge(const struct waiting *waiting) {
  char version[APPLIANCE_MAX_NAME], slot[APPLIANCE_MAX_NAME];
  const struct appliance_state *now = &waiting->now;
  terminal_clean(now->version, version, sizeof(version));
  terminal_clean(now->running, slot, sizeof(slot));
  if (strcmp(now->running, waiting->before.next) != 0) {
    fprintf(stderr, "pixpop: slot %.8s did not come up healthy; the box went back to version %s in slot %s\n",
            waiting->before.next, version, slot);
    return EXIT_FAILED;
  }
  printf("the box runs version %s in slot %s and is healthy\n", version, slot);
  return EXIT_FINE;
}

static int wait_for_it(struct waiting *waiting) {
  const uint64_t start_ms = base_clock_ms(base_clock_system());
  while (base_clock_ms(base_clock_system()) - start_ms < GIVE_UP_MS) {
    sleep_a_while();
    look(waiting);
    if (is_healthy(waiting)) return judge(waiting);
    say_health(waiting);
  }
  if (waiting->is_back)
    fprintf(stderr, "pixpop: the box is up and does not become healthy (see pixpop slots)\n");
  else
    fprintf(stderr,
            "pixpop: the box did not come back within %d minutes; a box without a slot that works answers at\n"
            "pixpop: https://HOST/ with its rescue page\n",
            GIVE_UP_MS / 60000);
  return EXIT_FAILED;
}

int appliance_restart(struct appliance *appliance) {
  struct waiting waiting = {.appliance = appliance};
  struct base_fault fault = {0};
  if (appliance_ask(appliance, &fault) != BASE_OK) return appliance_complain(appliance, NULL, &fault);
  appliance_get_state(appliance, &waiting.before);
  int status = appliance_tell(appliance, APPLIANCE_REBOOT);
  if (status != EXIT_FINE) return status;
  if (appliance->socket != NULL) return puts("this machine restarts now"), EXIT_FINE;
  if (strcmp(waiting.before.next, "rescue") == 0)
    return puts("the box restarts into its rescue system, which answers at https://HOST/"), EXIT_FINE;
  // A box that is down must be noticed soon: packets to it are simply lost.
  remote_close(&appliance->remote);
  if (remote_open_patient(appliance->options, ASK_TIMEOUT_MS, &appliance->remote, &fault) != BASE_OK)
    return complain_fault(NULL, &fault);
  say(&waiting, "the box restarts");
  return wait_for_it(&waiting);
}
