// Inspection of a whole file, all formats: it ends, keeps to the file, and what it reports is what its readers believe.
#include "inspect/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  static struct image_report report;
  struct base_fault fault = {0};
  enum base_result result = inspect_file(base_span_of(data, bytes), &limits, &report, &fault);
  BASE_ASSERT(result == BASE_OK || result == BASE_UNSUPPORTED);
  if (result != BASE_OK) {
    BASE_ASSERT(fault.text[0] != '\0');
    return 0;
  }
  BASE_ASSERT(image_report_check(&report, &fault) == BASE_OK);
  BASE_ASSERT(report.file_bytes == bytes && report.format != IMAGE_FILE_UNKNOWN);
  return 0;
}
