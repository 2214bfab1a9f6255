#include "opening.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void resample_give_reason(struct resampler *resampler, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(resampler->reason, sizeof(resampler->reason), format, values);
  va_end(values);
}

// AUTO goes on with the CPU, unless somebody named a device that is not there.
static enum base_result do_without(struct resampler *resampler, enum base_result result, const struct base_fault *why) {
  const bool is_named = resampler->recovery.gpu_config.device != NULL;
  const bool is_failure = resampler->mode == RESAMPLE_MODE_VULKAN || (is_named && result == BASE_DEVICE);
  if (is_failure) resampler->failure = *why;
  resample_give_reason(resampler, "no Vulkan device: %.120s", why->text);
  resample_recovery_close(&resampler->recovery);
  return is_failure ? result : BASE_OK;
}

void resample_log_choice(struct resampler *resampler) {
  struct resample_info info;
  resample_get_info(resampler, &info);
  base_log_write(resampler->recovery.log, BASE_LOG_INFO, "resample", NULL, "resampling on %s (%s)",
                 info.has_device || info.is_lost ? info.device.name : "the CPU", info.reason);
}

// "llvmpipe" of "llvmpipe (LLVM 15.0.6, 256 bits)".
static int short_name_chars(const struct gpu_info *device) { return (int)strcspn(device->name, "("); }

static void explain_times(struct resampler *resampler) {
  const struct resample_calibration *calibration = &resampler->calibration;
  const struct gpu_info *device = &resampler->recovery.info;
  const uint64_t *times = calibration->cases[0].microseconds;
  int chars = short_name_chars(device);
  while (chars > 0 && device->name[chars - 1] == ' ') chars--;
  size_t wins = 0;
  for (size_t i = 0; i < resample_case_kind_count; i++) wins += calibration->cases[i].choice != RESAMPLE_KERNEL_CPU;
  const uint64_t two_pass = times[RESAMPLE_KERNEL_TWO_PASS], tile = times[RESAMPLE_KERNEL_TILE];
  const uint64_t device_time = tile > 0 && (two_pass == 0 || tile < two_pass) ? tile : two_pass;
  if (!calibration->has_times) {
    resample_give_reason(resampler, "%.*s could not be measured", chars, device->name);
  } else if (wins > 0) {
    resample_give_reason(resampler, "%.*s is faster than the CPU in %zu of %zu cases", chars, device->name, wins,
                         resample_case_kind_count);
  } else {
    resample_give_reason(resampler, "%.*s is slower: %.1f ms against %.1f ms", chars, device->name,
                         (double)device_time / 1000, (double)times[RESAMPLE_KERNEL_CPU] / 1000);
  }
}

// What fails here fails again in the first job, which has somebody to take care of it.
static enum base_result measure(struct resampler *resampler, struct base_fault *fault) {
  const struct resample_recovery *recovery = &resampler->recovery;
  const char *folder = resampler->calibration_folder;
  const enum base_result measured = resample_calibration_measure(&resampler->calibration, recovery->vulkan,
                                                                 &recovery->info, &recovery->is_stopping, fault);
  enum base_result saved = BASE_OK;
  if (measured == BASE_OK && folder) {
    saved = resample_calibration_save(&resampler->calibration, folder, &recovery->info, fault);
  }
  if (measured != BASE_CANCELLED && (measured != BASE_OK || saved != BASE_OK)) {
    base_log_fault(recovery->log, BASE_LOG_WARN, "resample", NULL, fault);
  }
  return measured;
}

// The device is open: builds the machine on it, unless the CPU is known to be better.
static enum base_result find_use(struct resampler *resampler, enum base_result *measured, struct base_fault *fault) {
  const char *folder = resampler->calibration_folder;
  struct resample_recovery *recovery = &resampler->recovery;
  const bool cpu_competes = resampler->mode == RESAMPLE_MODE_AUTO && recovery->info.is_software;
  resample_calibration_init(&resampler->calibration, cpu_competes, &recovery->info);
  const bool is_remembered = folder && resample_calibration_load(&resampler->calibration, folder, &recovery->info);
  const bool is_needed = !is_remembered || !resample_calibration_is_cpu_only(&resampler->calibration);
  const enum base_result result = is_needed ? resample_recovery_build(recovery, fault) : BASE_OK;
  if (result != BASE_OK) return result;
  if (!is_remembered && !resampler->is_unmeasured) *measured = measure(resampler, fault);
  if (cpu_competes) {
    explain_times(resampler);
  } else {
    resample_give_reason(resampler, resampler->mode == RESAMPLE_MODE_AUTO ? "a hardware GPU" : "as configured");
  }
  return BASE_OK;
}

enum base_result resample_open_device(struct resampler *resampler) {
  struct resample_recovery *recovery = &resampler->recovery;
  const struct resample_calibration *calibration = &resampler->calibration;
  struct base_fault why = {0};
  enum base_result measured = BASE_OK;
  enum base_result result = resample_recovery_open(recovery, &why);
  if (result == BASE_OK && !atomic_load(&recovery->is_stopping)) result = find_use(resampler, &measured, &why);
  if (atomic_load(&recovery->is_stopping)) {
    resample_recovery_close(recovery);
    return BASE_OK;
  }
  if (result != BASE_OK) {
    result = do_without(resampler, result, &why);
  } else if (calibration->cpu_competes && resample_calibration_is_cpu_only(calibration)) {
    resample_recovery_close(recovery);
  } else {
    resample_recovery_publish(recovery, measured, &why);
  }
  if (result == BASE_OK) resample_log_choice(resampler);
  return result;
}

void resample_open_in_thread(void *self) {
  struct resampler *resampler = self;
  const enum base_result result = resample_open_device(resampler);
  (void)malloc_trim(0);  // compilers leave much behind
  if (result == BASE_OK) return;
  if (resampler->failed) {
    resampler->failed(resampler->failed_self, &resampler->failure);
  } else {
    base_log_fault(resampler->recovery.log, BASE_LOG_ERROR, "resample", NULL, &resampler->failure);
  }
}
