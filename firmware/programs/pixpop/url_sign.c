#include "url_sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "variant_path.h"

enum { MAX_PAIRS = 32, MAX_KEY_TEXT = 1024 };

// --- keys ---

enum base_result url_read_key(const struct options *options, struct recipe_sign_key *out, bool *has_key,
                              struct base_fault *fault) {
  const char *pair = getenv(options->imgproxy ? "PIXPOP_IMGPROXY_KEY" : "PIXPOP_SIGN_KEY");
  char text[MAX_KEY_TEXT];
  *has_key = false;
  if (options->key == NULL && options->salt != NULL)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "key", "--salt wants --key");
  if (options->key != NULL) {
    const char *salt = options->salt != NULL ? options->salt : "";
    const int length = snprintf(text, sizeof(text), "%s:%s", options->key, salt);
    const bool is_plain = strchr(strncmp(options->key, "hex:", 4) == 0 ? options->key + 4 : options->key, ':') == NULL;
    if ((size_t)length >= sizeof(text) || !is_plain)
      return BASE_FAIL(fault, BASE_BAD_INPUT, "key", "--key is too long or has a ':'; write such a key in hexadecimal");
    pair = text;
  }
  if (pair == NULL || pair[0] == '\0') return BASE_OK;
  *has_key = true;
  const enum base_result result = options->imgproxy ? recipe_sign_key_parse_hex(base_span_text(pair), out, fault)
                                                    : recipe_sign_key_parse(base_span_text(pair), out, fault);
  explicit_bzero(text, sizeof(text));
  return result;
}

// --- native ---

static enum base_result append_signature(const struct recipe_sign_key *key, struct base_span message,
                                         const char *before, struct base_buffer *out) {
  char signature[RECIPE_SIGNATURE_CHARS + 1];
  recipe_sign(key, message, signature);
  return base_buffer_printf(out, "%s%s", before, signature);
}

static enum base_result write_signed_native(const struct options *options, const struct recipe_sign_key *key,
                                            int64_t expires_s, struct base_buffer *out, struct base_fault *fault) {
  char expiry[24], path[64];
  struct recipe_signed_pair pairs[MAX_PAIRS + 1];
  size_t count = 0;
  for (size_t i = 1; i < options->word_count; i++) {
    struct base_span value = base_span_text(options->words[i]);
    const struct base_span name = base_span_cut(&value, '=');
    if (base_span_is(name, "sig") || (expires_s != 0 && base_span_is(name, "exp")))
      return BASE_FAIL(fault, BASE_BAD_INPUT, "option", "sig and exp are what --sign and --expires make");
    if (count == MAX_PAIRS) return BASE_FAIL(fault, BASE_BAD_INPUT, "option", "these are too many options");
    pairs[count++] = (struct recipe_signed_pair){name, value};
  }
  if (expires_s != 0) {
    const int length = snprintf(expiry, sizeof(expiry), "%" PRId64, expires_s);
    pairs[count++] = (struct recipe_signed_pair){base_span_text("exp"), base_span_of(expiry, (size_t)length)};
  }
  snprintf(path, sizeof(path), "/i/%s", options->words[0]);
  // What is signed is a URL itself, with its options sorted.
  enum base_result result = recipe_sign_message(base_span_text(path), pairs, count, out, fault);
  if (result != BASE_OK) return result;
  return append_signature(key, base_buffer_span(out), count > 0 ? "&sig=" : "?sig=", out);
}

static enum base_result write_native(const struct options *options, const struct recipe_sign_key *key,
                                     int64_t expires_s, struct base_buffer *out, struct base_fault *fault) {
  struct base_buffer unsigned_path;
  base_buffer_init(&unsigned_path, VARIANT_PATH_LIMIT);
  enum base_result result = variant_path_write(options->words, options->word_count, &unsigned_path, fault);
  if (result == BASE_OK && key == NULL) result = base_buffer_append(out, unsigned_path.data, unsigned_path.bytes);
  base_buffer_finish(&unsigned_path);
  return result == BASE_OK && key != NULL ? write_signed_native(options, key, expires_s, out, fault) : result;
}

// --- IIIF ---

