#include "device.h"

#include <stdio.h>

#include "base/json.h"

static const char *const MODES[] = {
    [RESAMPLE_MODE_AUTO] = "auto", [RESAMPLE_MODE_VULKAN] = "vulkan", [RESAMPLE_MODE_CPU] = "cpu"};

void device_write_line(void *self, char *out, size_t capacity) {
  struct resample_info info;
  resample_get_info(self, &info);
  if (info.is_opening) {
    snprintf(out, capacity, "a Vulkan device is being opened");
    return;
  }
  const bool is_known = info.has_device || info.is_lost;
  snprintf(out, capacity, "%s (%s)", is_known ? info.device.name : "zimg on the CPU", info.reason);
}

bool device_is_opening(void *self) {
  struct resample_info info;
  resample_get_info(self, &info);
  return info.is_opening;
}

static void write_device(struct base_json_writer *json, const struct resample_info *info) {
  const struct gpu_info *device = &info->device;
  if (!info->has_device && !info->is_lost) {
    base_json_string(json, "device", NULL);
    return;
  }
  base_json_object(json, "device");
  base_json_string(json, "name", device->name);
  base_json_string(json, "driver", device->driver);
  base_json_string(json, "type", device->is_software ? "software" : device->is_discrete ? "discrete" : "integrated");
  base_json_object_end(json);
}

static void write_case(struct base_json_writer *json, const struct resample_case *one) {
  base_json_object(json, NULL);
  base_json_string(json, "name", one->name);
  base_json_array(json, "kernels");
  for (int kernel = 0; kernel < RESAMPLE_KERNEL_COUNT; kernel++) {
    if (one->microseconds[kernel] == 0) continue;
    base_json_object(json, NULL);
    base_json_string(json, "kernel", resample_kernel_name((enum resample_kernel)kernel));
    base_json_integer(json, "microseconds", (int64_t)one->microseconds[kernel]);
    base_json_object_end(json);
  }
  base_json_array_end(json);
  base_json_string(json, "choice", resample_kernel_name(one->choice));
  base_json_object_end(json);
}

static void write_calibration(struct base_json_writer *json, const struct resample_info *info) {
  base_json_object(json, "calibration");
  base_json_bool(json, "remembered", info->is_calibration_remembered);
  base_json_array(json, "cases");
  for (size_t i = 0; i < info->case_count; i++) write_case(json, &info->cases[i]);
  base_json_array_end(json);
  base_json_object_end(json);
}

static const char *state_of(const struct resample_info *info) {
  if (info->is_opening) return "opening";
  return info->has_device ? "ok" : info->is_lost ? "lost" : "none";
}

enum base_result device_describe(void *self, struct base_buffer *text, struct base_fault *fault) {
  struct resample_info info;
  struct base_json_writer json;
  resample_get_info(self, &info);
  base_json_begin(&json, text);
  base_json_object(&json, NULL);
  base_json_string(&json, "mode", MODES[info.mode]);
  base_json_string(&json, "reason", info.reason);
  base_json_string(&json, "state", state_of(&info));
  write_device(&json, &info);
  base_json_integer(&json, "losses", (int64_t)info.losses);
  base_json_integer(&json, "recoveries", (int64_t)info.recoveries);
  base_json_object(&json, "memory");
  base_json_integer(&json, "bytes", (int64_t)info.device_bytes);
  base_json_integer(&json, "budget_bytes", (int64_t)info.budget_bytes);
  base_json_object_end(&json);
  base_json_object(&json, "paths");
  base_json_string(&json, "source", info.source_path);
  base_json_string(&json, "result", info.result_path);
  base_json_object_end(&json);
  write_calibration(&json, &info);
  base_json_object_end(&json);
  return json.result == BASE_OK ? BASE_OK : BASE_FAIL(fault, json.result, "", "no memory for the device's description");
}
