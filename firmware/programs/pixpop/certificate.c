#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "command.h"
#include "complain.h"
#include "remote.h"
#include "terminal.h"

enum { MAX_FILES = 9, MAX_PEM_BYTES = 1 << 20, MAX_TEXT_BYTES = 512, COLUMN = 12 };  // the box has a limit of its own

#define NO_END_S INT64_C(253402300799)  // the last second of the year 9999, which is no end (RFC 5280 4.1.2.5)

static const char path[] = "/api/v1/certificate";

static const char page[] =
    "pixpop certificate - show, set or remove the certificate of the box's delivery side\n"
    "\n"
    "Usage: pixpop [OPTIONS] certificate [--json]\n"
    "       pixpop [OPTIONS] certificate --set FILE [FILE...]\n"
    "       pixpop [OPTIONS] certificate --remove\n"
    "\n"
    "The certificate is what visitors see who fetch pictures over HTTPS; the console keeps its own. A new one counts at\n"
    "once and after every start; connections that are open live on.\n"
    "\n"
    "The files are PEM, and together hold one private key without a passphrase (EC P-256, EC P-384, or RSA of 2048 to\n"
    "4096 bits), its certificate, and those of the issuers, in any order; 64 KiB and 8 certificates at most. The box\n"
    "checks that they belong together, that the chain has no gap, and that they are valid now. What is refused changes\n"
    "nothing. The key is in no answer, backup or support bundle.\n"
    "\n"
    "Options:\n"
    "      --set FILE           set the certificate; '-' is standard input\n"
    "      --remove             go back to one that the box makes itself\n"
    "      --json               the box's own answer\n"
    "\n"
    "Examples:\n"
    "  pixpop --token-file token certificate --set fullchain.pem privkey.pem\n"
    "  cat fullchain.pem privkey.pem | pixpop --token-file token certificate --set -\n"
    "\n"
    "As certbot's deploy hook, for every renewal: the file /etc/letsencrypt/renewal-hooks/deploy/pixpop, mode 0755. It\n"
    "sets what it needs, as certbot runs it without a shell's settings; the file of the token has mode 0600:\n"
    "  #!/bin/sh\n"
    "  case $RENEWED_LINEAGE in */img.example.com) ;; *) exit 0 ;; esac\n"
    "  export PIXPOP_CONSOLE=https://BOX:8443 PIXPOP_FINGERPRINT=AB:CD:...\n"
    "  exec pixpop --token-file /etc/letsencrypt/pixpop.token certificate --set \\\n"
    "    \"$RENEWED_LINEAGE/fullchain.pem\" \"$RENEWED_LINEAGE/privkey.pem\"\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage\n";

// --- what the box answers ---

static void print_line(const char *label, const char *text) {
  char clean[MAX_TEXT_BYTES];
  printf("%-*s %s\n", COLUMN, label, terminal_clean(text, clean, sizeof(clean)));
}

static void print_names(const struct base_json_value *certificate) {
  const struct base_json_value *names = base_json_get(certificate, "names");
  const int64_t more = remote_integer_of(certificate, "more_names");
  for (size_t i = 0; i < base_json_length(names); i++) {
    const char *name = base_json_as_string(base_json_at(names, i));
    print_line(i == 0 ? "names" : "", name != NULL ? name : "-");
  }
  if (more > 0) printf("%-*s and %" PRId64 " more\n", COLUMN, "", more);
}

static const char *source_text(const char *source) {
  if (strcmp(source, "self-made") == 0) return "made by the box itself: browsers warn of it";
  return strcmp(source, "settings") == 0 ? "the file that delivery.tls_certificate names" : "given to the box";
}

