// The remembered times: one JSON file a device in the calibration folder.
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "calibration.h"

enum { FORMAT = 1, MAX_PATH = 640, MAX_BYTES = 64 * 1024, FILE_MODE = 0640 };
static const int64_t MAX_MICROSECONDS = 60 * 1000000LL;

static enum base_result set_path(char out[MAX_PATH], const char *folder, const struct gpu_info *device,
                                 struct base_fault *fault) {
  static const char name_characters[] = "0123456789abcdefABCDEF-";
  const size_t length = strlen(device->identity);
  if (length == 0 || strspn(device->identity, name_characters) != length ||
      snprintf(out, MAX_PATH, "%s/calibration-%s.json", folder, device->identity) >= MAX_PATH) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "calibration", "there is no path for the measured times");
  }
  return BASE_OK;
}

// --- writing ---

static enum base_result write_json(const struct resample_calibration *calibration, const struct gpu_info *device,
                                   struct base_buffer *out) {
  struct base_json_writer json;
  base_json_begin(&json, out);
  base_json_object(&json, NULL);
  base_json_integer(&json, "format", FORMAT);
  base_json_integer(&json, "kernels_version", RESAMPLE_KERNELS_VERSION);
  base_json_string(&json, "driver", device->driver);
  base_json_integer(&json, "cpu_competes", calibration->cpu_competes);
  base_json_array(&json, "cases");
  for (size_t i = 0; i < resample_case_kind_count; i++) {
    base_json_object(&json, NULL);
    base_json_string(&json, "name", calibration->cases[i].name);
    for (int kernel = RESAMPLE_KERNEL_TWO_PASS; kernel < RESAMPLE_KERNEL_COUNT; kernel++) {
      base_json_integer(&json, resample_kernel_name((enum resample_kernel)kernel),
                        (int64_t)calibration->cases[i].microseconds[kernel]);
    }
    base_json_object_end(&json);
  }
  base_json_array_end(&json);
  base_json_object_end(&json);
  return json.result;
}

enum base_result resample_calibration_save(const struct resample_calibration *calibration, const char *folder,
                                           const struct gpu_info *device, struct base_fault *fault) {
  char path[MAX_PATH];
  struct base_buffer text;
  enum base_result result = set_path(path, folder, device, fault);
  if (result != BASE_OK) return result;
  base_buffer_init(&text, MAX_BYTES);
  result = write_json(calibration, device, &text);
  if (result != BASE_OK) {
    result = BASE_FAIL(fault, result, "calibration", "the measured times could not be put together");
  } else {
    result = base_file_replace_durably(path, base_buffer_span(&text), FILE_MODE, fault);
  }
  base_buffer_finish(&text);
  return result;
}

// --- reading ---

static bool is_integer(const struct base_json_value *object, const char *key, int64_t expected) {
  int64_t value;
  return base_json_as_integer(base_json_get(object, key), &value) && value == expected;
}

static bool is_text(const struct base_json_value *object, const char *key, const char *expected) {
  const char *text = base_json_as_string(base_json_get(object, key));
  return text && strcmp(text, expected) == 0;
}

static bool read_case(const struct base_json_value *object, struct resample_case *one) {
  if (!is_text(object, "name", one->name)) return false;
  for (int kernel = RESAMPLE_KERNEL_TWO_PASS; kernel < RESAMPLE_KERNEL_COUNT; kernel++) {
    int64_t time;
    if (!base_json_as_integer(base_json_get(object, resample_kernel_name((enum resample_kernel)kernel)), &time) ||
        time < 0 || time > MAX_MICROSECONDS) {
      return false;
    }
    one->microseconds[kernel] = (uint64_t)time;
  }
  return true;
}

static bool read_json(const struct base_json_value *root, struct resample_calibration *calibration,
                      const struct gpu_info *device) {
  const struct base_json_value *cases = base_json_get(root, "cases");
  if (!is_integer(root, "format", FORMAT) || !is_integer(root, "kernels_version", RESAMPLE_KERNELS_VERSION) ||
      !is_text(root, "driver", device->driver) || !is_integer(root, "cpu_competes", calibration->cpu_competes) ||
      base_json_length(cases) != resample_case_kind_count) {
    return false;
  }
  for (size_t i = 0; i < resample_case_kind_count; i++) {
    if (!read_case(base_json_at(cases, i), &calibration->cases[i])) return false;
  }
  return true;
}

bool resample_calibration_load(struct resample_calibration *calibration, const char *folder,
                               const struct gpu_info *device) {
  char path[MAX_PATH];
  struct base_buffer text;
  struct base_json *json = NULL;
  struct resample_calibration read = *calibration;
  if (set_path(path, folder, device, NULL) != BASE_OK) return false;
  bool holds = base_file_read(path, MAX_BYTES, &text, NULL) == BASE_OK &&
               base_json_parse(base_buffer_span(&text), &json, NULL) == BASE_OK &&
               read_json(base_json_root(json), &read, device);
  base_json_destroy(&json);
  base_buffer_finish(&text);
  if (!holds) return false;
  *calibration = read;
  resample_calibration_decide(calibration);
  calibration->is_remembered = true;
  return true;
}
