#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "complain.h"
#include "remote.h"
#include "terminal.h"
#include "variant_path.h"

enum { PATH_BYTES = 128, MAX_TEXT_BYTES = 512, LABEL_COLUMNS = 14 };

static const char page[] =
    "pixpop show - show an original and what its inspection found\n"
    "\n"
    "Usage: pixpop [OPTIONS] show ID [--json]\n"
    "\n"
    "Prints what the file says of itself, read without decoding it: type, size, colours, EXIF, ICC profile, checksums,\n"
    "and how dense its data is in bits a byte. Then every finding with its rule and verdict:\n"
    "\n"
    "  allow    noted, and of no consequence here\n"
    "  alert    kept, and somebody should look at it\n"
    "  block    such a file is refused now; this one came before the rule\n"
    "\n"
    "What each rule leads to is in the box's settings, in the section [rules]. Where a picture was taken is never kept\n"
    "in the report, only that the file says so.\n"
    "\n"
    "With --json: the box's own answer.\n"
    "\n"
    "Examples:\n"
    "  pixpop show 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\n"
    "  pixpop show ID --json | jq .report.findings\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage\n";

static void label(const char *text) { terminal_print_padded(text, LABEL_COLUMNS); }

static const char *clean_of(const struct base_json_value *object, const char *key, char out[MAX_TEXT_BYTES]) {
  return terminal_clean(remote_text_of(object, key), out, MAX_TEXT_BYTES);
}

static bool is_there(const struct base_json_value *object, const char *key) {
  return base_json_as_string(base_json_get(object, key)) != NULL;
}

// "label         text", when there is one.
static void print_text(const char *name, const struct base_json_value *object, const char *key) {
  char text[MAX_TEXT_BYTES];
  if (!is_there(object, key)) return;
  label(name);
  puts(clean_of(object, key, text));
}

static const char *size_of(const struct base_json_value *object, const char *key, char out[TERMINAL_SIZE_CHARS]) {
  return terminal_size((uint64_t)remote_integer_of(object, key), out);
}

static void print_original(const struct base_json_value *original) {
  char time[TERMINAL_TIME_CHARS];
  const struct base_json_value *metadata = base_json_get(original, "metadata"), *tags = base_json_get(metadata, "tags");
  print_text("id", original, "id");
  print_text("name", metadata, "name");
  if (base_json_length(tags) > 0) label("tags");
  for (size_t i = 0; i < base_json_length(tags); i++) {
    char tag[MAX_TEXT_BYTES];
    const char *text = base_json_as_string(base_json_at(tags, i));
    printf("%s%s%s", i > 0 ? ", " : "", text != NULL ? terminal_clean(text, tag, sizeof(tag)) : "-",
           i + 1 == base_json_length(tags) ? "\n" : "");
  }
  label("uploaded");
  puts(terminal_time(remote_integer_of(original, "created_s"), time));
  print_text("url", original, "url");
}

static void print_type(const struct base_json_value *original) {
  char format[MAX_TEXT_BYTES], size[TERMINAL_SIZE_CHARS];
  label("type");
  printf("%s, %s (%" PRId64 " bytes)\n", clean_of(original, "format", format), size_of(original, "bytes", size),
         remote_integer_of(original, "bytes"));
  label("dimensions");
  printf("%" PRId64 " x %" PRId64, remote_integer_of(original, "width"), remote_integer_of(original, "height"));
  const int64_t orientation = remote_integer_of(original, "orientation");
  printf(orientation > 1 ? ", orientation %" PRId64 "\n" : "\n", orientation);
}

static void print_colours(const struct base_json_value *report) {
  char kind[MAX_TEXT_BYTES], space[MAX_TEXT_BYTES], source[MAX_TEXT_BYTES];
  label("pixels");
  printf("%s, %" PRId64 " channel%s of %" PRId64 " bits%s", clean_of(report, "colour", kind),
         remote_integer_of(report, "channels"), remote_integer_of(report, "channels") == 1 ? "" : "s",
         remote_integer_of(report, "bits"), base_json_is_true(base_json_get(report, "has_alpha")) ? ", alpha" : "");
  const int64_t frames = remote_integer_of(report, "frames");
  printf(frames > 1 ? ", %" PRId64 " frames\n" : "\n", frames);
  label("colour space");
  printf("%s (%s)\n", clean_of(report, "colour_space", space), clean_of(report, "colour_space_source", source));
}

static void print_exif(const struct base_json_value *exif) {
  char maker[MAX_TEXT_BYTES], model[MAX_TEXT_BYTES], size[TERMINAL_SIZE_CHARS];
  label("EXIF");
  if (!base_json_is_object(exif)) {
    puts("none");
    return;
  }
  printf("%s%s%s\n", size_of(exif, "bytes", size),
         base_json_is_true(base_json_get(exif, "is_readable")) ? "" : ", can not be read",
         base_json_is_true(base_json_get(exif, "has_gps")) ? ", says where it was taken" : "");
  print_text("  taken", exif, "taken");
  if (is_there(exif, "maker") || is_there(exif, "model")) {
    label("  camera");
    printf("%s %s\n", clean_of(exif, "maker", maker), clean_of(exif, "model", model));
  }
  print_text("  software", exif, "software");
}

