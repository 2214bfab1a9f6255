#include "instance.h"

#include <stdlib.h>
#include <string.h>

static const char VALIDATION_LAYER[] = "VK_LAYER_KHRONOS_validation";
enum { MAX_LAYERS = 64 };

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data, void *user) {
  struct gpu_validation *validation = user;
  (void)types;
  bool is_error = (severity & VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT) != 0;
  atomic_fetch_add(&validation->messages, 1);
  base_log_write(validation->log, is_error ? BASE_LOG_ERROR : BASE_LOG_WARN, "gpu", NULL, "validation: %s",
                 data->pMessage ? data->pMessage : "(no text)");
  if (validation->abort_on_message) abort();
  return VK_FALSE;
}

static bool layer_exists(const struct gpu_vulkan *vk, const char *name) {
  VkLayerProperties layers[MAX_LAYERS];
  uint32_t count = MAX_LAYERS;
  VkResult result = vk->EnumerateInstanceLayerProperties(&count, layers);
  if (result != VK_SUCCESS && result != VK_INCOMPLETE) return false;
  for (uint32_t i = 0; i < count; i++) {
    if (strcmp(layers[i].layerName, name) == 0) return true;
  }
  return false;
}

static VkDebugUtilsMessengerCreateInfoEXT messenger_info(struct gpu_validation *validation) {
  return (VkDebugUtilsMessengerCreateInfoEXT){
      .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
      .messageSeverity =
          VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
      // Only the layer's own findings: the loader's general chatter says nothing about our use of the interface.
      .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
      .pfnUserCallback = on_message,
      .pUserData = validation,
  };
}

static enum base_result create_handle(struct gpu_instance *instance, struct gpu_validation *validation,
                                      struct base_fault *fault) {
  struct gpu_vulkan *vk = &instance->vk;
  uint32_t version = VK_API_VERSION_1_0;
  if (vk->EnumerateInstanceVersion(&version) != VK_SUCCESS || version < VK_API_VERSION_1_1) {
    return BASE_FAIL(fault, BASE_DEVICE, "vulkan", "the Vulkan loader is older than 1.1");
  }
  if (validation && !layer_exists(vk, VALIDATION_LAYER)) {
    return BASE_FAIL(fault, BASE_DEVICE, "vulkan", "validation was asked for, but %s is not installed",
                     VALIDATION_LAYER);
  }
  VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info(validation);
  const VkValidationFeatureEnableEXT extra = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
  const VkValidationFeaturesEXT features = {
      .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
      .pNext = &messenger,
      .enabledValidationFeatureCount = 1,
      .pEnabledValidationFeatures = &extra,
  };
  const char *layer = VALIDATION_LAYER;
  const char *extensions[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME};
  const VkInstanceCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
      .pNext = validation ? &features : NULL,
      .pApplicationInfo =
          &(VkApplicationInfo){.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                               .pApplicationName = "pixpop",
                               .apiVersion = version < VK_API_VERSION_1_2 ? VK_API_VERSION_1_1 : VK_API_VERSION_1_2},
      .enabledLayerCount = validation ? 1 : 0,
      .ppEnabledLayerNames = &layer,
      .enabledExtensionCount = validation ? 2 : 0,
      .ppEnabledExtensionNames = extensions,
  };
  VkResult result = vk->CreateInstance(&info, NULL, &instance->handle);
  if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
    return BASE_FAIL(fault, BASE_DEVICE, "vulkan", "there is no Vulkan driver on this machine (no usable ICD)");
  }
  if (result != VK_SUCCESS) return gpu_vulkan_fail(fault, result, "vkCreateInstance");
  return BASE_OK;
}

static enum base_result create_messenger(struct gpu_instance *instance, struct gpu_validation *validation,
                                         struct base_fault *fault) {
  PFN_vkCreateDebugUtilsMessengerEXT create = (PFN_vkCreateDebugUtilsMessengerEXT)instance->vk.GetInstanceProcAddr(
      instance->handle, "vkCreateDebugUtilsMessengerEXT");
  if (!create) return BASE_FAIL(fault, BASE_DEVICE, "vulkan", "the Vulkan loader has no debug messenger");
  VkDebugUtilsMessengerCreateInfoEXT info = messenger_info(validation);
  VkResult result = create(instance->handle, &info, NULL, &instance->messenger);
  return result == VK_SUCCESS ? BASE_OK : gpu_vulkan_fail(fault, result, "vkCreateDebugUtilsMessengerEXT");
}

enum base_result gpu_instance_init(struct gpu_instance *instance, struct gpu_validation *validation,
                                   struct base_fault *fault) {
  *instance = (struct gpu_instance){0};
  enum base_result result = gpu_vulkan_open(&instance->vk, fault);
  if (result != BASE_OK) return result;
  result = create_handle(instance, validation, fault);
  if (result != BASE_OK) {
    gpu_vulkan_close(&instance->vk);
    return result;
  }
  gpu_vulkan_keep_drivers();
  result = gpu_vulkan_load_instance(&instance->vk, instance->handle, fault);
  if (result == BASE_OK && validation) result = create_messenger(instance, validation, fault);
  if (result != BASE_OK) gpu_instance_finish(instance);
  return result;
}

void gpu_instance_finish(struct gpu_instance *instance) {
  if (instance->messenger) {
    PFN_vkDestroyDebugUtilsMessengerEXT destroy = (PFN_vkDestroyDebugUtilsMessengerEXT)instance->vk.GetInstanceProcAddr(
        instance->handle, "vkDestroyDebugUtilsMessengerEXT");
    if (destroy) destroy(instance->handle, instance->messenger, NULL);
  }
  if (instance->vk.DestroyInstance) instance->vk.DestroyInstance(instance->handle, NULL);
  gpu_vulkan_close(&instance->vk);
  *instance = (struct gpu_instance){0};
}