static enum base_result write_iiif(const struct options *options, const struct recipe_sign_key *key, int64_t expires_s,
                                   struct base_buffer *out, struct base_fault *fault) {
  char message[128];
  if (options->word_count > 1)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "option", "--iiif takes an ID only: viewers add the rest");
  int length = snprintf(message, sizeof(message), "/iiif/3/%s", options->words[0]);
  enum base_result result = base_buffer_append(out, message, (size_t)length);
  if (result != BASE_OK || key == NULL) return result;
  if (expires_s != 0) {
    length += snprintf(message + length, sizeof(message) - (size_t)length, "?exp=%" PRId64, expires_s);
  }
  result = base_buffer_printf(out, ".%" PRId64, expires_s);
  return result == BASE_OK ? append_signature(key, base_span_of(message, (size_t)length), ".", out) : result;
}

// --- imgproxy ---

// "name:argument:..." in characters that mean nothing else in a path.
static bool is_imgproxy_option(const char *word) {
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:";
  return strchr(word, ':') != NULL && word[strspn(word, plain)] == '\0';
}

static enum base_result write_imgproxy(const struct options *options, const struct recipe_sign_key *key,
                                       int64_t expires_s, struct base_buffer *out, struct base_fault *fault) {
  struct base_buffer rest;
  base_buffer_init(&rest, VARIANT_PATH_LIMIT);
  enum base_result result = BASE_OK;
  for (size_t i = 1; i < options->word_count && result == BASE_OK; i++) {
    if (!is_imgproxy_option(options->words[i])) {
      result = BASE_FAIL(fault, BASE_BAD_INPUT, "option", "'%.60s' is not an option of imgproxy, such as rs:fit:300",
                         options->words[i]);
    } else {
      result = base_buffer_printf(&rest, "/%s", options->words[i]);
    }
  }
  if (result == BASE_OK && expires_s != 0) result = base_buffer_printf(&rest, "/exp:%" PRId64, expires_s);
  if (result == BASE_OK) result = base_buffer_printf(&rest, "/plain/local:///%s", options->words[0]);
  if (result == BASE_OK) result = base_buffer_append_text(out, "/imgproxy/");
  if (result == BASE_OK) {
    result = key != NULL ? append_signature(key, base_buffer_span(&rest), "", out) : base_buffer_append_text(out, "_");
  }
  if (result == BASE_OK) result = base_buffer_append(out, rest.data, rest.bytes);
  base_buffer_finish(&rest);
  return result;
}

enum base_result url_write_path(const struct options *options, const struct recipe_sign_key *key, int64_t expires_s,
                                struct base_buffer *out, struct base_fault *fault) {
  enum base_result result = variant_path_check_id(options->words[0], fault);
  if (result != BASE_OK) return result;
  if (options->iiif) {
    result = write_iiif(options, key, expires_s, out, fault);
  } else if (options->imgproxy) {
    result = write_imgproxy(options, key, expires_s, out, fault);
  } else {
    result = write_native(options, key, expires_s, out, fault);
  }
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "option", "these are too many options");
}

enum base_result url_write_question(const struct options *options, int64_t expires_in_s, struct base_buffer *out,
                                    struct base_fault *fault) {
  struct base_buffer path;
  base_buffer_init(&path, VARIANT_PATH_LIMIT);
  // The words are checked as for a URL, and its query is the question.
  enum base_result result = url_write_path(options, NULL, 0, &path, fault);
  struct base_span query = base_buffer_span(&path);
  if (result == BASE_OK) {
    (void)base_span_cut(&query, '?');
    result = base_buffer_printf(out, "/api/v1/originals/%s/url", options->words[0]);
  }
  char separator = '?';
  if (result == BASE_OK && query.bytes > 0) {
    result = base_buffer_printf(out, "%c%.*s", separator, (int)query.bytes, query.data);
    separator = '&';
  }
  if (result == BASE_OK && options->iiif) {
    result = base_buffer_printf(out, "%cform=iiif", separator);
    separator = '&';
  }
  if (result == BASE_OK && expires_in_s > 0)
    result = base_buffer_printf(out, "%cexpires_in=%" PRId64, separator, expires_in_s);
  if (result == BASE_OK) result = base_buffer_append(out, "", 1);
  base_buffer_finish(&path);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "option", "these are too many options");
}