static void print_certificate(const struct base_json_value *root) {
  const struct base_json_value *certificate = base_json_get(root, "delivery");
  const struct base_json_value *warnings = base_json_get(certificate, "warnings");
  const char *advice = base_json_as_string(base_json_get(root, "advice"));
  const int64_t days = remote_integer_of(certificate, "days_left");
  const int64_t end_s = remote_integer_of(certificate, "not_after_s");
  char end[TERMINAL_TIME_CHARS];
  if (!base_json_is_object(certificate)) {
    puts("delivery has no TLS: set delivery.tls_listen");
    return;
  }
  print_names(certificate);
  print_line("source", source_text(remote_text_of(certificate, "source")));
  print_line("issuer", remote_text_of(certificate, "issuer"));
  print_line("key", remote_text_of(certificate, "key"));
  printf("%-*s %" PRId64 "\n", COLUMN, "chain", remote_integer_of(certificate, "chain"));
  if (end_s >= NO_END_S) {
    print_line("valid until", "no end");
  } else {
    printf("%-*s %s, %" PRId64 " %s left\n", COLUMN, "valid until", terminal_time(end_s, end), days,
           days == 1 ? "day" : "days");
  }
  print_line("fingerprint", remote_text_of(certificate, "fingerprint"));
  for (size_t i = 0; i < base_json_length(warnings); i++) {
    const char *warning = base_json_as_string(base_json_at(warnings, i));
    print_line("WARNING", warning != NULL ? warning : "-");
  }
  if (advice != NULL) print_line("NOTE", advice);
}

// --- what the box is given ---

// Straight into `pem`, which has room: no copies of a key stay behind.
static enum base_result read_to_end(int fd, struct base_buffer *pem, struct base_fault *fault) {
  while (pem->bytes < pem->capacity) {
    const ssize_t got = read(fd, pem->data + pem->bytes, pem->capacity - pem->bytes);
    if (got == 0) return BASE_OK;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return BASE_FAIL_ERRNO(fault, "", "can not be read");
    pem->bytes += (size_t)got;
  }
  return BASE_FAIL(fault, BASE_TOO_LARGE, "", "a certificate and its key have no %d bytes", MAX_PEM_BYTES);
}

// A file or what a shell puts in its place, a pipe for instance.
static enum base_result add_file(const char *file, struct base_buffer *pem, struct base_fault *fault) {
  if (strcmp(file, "-") == 0) return read_to_end(STDIN_FILENO, pem, fault);
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return BASE_FAIL_ERRNO(fault, "", "can not be opened");
  enum base_result result = read_to_end(fd, pem, fault);
  base_fd_close(&fd);
  // Files that miss their last line end are joined all the same; read_to_end leaves room for it.
  if (result == BASE_OK) result = base_buffer_append(pem, "\n", 1);
  return result;
}

static int read_files(const struct options *options, struct base_buffer *pem) {
  struct base_fault fault = {0};
  if (base_buffer_reserve(pem, MAX_PEM_BYTES) != BASE_OK) {
    (void)BASE_FAIL(&fault, BASE_NO_MEMORY, "", "memory is short");
    return complain_fault(NULL, &fault), EXIT_FAILED;
  }
  for (size_t i = 0; i <= options->word_count; i++) {
    const char *file = i == 0 ? options->set_file : options->words[i - 1];
    if (add_file(file, pem, &fault) != BASE_OK) return complain_fault(file, &fault), EXIT_FAILED;
  }
  return EXIT_FINE;
}

// --- asking it ---

static int ask(const struct options *options, const char *method, struct base_span pem) {
  const struct client_request request = {.method = method,
                                         .path = path,
                                         .content_type = pem.bytes > 0 ? "application/x-pem-file" : NULL,
                                         .body = pem,
                                         .body_fd = -1};
  return remote_show_answer(options, &request, print_certificate);
}

static int run(const struct options *options) {
  struct base_buffer pem;
  if (options->set_file != NULL && options->remove) {
    return complain_usage("certificate", "--set and --remove do not go together");
  }
  if (options->set_file == NULL && options->word_count > 0) {
    return complain_usage("certificate", "'%s' is too much without --set", options->words[0]);
  }
  if (options->set_file == NULL) return ask(options, options->remove ? "DELETE" : "GET", (struct base_span){0});
  base_buffer_init(&pem, MAX_PEM_BYTES);
  int status = read_files(options, &pem);
  if (status == EXIT_FINE) status = ask(options, "PUT", base_buffer_span(&pem));
  if (pem.bytes > 0) explicit_bzero(pem.data, pem.bytes);
  base_buffer_finish(&pem);
  return status;
}

const struct command command_certificate = {
    "certificate", "show or set the certificate that visitors see", page, NULL, 0, MAX_FILES - 1, run};
