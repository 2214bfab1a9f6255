#include <inttypes.h>
#include <stdio.h>

#include "command.h"
#include "complain.h"
#include "remote.h"
#include "variant_path.h"

enum { MAX_BODY_BYTES = 4096 };

static const char page[] =
    "pixpop purge - drop variants, so that they are made anew\n"
    "\n"
    "Usage: pixpop [OPTIONS] purge ID [--recipe OPTIONS]\n"
    "       pixpop [OPTIONS] purge --tag TAG\n"
    "\n"
    "Drops all variants of an original from memory and disk, or some of them, or those of all originals with a tag. The\n"
    "originals stay. Browsers and caches beyond the box keep what they have until it expires.\n"
    "\n"
    "Options:\n"
    "      --recipe OPTIONS     only what a URL with these options can give: 'w=400&dpr=1&fm=webp&q=80' is one variant;\n"
    "                           without fm in every format, without dpr and q in each that client hints bring (1, 1.5,\n"
    "                           2, 3; 80, 70, 55), without w and h in every width of the ladder\n"
    "      --tag TAG            of all originals that carry this tag\n"
    "\n"
    "Examples:\n"
    "  pixpop purge 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\n"
    "  pixpop purge 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU --recipe 'w=400&h=300&fit=cover'\n"
    "  pixpop purge --tag summer\n"
    "\n"
    "Exit status: 0 done, also when there was nothing to drop, 1 failed, 2 wrong usage\n";

static enum base_result write_body(const struct options *options, struct base_buffer *out) {
  struct base_json_writer json;
  base_json_begin(&json, out);
  base_json_object(&json, NULL);
  if (options->word_count > 0) base_json_string(&json, "id", options->words[0]);
  if (options->recipe != NULL) base_json_string(&json, "recipe", options->recipe);
  if (options->tag != NULL) base_json_string(&json, "tag", options->tag);
  base_json_object_end(&json);
  return json.result;
}

static int purge(struct remote *remote, struct base_span body, const char *about) {
  struct client_response response = {0};
  struct base_json *json = NULL;
  int status = remote_tell(remote, "POST", "/api/v1/purge", body, about, &response);
  if (status == EXIT_FINE) status = remote_parse(&response, &json);
  if (status == EXIT_FINE) {
    const struct base_json_value *root = base_json_root(json);
    printf("dropped %" PRId64 " variants of %" PRId64 " originals\n", remote_integer_of(root, "dropped"),
           remote_integer_of(root, "originals"));
  }
  base_json_destroy(&json);
  client_response_finish(&response);
  return status;
}

static int run(const struct options *options) {
  const char *id = options->word_count > 0 ? options->words[0] : NULL;
  if (id == NULL && options->tag == NULL) return complain_usage("purge", "ID or --tag is missing");
  if (id != NULL && options->tag != NULL) return complain_usage("purge", "ID and --tag do not go together");
  if (id == NULL && options->recipe != NULL) return complain_usage("purge", "--recipe wants an ID");
  if (id != NULL && !variant_path_is_id(id)) return complain_usage("purge", "'%s' is not an id", id);
  struct remote remote;
  struct base_fault fault = {0};
  struct base_buffer body;
  int status;
  base_buffer_init(&body, MAX_BODY_BYTES);
  if (write_body(options, &body) != BASE_OK) {
    status = complain_usage("purge", "the recipe or tag is too long");
  } else if (remote_open_console(options, &remote, &fault) != BASE_OK) {
    status = complain_fault(NULL, &fault);
    remote_close(&remote);
  } else {
    status = purge(&remote, base_buffer_span(&body), id != NULL ? id : options->tag);
    remote_close(&remote);
  }
  base_buffer_finish(&body);
  return status;
}

const struct command command_purge = {"purge", "drop variants, so that they are made anew", page, NULL, 0, 1, run};
