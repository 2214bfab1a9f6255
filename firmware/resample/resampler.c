#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "front.h"

static const uint64_t DEFAULT_BUDGET_BYTES = 256u << 20;

static const char *const KERNEL_NAMES[RESAMPLE_KERNEL_COUNT] = {
    [RESAMPLE_KERNEL_AUTO] = "auto",
    [RESAMPLE_KERNEL_TWO_PASS] = "two-pass",
    [RESAMPLE_KERNEL_TILE] = "tile",
    [RESAMPLE_KERNEL_CPU] = "cpu",
};

const char *resample_kernel_name(enum resample_kernel kernel) { return KERNEL_NAMES[kernel]; }

// --- starting ---

static void BASE_PRINTF(2, 3) give_reason(struct resampler *resampler, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(resampler->reason, sizeof(resampler->reason), format, values);
  va_end(values);
}

// AUTO goes on with the CPU, unless somebody named a device that is not there.
static enum base_result do_without(struct resampler *resampler, enum base_result result, struct base_fault *why,
                                   struct base_fault *fault) {
  const struct gpu_config *config = &resampler->recovery.gpu_config;
  resample_recovery_close(&resampler->recovery);
  if (resampler->mode == RESAMPLE_MODE_VULKAN || (config->device && result == BASE_DEVICE)) {
    if (fault && fault->result == BASE_OK) *fault = *why;
    return result;
  }
  give_reason(resampler, "no Vulkan device: %.120s", why->text);
  return BASE_OK;
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
    give_reason(resampler, "%.*s could not be measured", chars, device->name);
  } else if (wins > 0) {
    give_reason(resampler, "%.*s is faster than the CPU in %zu of %zu cases", chars, device->name, wins,
                resample_case_kind_count);
  } else {
    give_reason(resampler, "%.*s is slower: %.1f ms against %.1f ms", chars, device->name, (double)device_time / 1000,
                (double)times[RESAMPLE_KERNEL_CPU] / 1000);
  }
}

// Measures in the machine. What fails here fails again in the first job, which has somebody to take care of it.
static void measure(struct resampler *resampler, const char *folder) {
  struct resample_recovery *recovery = &resampler->recovery;
  struct base_fault fault = {0};
  unsigned generation;
  struct resample_vulkan *vulkan = resample_recovery_enter(recovery, &generation);
  enum base_result result = resample_calibration_measure(&resampler->calibration, vulkan, &recovery->info, &fault);
  resample_recovery_leave(recovery, result, &fault);
  if (result == BASE_OK && folder) {
    result = resample_calibration_save(&resampler->calibration, folder, &recovery->info, &fault);
  }
  if (result != BASE_OK) base_log_fault(recovery->log, BASE_LOG_WARN, "resample", NULL, &fault);
}

// Opens the device and finds out what it is good for.
static enum base_result open_device(struct resampler *resampler, const struct resample_config *config,
                                    struct base_fault *fault) {
  const char *folder = config->calibration_folder;
  struct resample_recovery *recovery = &resampler->recovery;
  struct base_fault why = {0};
  enum base_result result = resample_recovery_open(recovery, &why);
  if (result != BASE_OK) return do_without(resampler, result, &why, fault);
  const bool cpu_competes = resampler->mode == RESAMPLE_MODE_AUTO && recovery->info.is_software;
  resample_calibration_init(&resampler->calibration, cpu_competes, &recovery->info);
  const bool is_remembered = folder && resample_calibration_load(&resampler->calibration, folder, &recovery->info);
  const bool is_needed = !is_remembered || !resample_calibration_is_cpu_only(&resampler->calibration);
  if (is_needed) result = resample_recovery_build(recovery, &why);
  if (result != BASE_OK) return do_without(resampler, result, &why, fault);
  if (!is_remembered && !config->is_unmeasured) measure(resampler, folder);
  if (cpu_competes) {
    explain_times(resampler);
    if (resample_calibration_is_cpu_only(&resampler->calibration)) resample_recovery_close(recovery);
  } else {
    give_reason(resampler, resampler->mode == RESAMPLE_MODE_AUTO ? "a hardware GPU" : "as configured");
  }
  return BASE_OK;
}

