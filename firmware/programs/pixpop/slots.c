#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "appliance.h"
#include "command.h"
#include "complain.h"
#include "terminal.h"

enum { VERSION_COLUMNS = 16, MARK_COLUMNS = 10, MAX_TEXT = 320 };

static const char page[] =
    "pixpop slots - show and choose the system that an appliance boots\n"
    "\n"
    "Usage: pixpop [OPTIONS] slots [--json]\n"
    "       pixpop [OPTIONS] slots choose A|B\n"
    "       pixpop [OPTIONS] slots rescue\n"
    "       pixpop [OPTIONS] slots reboot\n"
    "\n"
    "An appliance has two whole systems, in slot A and slot B: one runs, the other one takes the next update. A slot is\n"
    "  good      it has come up healthy\n"
    "  untried   it was written whole and has not come up yet\n"
    "  bad       empty, being written, or given up: it is never booted\n"
    "Each boot takes one of a slot's 3 tries, and coming up healthy gives them back; a slot without tries is left for\n"
    "the other one, and when neither can boot the rescue system starts.\n"
    "\n"
    "  (nothing) prints both slots, what boots next, and how an update is getting on\n"
    "  choose    boots that slot next, and from then on; what runs goes on until a restart (reboot)\n"
    "  rescue    the next boot, and only that, is the rescue system's (choose takes it back)\n"
    "  reboot    restarts the box and waits until it is back and healthy\n"
    "\n"
    "Without --console (and PIXPOP_CONSOLE) on the appliance itself: asks its system program, without a token.\n"
    "\n"
    "Options:\n"
    "      --json               print the box's own answer\n"
    "      --socket PATH        where the system program listens (/run/pixpop/system.sock)\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage\n";

static bool is(const char *text, const char *other) { return strcmp(text, other) == 0; }

static void print_slot(const struct base_json_value *slot, const struct appliance_state *state) {
  char clean[APPLIANCE_MAX_NAME];
  const char *name = remote_text_of(slot, "name"), *version = remote_text_of(slot, "version");
  const bool runs = is(name, state->running), is_next = is(name, state->next);
  printf("%-5s ", terminal_clean(name, clean, sizeof(clean)));
  terminal_print_padded(terminal_clean(version[0] != '\0' ? version : "-", clean, sizeof(clean)), VERSION_COLUMNS);
  terminal_print_padded(terminal_clean(remote_text_of(slot, "mark"), clean, sizeof(clean)), MARK_COLUMNS);
  printf("%5" PRId64, remote_integer_of(slot, "tries"));
  printf("%s%s%s\n", runs ? "  runs" : "", runs && is_next ? ", " : is_next ? "  " : "", is_next ? "boots next" : "");
}

static void print_text(const char *label, const struct base_json_value *root, const char *key) {
  char clean[MAX_TEXT];
  const char *text = base_json_as_string(base_json_get(root, key));
  if (text != NULL && text[0] != '\0') printf("%-11s %s\n", label, terminal_clean(text, clean, sizeof(clean)));
}

static void print_health(const struct base_json_value *root) {
  char health[APPLIANCE_MAX_NAME], text[MAX_TEXT];
  const char *why = remote_text_of(root, "health_text");
  terminal_clean(remote_text_of(root, "health"), health, sizeof(health));
  terminal_clean(is(why, "-") ? "" : why, text, sizeof(text));
  printf("%-11s %s%s%s\n", "health", health, text[0] != '\0' ? ": " : "", text);
}

static void print_update(const struct base_json_value *root) {
  char version[APPLIANCE_MAX_NAME], phase[APPLIANCE_MAX_NAME], done[TERMINAL_SIZE_CHARS], total[TERMINAL_SIZE_CHARS];
  const char *name = remote_text_of(root, "phase");
  terminal_clean(remote_text_of(root, "installing"), version, sizeof(version));
  terminal_clean(name, phase, sizeof(phase));
  const int64_t done_bytes = remote_integer_of(root, "done"), total_bytes = remote_integer_of(root, "total");
  if (is(name, "reading"))
    printf("%-11s arriving\n", "update");
  else if (is(name, "writing") || is(name, "checking"))
    printf("%-11s %s: %s, %s of %s\n", "update", version, phase,
           terminal_size(done_bytes > 0 ? (uint64_t)done_bytes : 0, done),
           terminal_size(total_bytes > 0 ? (uint64_t)total_bytes : 0, total));
  else if (is(name, "failed"))
    print_text("update", root, "failure");
}

static void print_next(const struct appliance_state *state) {
  if (is(state->next, "rescue"))
    puts("next boot   the rescue system");
  else if (!is(state->next, state->running))
    puts("next boot   another slot than the one that runs: pixpop slots reboot");
}

static int show(struct appliance *appliance) {
  struct base_fault fault = {0};
  if (appliance_ask(appliance, &fault) != BASE_OK) return appliance_complain(appliance, NULL, &fault);
  const struct base_json_value *root = base_json_root(appliance->json);
  if (appliance->options->json) {
    printf("%.*s\n", (int)appliance->text.bytes, appliance->text.data);
    return EXIT_FINE;
  }
  struct appliance_state state;
  appliance_get_state(appliance, &state);
  print_text("board", root, "board");
  print_health(root);
  print_text("floor", root, "floor");
  print_update(root);
  print_next(&state);
  printf("\n%-5s %-*s%-*s%5s\n", "SLOT", VERSION_COLUMNS, "VERSION", MARK_COLUMNS, "STATE", "TRIES");
  const struct base_json_value *slots = base_json_get(root, "slots");
  for (size_t i = 0; i < base_json_length(slots); i++) print_slot(base_json_at(slots, i), &state);
  return EXIT_FINE;
}

static int tell(struct appliance *appliance, enum appliance_order order, const char *done) {
  const int status = appliance_tell(appliance, order);
  if (status == EXIT_FINE) puts(done);
  return status;
}

static int work(struct appliance *appliance, const char *what, const char *slot) {
  if (what == NULL) return show(appliance);
  if (is(what, "reboot")) return appliance_restart(appliance);
  if (is(what, "rescue"))
    return tell(appliance, APPLIANCE_RESCUE, "the next boot is the rescue system's (pixpop slots reboot)");
  if (is(slot, "A")) return tell(appliance, APPLIANCE_CHOOSE_A, "slot A boots next (pixpop slots reboot)");
  return tell(appliance, APPLIANCE_CHOOSE_B, "slot B boots next (pixpop slots reboot)");
}

static int run(const struct options *options) {
  const char *what = options->word_count > 0 ? options->words[0] : NULL;
  const char *slot = options->word_count > 1 ? options->words[1] : NULL;
  const bool is_choice = what != NULL && is(what, "choose");
  if (what != NULL && !is_choice && !is(what, "rescue") && !is(what, "reboot"))
    return complain_usage("slots", "'%s' is none of choose, rescue, reboot", what);
  if (is_choice && (slot == NULL || (!is(slot, "A") && !is(slot, "B"))))
    return complain_usage("slots", "choose wants A or B");
  if (!is_choice && slot != NULL) return complain_usage("slots", "'%s' is too much", slot);
  struct appliance appliance;
  int status = appliance_open(options, &appliance);
  if (status == EXIT_FINE) status = work(&appliance, what, slot);
  appliance_close(&appliance);
  return status;
}

const struct command command_slots = {"slots", "show and choose the system that an appliance boots", page, NULL, 0, 2,
                                      run};
