#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "opening.h"

static const uint64_t DEFAULT_BUDGET_BYTES = 256u << 20;

static const char *const KERNEL_NAMES[RESAMPLE_KERNEL_COUNT] = {
    [RESAMPLE_KERNEL_AUTO] = "auto",
    [RESAMPLE_KERNEL_TWO_PASS] = "two-pass",
    [RESAMPLE_KERNEL_TILE] = "tile",
    [RESAMPLE_KERNEL_CPU] = "cpu",
};

const char *resample_kernel_name(enum resample_kernel kernel) { return KERNEL_NAMES[kernel]; }

// --- starting ---

static void register_metrics(struct resampler *resampler, struct base_metrics *metrics) {
  for (int kernel = RESAMPLE_KERNEL_TWO_PASS; kernel < RESAMPLE_KERNEL_COUNT; kernel++) {
    char labels[32];
    snprintf(labels, sizeof(labels), "kernel=\"%s\"", KERNEL_NAMES[kernel]);
    resampler->jobs[kernel] =
        base_metrics_counter(metrics, "pixpop_resample_jobs_total", labels, "Pictures resampled, by kernel");
  }
}

static enum base_result init(struct resampler *resampler, const struct resample_config *config,
                             struct base_fault *fault) {
  struct resample_config filled = *config;
  if (filled.budget_bytes == 0) filled.budget_bytes = DEFAULT_BUDGET_BYTES;
  resampler->mode = config->mode;
  resampler->is_unmeasured = config->is_unmeasured;
  resampler->failed = config->failed;
  resampler->failed_self = config->failed_self;
  if (config->calibration_folder) resampler->calibration_folder = strdup(config->calibration_folder);
  register_metrics(resampler, config->metrics);
  resample_give_reason(resampler, "as configured");
  const enum base_result result = resample_recovery_init(&resampler->recovery, &filled, fault);
  if (result != BASE_OK || !config->calibration_folder || resampler->calibration_folder) return result;
  return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the resampler");
}

// In the caller's thread.
static enum base_result open_now(struct resampler *resampler, struct base_fault *fault) {
  const struct base_fault *failure = &resampler->failure;
  const enum base_result result = resample_open_device(resampler);
  if (result != BASE_OK) return BASE_FAIL(fault, result, failure->subject, "%s", failure->text);
  return resample_recovery_start(&resampler->recovery, NULL, NULL, fault);
}

enum base_result resample_create(const struct resample_config *config, struct resampler **out,
                                 struct base_fault *fault) {
  *out = NULL;
  struct resampler *resampler = calloc(1, sizeof(*resampler));
  if (!resampler) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the resampler");
  enum base_result result = init(resampler, config, fault);
  if (result == BASE_OK && config->mode == RESAMPLE_MODE_CPU) resample_log_choice(resampler);
  if (result == BASE_OK && config->mode != RESAMPLE_MODE_CPU && !config->is_background) {
    result = open_now(resampler, fault);
  }
  if (result != BASE_OK) {
    resample_destroy(&resampler);
    return result;
  }
  *out = resampler;
  return BASE_OK;
}

enum base_result resample_open(struct resampler *resampler, struct base_fault *fault) {
  if (resampler->mode == RESAMPLE_MODE_CPU) return BASE_OK;
  return resample_recovery_start(&resampler->recovery, resample_open_in_thread, resampler, fault);
}

void resample_stop(struct resampler *resampler) { resample_recovery_stop(&resampler->recovery); }

void resample_destroy(struct resampler **resampler_pointer) {
  struct resampler *resampler = *resampler_pointer;
  if (!resampler) return;
  *resampler_pointer = NULL;
  resample_recovery_finish(&resampler->recovery);
  free(resampler->calibration_folder);
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

// No other machine will do for RESAMPLE_MODE_VULKAN; for AUTO the CPU stands in.
static enum base_result await_device(struct resampler *resampler, struct base_fault *fault) {
  const struct base_fault *failure = &resampler->failure;
  if (resampler->mode != RESAMPLE_MODE_VULKAN) return BASE_OK;
  if (!resample_recovery_await_opening(&resampler->recovery))
    return BASE_FAIL(fault, BASE_BUSY, "", "the program ends before its Vulkan device is open");
  if (failure->result == BASE_OK) return BASE_OK;
  return BASE_FAIL(fault, failure->result, failure->subject, "%s", failure->text);
}

enum resample_kernel resample_choice(struct resampler *resampler, const struct resample_job *job) {
  struct resample_work work;
  unsigned generation;
  if (resample_work_init(&work, job, NULL) != BASE_OK) return RESAMPLE_KERNEL_CPU;
  if (await_device(resampler, NULL) != BASE_OK) return RESAMPLE_KERNEL_CPU;
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
  enum base_result result = await_device(resampler, fault);
  if (result == BASE_OK) result = run_on_device(resampler, load, fault);
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
                                .reason = "the device is being opened"};
  resample_recovery_get_info(&resampler->recovery, out);
  if (out->is_opening) return;  // who opens it still writes what follows
  out->is_calibration_remembered = calibration->is_remembered;
  out->case_count = calibration->has_times ? resample_case_kind_count : 0;
  memcpy(out->reason, resampler->reason, sizeof(out->reason));
  memcpy(out->cases, calibration->cases, sizeof(out->cases));
}