static void register_metrics(struct resampler *resampler, struct base_metrics *metrics) {
  for (int kernel = RESAMPLE_KERNEL_TWO_PASS; kernel < RESAMPLE_KERNEL_COUNT; kernel++) {
    char labels[32];
    snprintf(labels, sizeof(labels), "kernel=\"%s\"", KERNEL_NAMES[kernel]);
    resampler->jobs[kernel] =
        base_metrics_counter(metrics, "pixpop_resample_jobs_total", labels, "Pictures resampled, by kernel");
  }
}

enum base_result resample_create(const struct resample_config *config, struct resampler **out,
                                 struct base_fault *fault) {
  struct resample_config filled = *config;
  *out = NULL;
  struct resampler *resampler = calloc(1, sizeof(*resampler));
  if (!resampler) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the resampler");
  resampler->mode = config->mode;
  if (filled.budget_bytes == 0) filled.budget_bytes = DEFAULT_BUDGET_BYTES;
  register_metrics(resampler, config->metrics);
  give_reason(resampler, "as configured");
  enum base_result result = resample_recovery_init(&resampler->recovery, &filled, fault);
  if (result == BASE_OK && config->mode != RESAMPLE_MODE_CPU) {
    result = open_device(resampler, config, fault);
  }
  const bool has_device = resampler->recovery.state != RESAMPLE_DEVICE_NONE;
  if (result == BASE_OK) result = resample_recovery_start(&resampler->recovery, fault);
  if (result != BASE_OK) {
    resample_destroy(&resampler);
    return result;
  }
  base_log_write(config->log, BASE_LOG_INFO, "resample", NULL, "resampling on %s (%s)",
                 has_device ? resampler->recovery.info.name : "the CPU", resampler->reason);
  *out = resampler;
  return BASE_OK;
}

void resample_destroy(struct resampler **resampler_pointer) {
  struct resampler *resampler = *resampler_pointer;
  if (!resampler) return;
  *resampler_pointer = NULL;
  resample_recovery_finish(&resampler->recovery);
  free(resampler);
}

// --- running ---

// The kernel for a work on a machine (NULL: there is none). With a wish for Vulkan that no kernel can fulfil it stays
// with two-pass, whose run says why.
static enum resample_kernel choose(const struct resampler *resampler, const struct resample_vulkan *vulkan,
                                   const struct resample_work *work, size_t count) {
  enum resample_kernel wish = work->job->kernel;
  const bool is_free = wish == RESAMPLE_KERNEL_AUTO;
  if (!vulkan) return RESAMPLE_KERNEL_CPU;
  if (is_free) wish = resample_calibration_choice(&resampler->calibration, work, count);
  if (wish == RESAMPLE_KERNEL_CPU || resample_vulkan_fits(vulkan, wish, work)) return wish;
  const bool may_use_cpu = is_free && resampler->mode == RESAMPLE_MODE_AUTO;
  if (may_use_cpu && !resample_vulkan_fits(vulkan, RESAMPLE_KERNEL_TWO_PASS, work)) return RESAMPLE_KERNEL_CPU;
  return RESAMPLE_KERNEL_TWO_PASS;
}

enum resample_kernel resample_choice(struct resampler *resampler, const struct resample_job *job) {
  struct resample_work work;
  unsigned generation;
  if (resample_work_init(&work, job, NULL) != BASE_OK) return RESAMPLE_KERNEL_CPU;
  struct resample_vulkan *vulkan = resample_recovery_enter(&resampler->recovery, &generation);
  const enum resample_kernel kernel = choose(resampler, vulkan, &work, 1);
  if (vulkan) resample_recovery_leave(&resampler->recovery, BASE_OK, NULL);
  return kernel;
}

