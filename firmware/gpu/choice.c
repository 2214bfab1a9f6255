#include "choice.h"

#include <stdio.h>
#include <string.h>

enum { MAX_FAMILIES = 32 };

static const char *kind_name(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return "discrete";
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return "integrated";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return "virtual";
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return "software";
    default:
      return "other";
  }
}

// Higher is better.
static int kind_rank(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return 4;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return 3;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return 1;
    default:
      return 0;
  }
}

static bool find_compute_family(const struct gpu_vulkan *vk, VkPhysicalDevice device, uint32_t *out) {
  VkQueueFamilyProperties families[MAX_FAMILIES];
  uint32_t count = MAX_FAMILIES;
  vk->GetPhysicalDeviceQueueFamilyProperties(device, &count, families);
  for (uint32_t i = 0; i < count; i++) {
    if ((families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) != 0 && families[i].queueCount > 0) {
      *out = i;
      return true;
    }
  }
  return false;
}

static void describe(const struct gpu_vulkan *vk, VkPhysicalDevice device, struct gpu_candidate *out) {
  out->handle = device;
  VkPhysicalDeviceProperties2 basic = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  vk->GetPhysicalDeviceProperties2(device, &basic);
  out->properties = basic.properties;
  out->is_usable = basic.properties.apiVersion >= VK_API_VERSION_1_1 && find_compute_family(vk, device, &out->family);
  snprintf(out->driver, sizeof(out->driver), "driver %u", (unsigned)basic.properties.driverVersion);
  if (basic.properties.apiVersion < VK_API_VERSION_1_2) return;
  VkPhysicalDeviceDriverProperties driver = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
  VkPhysicalDeviceProperties2 full = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &driver};
  vk->GetPhysicalDeviceProperties2(device, &full);
  snprintf(out->driver, sizeof(out->driver), "%.120s %.120s", driver.driverName, driver.driverInfo);
}

enum base_result gpu_candidates_find(const struct gpu_instance *instance, struct gpu_candidates *out,
                                     struct base_fault *fault) {
  *out = (struct gpu_candidates){0};
  VkPhysicalDevice devices[GPU_MAX_DEVICES];
  uint32_t count = GPU_MAX_DEVICES;
  VkResult result = instance->vk.EnumeratePhysicalDevices(instance->handle, &count, devices);
  if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
    return gpu_vulkan_fail(fault, result, "vkEnumeratePhysicalDevices");
  }
  if (count == 0) return BASE_FAIL(fault, BASE_DEVICE, "vulkan", "the Vulkan drivers on this machine have no device");
  for (uint32_t i = 0; i < count; i++) describe(&instance->vk, devices[i], &out->list[i]);
  out->count = count;
  return BASE_OK;
}

static int choose_best(const struct gpu_candidates *candidates) {
  int best = -1;
  for (size_t i = 0; i < candidates->count; i++) {
    const struct gpu_candidate *candidate = &candidates->list[i];
    if (!candidate->is_usable) continue;
    if (best < 0 ||
        kind_rank(candidate->properties.deviceType) > kind_rank(candidates->list[best].properties.deviceType)) {
      best = (int)i;
    }
  }
  return best;
}

// A wish of digits only is an index.
static bool parse_index(const char *wanted, size_t *out) {
  uint64_t value = 0;
  if (!base_span_to_u64(base_span_text(wanted), &value) || value > SIZE_MAX) return false;
  *out = (size_t)value;
  return true;
}

static int choose_by_name(const struct gpu_candidates *candidates, const char *part) {
  for (size_t i = 0; i < candidates->count; i++) {
    const struct gpu_candidate *candidate = &candidates->list[i];
    if (candidate->is_usable && strcasestr(candidate->properties.deviceName, part)) return (int)i;
  }
  return -1;
}

int gpu_choose(const struct gpu_candidates *candidates, const char *wanted, char *reason, size_t reason_capacity) {
  size_t index = 0;
  if (wanted && parse_index(wanted, &index)) {
    snprintf(reason, reason_capacity, "asked for by index %zu", index);
    return index < candidates->count && candidates->list[index].is_usable ? (int)index : -1;
  }
  if (wanted && *wanted) {
    snprintf(reason, reason_capacity, "asked for by name '%s'", wanted);
    return choose_by_name(candidates, wanted);
  }
  int best = choose_best(candidates);
  if (best < 0) {
    snprintf(reason, reason_capacity, "none of %zu has Vulkan 1.1 and a compute queue", candidates->count);
  } else if (candidates->count == 1) {
    snprintf(reason, reason_capacity, "the only device");
  } else {
    snprintf(reason, reason_capacity, "first %s device of %zu (discrete > integrated > virtual > software)",
             kind_name(candidates->list[best].properties.deviceType), candidates->count);
  }
  return best;
}

enum base_result gpu_candidates_print(const struct gpu_candidates *candidates, struct base_buffer *out) {
  for (size_t i = 0; i < candidates->count; i++) {
    const struct gpu_candidate *candidate = &candidates->list[i];
    uint32_t version = candidate->properties.apiVersion;
    enum base_result result = base_buffer_printf(
        out, "%zu: %s (%s) %s, Vulkan %u.%u%s\n", i, candidate->properties.deviceName, candidate->driver,
        kind_name(candidate->properties.deviceType), (unsigned)VK_API_VERSION_MAJOR(version),
        (unsigned)VK_API_VERSION_MINOR(version), candidate->is_usable ? "" : ", not usable");
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}
