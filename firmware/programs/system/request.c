#include "request.h"

#include <string.h>

#include "base/json.h"

enum member { MEMBER_DO, MEMBER_OLDER, MEMBER_SLOT, MEMBER_TEXT, MEMBER_COUNT };

static const char *const members[MEMBER_COUNT] = {"do", "older", "slot", "text"};

static const struct {
  const char *name;
  enum member may_have;  // MEMBER_DO: nothing more
  bool must_have;
} requests[REQUEST_COUNT] = {
    [REQUEST_STATUS] = {"status", MEMBER_DO, false},
    [REQUEST_INSTALL] = {"install", MEMBER_OLDER, false},
    [REQUEST_CHOOSE] = {"choose", MEMBER_SLOT, true},
    [REQUEST_REBOOT] = {"reboot", MEMBER_DO, false},
    [REQUEST_POWEROFF] = {"poweroff", MEMBER_DO, false},
    [REQUEST_RESCUE] = {"rescue", MEMBER_DO, false},
    [REQUEST_FACTORY_RESET] = {"factory-reset", MEMBER_DO, false},
    [REQUEST_NETWORK] = {"network", MEMBER_TEXT, false},
};

const char *request_name(enum request_do what) { return requests[what].name; }

static enum base_result find_what(const struct base_json_value *root, enum request_do *out, struct base_fault *fault) {
  const char *name = base_json_as_string(base_json_get(root, members[MEMBER_DO]));
  if (name == NULL) return BASE_FAIL(fault, BASE_BAD_INPUT, "do", "a request is an object with \"do\"");
  for (enum request_do what = REQUEST_STATUS; what < REQUEST_COUNT; what++) {
    if (strcmp(name, requests[what].name) == 0) return *out = what, BASE_OK;
  }
  return BASE_FAIL(fault, BASE_BAD_INPUT, "do", "there is nothing called '%.40s' to do", name);
}

static enum base_result check_members(const struct base_json_value *root, enum request_do what,
                                      struct base_fault *fault) {
  unsigned seen[MEMBER_COUNT] = {0};
  const char *name;
  for (size_t i = 0; (name = base_json_key_at(root, i)) != NULL; i++) {
    enum member member = MEMBER_DO;
    while (member < MEMBER_COUNT && strcmp(name, members[member]) != 0) member++;
    if (member == MEMBER_COUNT || (member != MEMBER_DO && member != requests[what].may_have))
      return BASE_FAIL(fault, BASE_BAD_INPUT, "member", "%s takes no \"%.40s\"", requests[what].name, name);
    if (seen[member]++ > 0) return BASE_FAIL(fault, BASE_BAD_INPUT, name, "\"%s\" stands there twice", name);
  }
  if (requests[what].must_have && seen[requests[what].may_have] == 0)
    return BASE_FAIL(fault, BASE_BAD_INPUT, members[requests[what].may_have], "%s wants \"%s\"", requests[what].name,
                     members[requests[what].may_have]);
  return BASE_OK;
}

static enum base_result take_text(const char *text, struct request *out, struct base_fault *fault) {
  if (text == NULL) return BASE_FAIL(fault, BASE_BAD_INPUT, "text", "\"text\" has to be a string");
  for (const char *c = text; *c != '\0'; c++) {
    if (((unsigned char)*c < 0x20 && *c != '\n' && *c != '\t') || *c == 0x7f)
      return BASE_FAIL(fault, BASE_BAD_INPUT, "text", "the text has a control character");
  }
  if (!base_span_copy(base_span_text(text), out->text, sizeof(out->text)))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "text", "the text is too long");
  out->has_text = true;
  return BASE_OK;
}

static enum base_result take_member(const struct base_json_value *root, struct request *out, struct base_fault *fault) {
  const enum member member = requests[out->what].may_have;
  const struct base_json_value *value = base_json_get(root, members[member]);
  if (member == MEMBER_DO || value == NULL) return BASE_OK;
  if (member == MEMBER_TEXT) return take_text(base_json_as_string(value), out, fault);
  if (member == MEMBER_SLOT) {
    const char *name = base_json_as_string(value);
    if (name != NULL && slots_parse_name(name, &out->slot)) return BASE_OK;
    return BASE_FAIL(fault, BASE_BAD_INPUT, "slot", "\"slot\" has to be \"A\" or \"B\"");
  }
  double number;
  out->allows_older = base_json_is_true(value);
  if (base_json_as_string(value) == NULL && !base_json_as_number(value, &number) && !base_json_is_object(value) &&
      !base_json_is_array(value))
    return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "older", "\"older\" has to be true or false");
}

enum base_result request_parse(struct base_span line, struct request *out, struct base_fault *fault) {
  struct base_json *json;
  *out = (struct request){0};
  enum base_result result = base_json_parse(line, &json, fault);
  if (result != BASE_OK) return result;
  const struct base_json_value *root = base_json_root(json);
  result = find_what(root, &out->what, fault);
  if (result == BASE_OK) result = check_members(root, out->what, fault);
  if (result == BASE_OK) result = take_member(root, out, fault);
  base_json_destroy(&json);
  return result;
}
