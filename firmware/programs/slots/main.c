// pixpop-slots: shows and changes the slots' state in a partition or a file. For the image's build, which makes the
// first state with it, for the tests, and for whoever stands before a box that does not start.
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "slots/grub.h"

enum { EXIT_FINE, EXIT_FAILED, EXIT_USAGE, MAX_WORDS = 2 };

static const char USAGE[] =
    "pixpop-slots - shows and changes which of the two system slots boots\n"
    "\n"
    "Usage: pixpop-slots FILE COMMAND [WORDS]\n"
    "\n"
    "FILE is the partition \"bootenv\" (/dev/disk/by-partlabel/bootenv), or a file in its place.\n"
    "\n"
    "Commands:\n"
    "  show                print the state as the boot loader would find it now\n"
    "  reset [MARK]        forget everything: both slots get MARK (bad, untried or good; bad)\n"
    "  bad SLOT [force]    SLOT (A or B) is not booted; the other one has to be bootable, or 'force'\n"
    "  written SLOT VER    SLOT holds version VER, not yet tried, and is the next one\n"
    "  good SLOT [FLOOR]   SLOT has proven healthy; nothing older than FLOOR is installed from now on\n"
    "  choose SLOT         SLOT is the next one, with all its tries; not below the floor\n"
    "  rescue on|off       the next boot is the rescue system's, once\n"
    "  rearm               all tries again for slots that are not bad\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage.\n"
    "\n"
    "A new disk:\n"
    "  pixpop-slots bootenv.img reset && pixpop-slots bootenv.img written A 1.0.0\n";

struct task {
  const struct slots_loader *loader;
  const char *words[MAX_WORDS];  // NULL behind the last
  struct base_fault *fault;
};

static enum base_result refuse(const struct task *task, const char *word, const char *text) {
  return BASE_FAIL(task->fault, BASE_BAD_INPUT, "", "'%.40s' is %s", word, text);
}

static enum base_result slot_of(const struct task *task, enum slots_id *out) {
  if (slots_parse_name(task->words[0], out)) return BASE_OK;
  return refuse(task, task->words[0], "no slot: A or B");
}

static enum base_result show(const struct task *task) {
  struct slots_state state;
  enum base_result result = task->loader->load(task->loader->self, &state, task->fault);
  if (result != BASE_OK) return result;
  enum slots_id next;
  printf("next      %s\n", slots_next(&state, &next) ? slots_name(next) : "rescue");
  for (enum slots_id id = SLOTS_A; id < SLOTS_COUNT; id++) {
    const struct slots_slot *slot = &state.slots[id];
    printf("slot %s    %s, %u tries, version %s%s\n", slots_name(id), slots_mark_name(slot->mark), slot->tries,
           slot->version[0] != '\0' ? slot->version : "-", id == state.first ? ", first" : "");
  }
  printf("rescue    %s\n", state.wants_rescue ? "asked for" : "-");
  printf("floor     %s\n", state.floor[0] != '\0' ? state.floor : "-");
  printf("sequence  %" PRIu64 "\n", state.sequence);
  return BASE_OK;
}

static enum base_result reset(const struct task *task) {
  enum slots_mark mark = SLOTS_BAD;
  struct slots_state state;
  if (task->words[0] != NULL && !slots_parse_mark(task->words[0], &mark)) {
    return refuse(task, task->words[0], "no mark: bad, untried or good");
  }
  slots_reset(&state, mark);
  return task->loader->store(task->loader->self, &state, task->fault);
}

static enum base_result bad(const struct task *task) {
  enum slots_id id;
  bool is_forced = task->words[1] != NULL;
  if (is_forced && strcmp(task->words[1], "force") != 0) return refuse(task, task->words[1], "not 'force'");
  enum base_result result = slot_of(task, &id);
  return result != BASE_OK ? result : slots_mark_bad(task->loader, id, is_forced, task->fault);
}

static enum base_result written(const struct task *task) {
  enum slots_id id;
  enum base_result result = slot_of(task, &id);
  return result != BASE_OK ? result : slots_mark_written(task->loader, id, task->words[1], task->fault);
}

static enum base_result good(const struct task *task) {
  enum slots_id id;
  const char *floor = task->words[1] != NULL ? task->words[1] : "";
  enum base_result result = slot_of(task, &id);
  return result != BASE_OK ? result : slots_mark_good(task->loader, id, floor, task->fault);
}

static enum base_result choose(const struct task *task) {
  enum slots_id id;
  enum base_result result = slot_of(task, &id);
  return result != BASE_OK ? result : slots_choose(task->loader, id, task->fault);
}

static enum base_result rescue(const struct task *task) {
  bool is_wanted = strcmp(task->words[0], "on") == 0;
  if (!is_wanted && strcmp(task->words[0], "off") != 0) return refuse(task, task->words[0], "neither 'on' nor 'off'");
  return slots_ask_rescue(task->loader, is_wanted, task->fault);
}

static enum base_result rearm(const struct task *task) { return slots_rearm(task->loader, task->fault); }

static const struct command {
  const char *name;
  int min_words, max_words;
  bool is_reading;
  enum base_result (*run)(const struct task *task);
} COMMANDS[] = {
    {"show", 0, 0, true, show},        {"reset", 0, 1, false, reset}, {"bad", 1, 2, false, bad},
    {"written", 2, 2, false, written}, {"good", 1, 2, false, good},   {"choose", 1, 1, false, choose},
    {"rescue", 1, 1, false, rescue},   {"rearm", 0, 0, false, rearm},
};

static const struct command *find(const char *name) {
  for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(*COMMANDS); i++) {
    if (strcmp(COMMANDS[i].name, name) == 0) return &COMMANDS[i];
  }
  return NULL;
}

static int complain(const char *text) {
  fprintf(stderr, "pixpop-slots: %s; see pixpop-slots --help\n", text);
  return EXIT_USAGE;
}

static int run(const char *path, const struct command *command, const struct task *words) {
  struct slots_grub grub = {.fd = open(path, (command->is_reading ? O_RDONLY : O_RDWR) | O_CLOEXEC)};
  if (grub.fd < 0) return perror(path), EXIT_FAILED;
  // pixpop-system and pixpop-rescue hold it while they install or change something.
  if (!command->is_reading && slots_grub_lock(&grub) != BASE_OK) {
    fprintf(stderr, "pixpop-slots: %s: another program changes the slots\n", path);
    base_fd_close(&grub.fd);
    return EXIT_FAILED;
  }
  struct base_fault fault = {0};
  struct slots_loader loader = slots_grub_loader(&grub);
  struct task task = *words;
  task.loader = &loader;
  task.fault = &fault;
  enum base_result result = command->run(&task);
  base_fd_close(&grub.fd);
  if (result == BASE_OK) return EXIT_FINE;
  fprintf(stderr, "pixpop-slots: %s: %s\n", path, fault.text);
  return result == BASE_BAD_INPUT ? EXIT_USAGE : EXIT_FAILED;
}

int main(int argc, char **argv) {
  if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
    return fputs(USAGE, stdout), EXIT_FINE;
  if (argc < 3) return complain(argc < 2 ? "FILE is missing" : "COMMAND is missing");
  const struct command *command = find(argv[2]);
  if (command == NULL) return complain("there is no such command");
  if (argc - 3 < command->min_words) return complain("a word is missing");
  if (argc - 3 > command->max_words) return complain("there are too many words");
  struct task words = {0};
  for (int i = 3; i < argc; i++) words.words[i - 3] = argv[i];
  return run(argv[1], command, &words);
}
