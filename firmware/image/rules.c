#include <stddef.h>
#include <string.h>

#include "image/report.h"

struct rule_words {
  const char *name;
  const char *meaning;
};

static const struct rule_words words[IMAGE_RULE_COUNT] = {
    [IMAGE_RULE_SIZE] = {"size", "its sides or pixels are over the limits"},
    [IMAGE_RULE_RATIO] = {"ratio", "one side is far longer than the other"},
    [IMAGE_RULE_EXPANSION] = {"expansion", "it decodes to far more bytes than the file has"},
    [IMAGE_RULE_FRAMES] = {"frames", "it has too many frames, pages or items"},
    [IMAGE_RULE_STRUCTURE] = {"structure", "its lengths, order or nesting are not what the format allows"},
    [IMAGE_RULE_CHECKSUM] = {"checksum", "a checksum in the file is wrong"},
    [IMAGE_RULE_CHUNK_SIZE] = {"chunk-size", "a chunk of metadata is oversized"},
    [IMAGE_RULE_NESTING] = {"nesting", "boxes or directories are nested too deep, or in circles"},
    [IMAGE_RULE_TEXT] = {"text", "a text in it carries markup, script or a shell"},
    [IMAGE_RULE_TEXT_ENTROPY] = {"text-entropy", "a text in it is as dense as encrypted data"},
    [IMAGE_RULE_DATA_ENTROPY] = {"data-entropy", "a stretch of image data is not what the format's data looks like"},
    [IMAGE_RULE_TRAILING] = {"trailing", "bytes follow the end of the picture"},
    [IMAGE_RULE_HIDDEN] = {"hidden", "bytes inside are reached by no part of the format"},
    [IMAGE_RULE_POLYGLOT] = {"polyglot", "it is also HTML, PHP, ZIP, PDF, a program or the like"},
    [IMAGE_RULE_COLOUR] = {"colour", "its statements about its colours contradict each other"},
    [IMAGE_RULE_PROFILE] = {"profile", "its ICC profile is damaged or of the wrong class"},
    [IMAGE_RULE_EXIF] = {"exif", "its EXIF block can not be read or contradicts the picture"},
    [IMAGE_RULE_GPS] = {"gps", "it says where it was taken"},
};

static const char *const verdicts[IMAGE_VERDICT_COUNT] = {
    [IMAGE_ALLOW] = "allow", [IMAGE_ALERT] = "alert", [IMAGE_BLOCK] = "block"};

// Blocked is what no camera, phone or editor writes; what some of them do write is kept and shown. What is damaged is
// decided by the decoder, which runs in any case.
const struct image_rules image_rules_default = {{
    [IMAGE_RULE_SIZE] = IMAGE_BLOCK,          // no variant could be made of it
    [IMAGE_RULE_RATIO] = IMAGE_BLOCK,         // the longest panoramas stay far below; bombs do not
    [IMAGE_RULE_EXPANSION] = IMAGE_BLOCK,     // costs memory and time out of proportion to the upload
    [IMAGE_RULE_FRAMES] = IMAGE_ALERT,        // long animations exist; only the first frame is decoded
    [IMAGE_RULE_STRUCTURE] = IMAGE_ALERT,     // cameras and editors write odd files that decode well
    [IMAGE_RULE_CHECKSUM] = IMAGE_ALERT,      // decoders refuse where it matters
    [IMAGE_RULE_CHUNK_SIZE] = IMAGE_ALERT,    // editors keep their history in metadata
    [IMAGE_RULE_NESTING] = IMAGE_BLOCK,       // nobody needs it, parsers die of it
    [IMAGE_RULE_TEXT] = IMAGE_BLOCK,          // a script in a caption waits for a careless page
    [IMAGE_RULE_TEXT_ENTROPY] = IMAGE_ALERT,  // smuggled data, or an editor's base64-less blob
    [IMAGE_RULE_DATA_ENTROPY] = IMAGE_ALERT,  // flat pictures and padding look odd without being so
    [IMAGE_RULE_TRAILING] = IMAGE_ALERT,      // phones append motion photos and their own notes
    [IMAGE_RULE_HIDDEN] = IMAGE_ALERT,        // editors leave gaps where they edited in place
    [IMAGE_RULE_POLYGLOT] = IMAGE_BLOCK,      // a file that is two things is an attack on whoever guesses types
    [IMAGE_RULE_COLOUR] = IMAGE_ALLOW,        // common and harmless: the strongest statement is used
    [IMAGE_RULE_PROFILE] = IMAGE_ALERT,       // colours may be off; the picture is served nevertheless
    [IMAGE_RULE_EXIF] = IMAGE_ALLOW,          // edited and messenger pictures have stale blocks every day
    [IMAGE_RULE_GPS] = IMAGE_ALERT,           // privacy: somebody should know before it is published
}};

const char *image_rule_name(enum image_rule rule) {
  BASE_ASSERT((unsigned)rule < IMAGE_RULE_COUNT);
  return words[rule].name;
}

const char *image_rule_meaning(enum image_rule rule) {
  BASE_ASSERT((unsigned)rule < IMAGE_RULE_COUNT);
  return words[rule].meaning;
}

enum image_rule image_rule_parse(const char *name) {
  for (int i = 0; name && i < IMAGE_RULE_COUNT; i++) {
    if (strcmp(words[i].name, name) == 0) return (enum image_rule)i;
  }
  return IMAGE_RULE_COUNT;
}

const char *image_verdict_name(enum image_verdict verdict) {
  BASE_ASSERT((unsigned)verdict < IMAGE_VERDICT_COUNT);
  return verdicts[verdict];
}

enum image_verdict image_verdict_parse(const char *name) {
  for (int i = 0; name && i < IMAGE_VERDICT_COUNT; i++) {
    if (strcmp(verdicts[i], name) == 0) return (enum image_verdict)i;
  }
  return IMAGE_VERDICT_COUNT;
}

enum image_verdict image_report_judge(struct image_report *report, const struct image_rules *rules,
                                      enum image_rule *rule) {
  for (uint32_t i = 0; i < report->finding_count; i++) {
    struct image_finding *finding = &report->findings[i];
    finding->verdict = (uint8_t)rules->verdicts[finding->rule];
  }
  enum image_verdict strictest = IMAGE_ALLOW;
  *rule = IMAGE_RULE_COUNT;
  for (int i = 0; i < IMAGE_RULE_COUNT; i++) {
    if (report->rule_counts[i] == 0) continue;
    if (*rule != IMAGE_RULE_COUNT && rules->verdicts[i] <= strictest) continue;
    strictest = rules->verdicts[i];
    *rule = (enum image_rule)i;
  }
  return strictest;
}

uint32_t image_report_alerts(const struct image_report *report, const struct image_rules *rules) {
  uint32_t alerts = 0;
  for (int i = 0; i < IMAGE_RULE_COUNT; i++) {
    if (rules->verdicts[i] != IMAGE_ALERT) continue;
    if (__builtin_add_overflow(alerts, report->rule_counts[i], &alerts)) return UINT32_MAX;
  }
  return alerts;
}