// One call's works with the kernel of each. Those of the device come first.
struct load {
  size_t count, device_count;
  struct resample_work *works;
  enum resample_kernel *kernels;
};

static void split(const struct resampler *resampler, const struct resample_vulkan *vulkan, struct load *load) {
  load->device_count = 0;
  for (size_t i = 0; i < load->count; i++) {
    load->kernels[i] = choose(resampler, vulkan, &load->works[i], load->count);
    if (load->kernels[i] == RESAMPLE_KERNEL_CPU) continue;
    const struct resample_work work = load->works[i];
    const enum resample_kernel kernel = load->kernels[i];
    load->works[i] = load->works[load->device_count];
    load->kernels[i] = load->kernels[load->device_count];
    load->works[load->device_count] = work;
    load->kernels[load->device_count++] = kernel;
  }
}

// Runs the device's share; the rest is the CPU's. A device that is lost is waited for once, when it comes back at once.
static enum base_result run_on_device(struct resampler *resampler, struct load *load, struct base_fault *fault) {
  struct resample_recovery *recovery = &resampler->recovery;
  for (int attempt = 0; attempt < 2; attempt++) {
    unsigned generation;
    struct base_fault why = {0};
    struct resample_vulkan *vulkan = resample_recovery_enter(recovery, &generation);
    split(resampler, vulkan, load);
    if (!vulkan) return BASE_OK;
    enum base_result result = BASE_OK;
    if (load->device_count > 0) {
      result = resample_vulkan_run(vulkan, load->works, load->kernels, load->device_count, &why);
    }
    resample_recovery_leave(recovery, result, &why);
    if (result == BASE_OK) return BASE_OK;
    const bool is_gone = result == BASE_DEVICE || result == BASE_TIMEOUT;
    if (!is_gone && result != BASE_NO_MEMORY) {
      if (fault && fault->result == BASE_OK) *fault = why;
      return result;
    }
    if (!is_gone || !resample_recovery_await(recovery, generation)) break;
  }
  split(resampler, NULL, load);
  return BASE_OK;
}

static enum base_result run_load(struct resampler *resampler, struct load *load, struct base_fault *fault) {
  enum base_result result = run_on_device(resampler, load, fault);
  for (size_t i = load->device_count; i < load->count && result == BASE_OK; i++) {
    result = resample_cpu_run(&load->works[i], fault);
  }
  for (size_t i = 0; i < load->count && result == BASE_OK; i++) {
    base_metric_add(resampler->jobs[load->kernels[i]], 1);
  }
  return result;
}

enum base_result resample_run(struct resampler *resampler, const struct resample_job *jobs, size_t count,
                              struct base_fault *fault) {
  if (count == 0) return BASE_OK;
  struct load load = {
      .count = count, .works = calloc(count, sizeof(*load.works)), .kernels = calloc(count, sizeof(*load.kernels))};
  enum base_result result = BASE_OK;
  if (!load.works || !load.kernels) result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for resampling");
  for (size_t i = 0; i < count && result == BASE_OK; i++) result = resample_work_init(&load.works[i], &jobs[i], fault);
  if (result == BASE_OK) result = run_load(resampler, &load, fault);
  free(load.works);
  free(load.kernels);
  return result;
}

// --- what there is to see ---

void resample_get_info(struct resampler *resampler, struct resample_info *out) {
  const struct resample_calibration *calibration = &resampler->calibration;
  *out = (struct resample_info){.mode = resampler->mode,
                                .source_path = "host memory",
                                .result_path = "host memory",
                                .budget_bytes = resampler->recovery.budget_bytes,
                                .is_calibration_remembered = calibration->is_remembered,
                                .case_count = calibration->has_times ? resample_case_kind_count : 0};
  memcpy(out->reason, resampler->reason, sizeof(out->reason));
  memcpy(out->cases, calibration->cases, sizeof(out->cases));
  resample_recovery_get_info(&resampler->recovery, out);
}
