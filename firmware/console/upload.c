// POST /api/v1/originals, once its body is there: the files are committed one after the other.

#include "upload.h"

#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "http/problem.h"

enum { MAX_REPLY_JSON = 8 * 1024 * 1024 };  // INGEST_MAX_PARTS originals with the longest names and tags, escaped

struct commit {
  struct console_exchange *exchange;
  struct console_upload *upload;
  struct ingest_metadata metadata;  // of the form; a name in it is meant for every file
  const char *file;                 // the one that is being committed
  struct base_buffer reply_text;    // a JSON list of what was stored
  struct base_json_writer json;
  struct base_buffer stored_text;  // the same as a list of ids, for a failure in the middle
  struct base_json_writer stored;
};

static void commit_init(struct commit *commit, struct console_exchange *exchange) {
  memset(commit, 0, sizeof *commit);
  commit->exchange = exchange;
  commit->upload = (struct console_upload *)exchange->intake;
  base_buffer_init(&commit->reply_text, MAX_REPLY_JSON);
  base_buffer_init(&commit->stored_text, MAX_REPLY_JSON);
  base_json_begin(&commit->json, &commit->reply_text);
  base_json_array(&commit->json, NULL);
  base_json_begin(&commit->stored, &commit->stored_text);
  base_json_array(&commit->stored, NULL);
}

static void commit_finish(struct commit *commit) {
  base_buffer_finish(&commit->reply_text);
  base_buffer_finish(&commit->stored_text);
}

static enum base_result set_name(const struct commit *commit, const struct console_upload_file *file,
                                 struct ingest_metadata *out, struct base_fault *fault) {
  *out = commit->metadata;
  if (out->name[0] != '\0') return BASE_OK;
  return ingest_metadata_set_name(out, base_span_text(file->name), fault);
}

static enum base_result commit_file(struct commit *commit, struct console_upload_file *file, struct base_fault *fault) {
  const struct console_exchange *exchange = commit->exchange;
  const struct console *console = exchange->console;
  struct ingest_metadata metadata;
  struct store_original original;
  bool is_new;
  enum base_result result = set_name(commit, file, &metadata, fault);
  if (result == BASE_OK) result = ingest_commit(&file->received, &metadata, &original, &is_new, fault);
  if (result != BASE_OK) return result;
  // It may have been asked for before it came: what is remembered of its absence is stale now.
  if (is_new) {
    pop_forget(console->config.pop, exchange->tenant, &original.id);
    pop_prewarm_add(console->config.prewarm, exchange->tenant, &original.id);
  }
  console_original_write(&commit->json, exchange, &original, true);
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&original.id, id);
  base_log_write(console->config.log, BASE_LOG_INFO, "console", exchange->request.id, "original %s %s: %u x %u %s", id,
                 is_new ? "stored" : "was here already", original.width, original.height, original.format);
  base_json_string(&commit->stored, NULL, id);
  result = commit->stored.result;
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no memory for the reply");
}

// Nothing is stored before everything that can be judged without decoding is fine.
static enum base_result check_names(struct commit *commit, struct base_fault *fault) {
  struct ingest_metadata metadata;
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < commit->upload->file_count && result == BASE_OK; i++) {
    commit->file = commit->upload->files[i].name;
    result = set_name(commit, &commit->upload->files[i], &metadata, fault);
  }
  return result;
}

static enum base_result commit_all(struct commit *commit, struct base_fault *fault) {
  struct console_upload *upload = commit->upload;
  if (upload->part == CONSOLE_IMAGE_PART && upload->file_count > 0) {
    commit->file = upload->files[upload->file_count - 1].name;
  }
  enum base_result result = console_upload_end(upload, fault);
  if (result == BASE_OK && upload->has_metadata) {
    result = ingest_metadata_parse(base_buffer_span(&upload->metadata), &commit->metadata, fault);
  }
  if (result == BASE_OK) result = check_names(commit, fault);
  for (size_t i = 0; i < upload->file_count && result == BASE_OK; i++) {
    commit->file = upload->files[i].name;
    result = commit_file(commit, &upload->files[i], fault);
  }
  return result;
}

// The problem of a failed upload, with two more members: the file it failed at, and what had been stored before it.
static void reply_failure(struct commit *commit, const struct base_fault *fault, struct http_reply *reply) {
  struct base_buffer file;
  struct base_json_writer json;
  http_problem_reply(reply, fault, commit->exchange->request.id);
  base_buffer_init(&file, MAX_REPLY_JSON);
  base_json_begin(&json, &file);
  base_json_string(&json, NULL, commit->file);
  base_json_array_end(&commit->stored);
  if (json.result == BASE_OK) console_problem_add(reply, "file", base_buffer_span(&file));
  if (commit->stored.result == BASE_OK) console_problem_add(reply, "stored", base_buffer_span(&commit->stored_text));
  base_buffer_finish(&file);
}

enum base_result console_originals_upload(struct console_exchange *exchange, struct http_reply *reply,
                                          struct base_fault *fault) {
  struct commit *commit = malloc(sizeof *commit);
  if (!commit) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an upload");
  commit_init(commit, exchange);
  enum base_result result = commit_all(commit, fault);
  if (result == BASE_OK) {
    base_json_array_end(&commit->json);
    result = console_reply_json(reply, 201, &commit->reply_text, commit->json.result, fault);
  }
  if (result != BASE_OK) {
    base_log_fault(exchange->console->config.log, BASE_LOG_WARN, "console", exchange->request.id, fault);
    reply_failure(commit, fault, reply);
  }
  commit_finish(commit);
  free(commit);
  return BASE_OK;
}
