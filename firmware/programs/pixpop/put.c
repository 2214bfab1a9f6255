#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "complain.h"
#include "put_file.h"

enum { DEFAULT_PARALLEL = 3, MAX_PARALLEL = 16, MIN_CHUNK_BYTES = 64 << 10, MAX_CHUNK_BYTES = 1 << 30 };

static const char page[] =
    "pixpop put - upload pictures\n"
    "\n"
    "Usage: pixpop [OPTIONS] put FILE...\n"
    "\n"
    "Uploads each file as an original and prints a line with its id and its URL, in the order of the files. A picture\n"
    "that the box has already keeps its id and costs nothing on it. While files move, a bar on stderr shows how far they\n"
    "are; where stderr is no terminal, one line a file says how long it took. What the box's inspection found worth an\n"
    "alert is said too (pixpop show ID has all of it); a file that it refuses is named with the rule.\n"
    "\n"
    "A file goes in chunks (tus 1.0), each of which the box keeps once it has it: a broken connection, a busy or a\n"
    "restarted box is tried again 3 times, after 1, 3 and 5 seconds, and goes on where it was. So does the next\n"
    "'pixpop put' of the same file after Ctrl-C or a crash. What is needed for that is remembered in\n"
    "$XDG_STATE_HOME/pixpop (~/.local/state/pixpop) and forgotten when the file has changed. A file that fails is said\n"
    "and the others go on.\n"
    "\n"
    "Options:\n"
    "      --chunk SIZE         bytes a chunk, such as 512K or 5M (the default); K, M and G count by 1024\n"
    "      --parallel N         files that move at the same time, 1 to 16 (3)\n"
    "      --no-resume          begin anew, and remember nothing\n"
    "      --multipart          send each file as one form instead: nothing of it is kept if that breaks off\n"
    "      --quiet              say nothing but what fails\n"
    "      --json               print one JSON object a file: file, id, url, bytes, resumed_at, alerts\n"
    "\n"
    "Examples:\n"
    "  pixpop --token-file token put photo.jpg\n"
    "  pixpop --token-file token put *.jpg | cut -f1        # the ids\n"
    "  pixpop uploads                                       # what is still unfinished on the box\n"
    "\n"
    "Exit status: 0 all files are stored, 1 at least one is not, 2 wrong usage\n";

// "512K", "5M", "5MiB", "1000000".
static bool parse_size(const char *text, uint64_t *out) {
  static const char units[] = "KMG";
  struct base_span number = base_span_text(text);
  const size_t digits = strspn(text, "0123456789");
  const char *unit = text[digits] != '\0' ? strchr(units, text[digits]) : NULL;
  if (text[digits] != '\0' && unit == NULL) return false;
  if (unit != NULL && text[digits + 1] != '\0' && strcmp(text + digits + 1, "iB") != 0) return false;
  number.bytes = digits;
  if (!base_span_to_u64(number, out) || *out > MAX_CHUNK_BYTES) return false;
  if (unit != NULL) *out <<= 10 * (unit - units + 1);
  return *out >= MIN_CHUNK_BYTES && *out <= MAX_CHUNK_BYTES;
}

static bool parse_count(const char *text, uint64_t *out) {
  return base_span_to_u64(base_span_text(text), out) && *out >= 1 && *out <= MAX_PARALLEL;
}

// --- Ctrl-C ---

static const char *volatile last_words;

static void say_how_to_go_on(int number) {
  const char *words = last_words;
  if (words != NULL && write(STDERR_FILENO, words, strlen(words)) < 0) words = NULL;
  raise(number);  // blocked until this returns; then with its default action
}

// What is needed to go on lies on the disk before a byte is sent, so there is nothing to do but to say so.
static void watch_signals(bool is_terminal) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction action = {.sa_handler = say_how_to_go_on, .sa_flags = (int)SA_RESETHAND};
  sigemptyset(&action.sa_mask);
  last_words = is_terminal ? "\r\x1b[Kpixpop: stopped; run the same command again to go on where it was\n"
                           : "pixpop: stopped; run the same command again to go on where it was\n";
  for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
    struct sigaction old;
    if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(numbers[i], &action, NULL);
  }
}

// --- all files ---

struct lane {
  struct put *put;
  struct remote remote;
  pthread_t thread;
  bool is_running;
};

static void *run_lane(void *argument) {
  struct lane *lane = argument;
  size_t at;
  while (put_next(lane->put, &at)) put_file(lane->put, &lane->remote, at);
  return NULL;
}

// The calling thread has the first remote; the others get connections of their own.
static void run_lanes(struct put *put, struct remote *first, size_t count) {
  struct lane lanes[MAX_PARALLEL] = {0};
  struct base_fault fault = {0};
  if (count > put->options->word_count) count = put->options->word_count;
  for (size_t i = 1; i < count; i++) {
    struct lane *lane = &lanes[i];
    lane->put = put;
    lane->is_running = remote_open_beside(put->options, first, &lane->remote, &fault) == BASE_OK &&
                       pthread_create(&lane->thread, NULL, run_lane, lane) == 0;
  }
  lanes[0].put = put;
  size_t at;
  while (put_next(put, &at)) put_file(put, first, at);
  for (size_t i = 1; i < count; i++) {
    if (lanes[i].is_running) pthread_join(lanes[i].thread, NULL);
    remote_close(&lanes[i].remote);
  }
}

static uint64_t sum_of_sizes(const struct options *options) {
  uint64_t sum = 0;
  struct stat info;
  for (size_t i = 0; i < options->word_count; i++) {
    if (stat(options->words[i], &info) == 0 && S_ISREG(info.st_mode)) sum += (uint64_t)info.st_size;
  }
  return sum;
}

static int put_all(struct put *put, struct remote *remote, size_t parallel) {
  const struct options *options = put->options;
  put->results = calloc(options->word_count, sizeof(*put->results));
  if (put->results == NULL) {
    fputs("pixpop: memory is short\n", stderr);
    return EXIT_FAILED;
  }
  if (!options->no_resume && !options->multipart) {
    resume_sweep();
    watch_signals(isatty(STDERR_FILENO) == 1);
  }
  tally_begin(&put->tally, options->word_count, options->words[0], sum_of_sizes(options), options->quiet);
  run_lanes(put, remote, parallel);
  tally_end(&put->tally);
  const int status = put_finish(put);
  free(put->results);
  return status;
}

static int run(const struct options *options) {
  struct put put = {.options = options, .chunk_bytes = TRANSFER_DEFAULT_CHUNK_BYTES};
  uint64_t parallel = DEFAULT_PARALLEL;
  if (options->chunk != NULL && !parse_size(options->chunk, &put.chunk_bytes))
    return complain_usage("put", "--chunk is a size from 64K to 1G");
  if (options->parallel != NULL && !parse_count(options->parallel, &parallel))
    return complain_usage("put", "--parallel is a number from 1 to %d", MAX_PARALLEL);
  struct remote remote;
  struct base_fault fault = {0};
  int status;
  if (remote_open_console(options, &remote, &fault) != BASE_OK)
    status = complain_fault(NULL, &fault);
  else
    status = put_all(&put, &remote, (size_t)parallel);
  remote_close(&remote);
  return status;
}

const struct command command_put = {"put", "upload pictures; prints the id and URL of each", page, "FILE", 1, SIZE_MAX,
                                    run};