static void print_icc(const struct base_json_value *icc) {
  char text[MAX_TEXT_BYTES], class_name[MAX_TEXT_BYTES], data[MAX_TEXT_BYTES], connection[MAX_TEXT_BYTES],
      size[TERMINAL_SIZE_CHARS];
  label("ICC profile");
  if (!base_json_is_object(icc)) {
    puts("none");
    return;
  }
  printf("%s, version %s, %s%s\n", clean_of(icc, "description", text), clean_of(icc, "version", data),
         size_of(icc, "bytes", size), base_json_is_true(base_json_get(icc, "is_valid")) ? "" : ", not valid");
  label("  class");
  printf("%s, %s to %s\n", clean_of(icc, "class", class_name), clean_of(icc, "data_space", data),
         clean_of(icc, "connection_space", connection));
  print_text("  MD5", icc, "md5");
}

static void print_structure(const struct base_json_value *structure) {
  char data[TERMINAL_SIZE_CHARS], text[TERMINAL_SIZE_CHARS], trailing[TERMINAL_SIZE_CHARS], hidden[TERMINAL_SIZE_CHARS];
  label("structure");
  printf("%" PRId64 " parts, %s of image data, %s of text\n", remote_integer_of(structure, "parts"),
         size_of(structure, "data_bytes", data), size_of(structure, "text_bytes", text));
  label("checksums");
  const int64_t count = remote_integer_of(structure, "checksums"), bad = remote_integer_of(structure, "bad_checksums");
  if (count == 0)
    puts("none in the file");
  else if (bad == 0)
    printf("%" PRId64 ", all right\n", count);
  else
    printf("%" PRId64 ", %" PRId64 " wrong\n", count, bad);
  label("extra bytes");
  printf("%s behind the end, %s inside\n", size_of(structure, "trailing_bytes", trailing),
         size_of(structure, "hidden_bytes", hidden));
}

static double number_of(const struct base_json_value *object, const char *key) {
  double value = 0;
  return base_json_as_number(base_json_get(object, key), &value) ? value : 0;
}

static void print_entropy(const struct base_json_value *entropy) {
  if (!base_json_is_object(entropy)) return;
  label("entropy");
  printf("%.3f to %.3f bits a byte, %.3f on average\n", number_of(entropy, "lowest"), number_of(entropy, "highest"),
         number_of(entropy, "mean"));
}

static void print_finding(const struct base_json_value *finding) {
  char rule[MAX_TEXT_BYTES], verdict[MAX_TEXT_BYTES], place[MAX_TEXT_BYTES], text[MAX_TEXT_BYTES];
  terminal_print_padded(clean_of(finding, "verdict", verdict), 7);
  terminal_print_padded(clean_of(finding, "rule", rule), LABEL_COLUMNS);
  const char *where = clean_of(finding, "place", place);
  printf("%s", clean_of(finding, "text", text));
  const bool has_place = where[0] != '\0' && strcmp(where, "-") != 0;
  const int64_t offset = remote_integer_of(finding, "offset"), bytes = remote_integer_of(finding, "bytes");
  if (has_place || bytes > 0) printf(" (%s%s", has_place ? where : "", has_place && bytes > 0 ? ", " : "");
  if (bytes > 0) printf("%" PRId64 " byte%s at %" PRId64, bytes, bytes == 1 ? "" : "s", offset);
  puts(has_place || bytes > 0 ? ")" : "");
}

static void print_findings(const struct base_json_value *report) {
  const struct base_json_value *findings = base_json_get(report, "findings");
  const size_t count = base_json_length(findings);
  putchar('\n');
  puts(count > 0 ? "Findings" : "Nothing was found.");
  for (size_t i = 0; i < count; i++) print_finding(base_json_at(findings, i));
}

static void print_all(const struct base_json_value *original) {
  const struct base_json_value *report = base_json_get(original, "report");
  print_original(original);
  print_type(original);
  if (!base_json_is_object(report)) {
    puts("\nThere is no report: it was stored before originals were inspected.");
    return;
  }
  print_colours(report);
  print_exif(base_json_get(report, "exif"));
  print_icc(base_json_get(report, "icc"));
  print_structure(base_json_get(report, "structure"));
  print_entropy(base_json_get(report, "entropy"));
  print_findings(report);
}

static int run(const struct options *options) {
  char path[PATH_BYTES];
  if (!variant_path_is_id(options->words[0])) return complain_usage("show", "'%s' is not an id", options->words[0]);
  snprintf(path, sizeof(path), "/api/v1/originals/%s", options->words[0]);
  return remote_show(options, path, print_all);
}

const struct command command_show = {"show", "show an original and what its inspection found", page, "ID", 1, 1, run};
