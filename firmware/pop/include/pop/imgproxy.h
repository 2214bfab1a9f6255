// URLs as imgproxy has them, so that its users can switch by changing a host name:
//
//   /imgproxy/{signature}/{options}/plain/local:///{id}[@extension]
//   /imgproxy/{signature}/{options}/{base64url of local:///{id}}[.extension]
//
// A proxy in front that merges slashes (nginx does) makes plain/local:/{id} of the first; that is repaired before
// anything else looks at it, so the signature is the one of local:///{id}.
// Signature: base64url-nopad(HMAC-SHA256(key, salt || the path after the signature, its '/' first)), or one of
// "unsafe", "insecure" and "_", which sign nothing. Options, long and short: resize/rs, size/s, resizing_type/rt,
// width/w, height/h, enlarge/el, extend/ex, gravity/g, crop/c, padding/pd, background/bg, quality/q, format/f/ext, dpr,
// rotate/rot, auto_rotate/ar and strip_metadata/sm (always on: what turns auto_rotate off is refused), expires/exp,
// cachebuster/cb. As in imgproxy an empty argument leaves what was there, and a later option goes over an earlier one.
// Smart gravity is taken as the centre.
//
// Nothing keeps what came for a URL that nobody signed and that could be written more plainly, as every picture would
// have any number of them (as in pop/iiif.h): with an option that is given twice or whose last argument is empty, with
// numbers that are not the shortest of their kind, with a source in pieces, padded, or with escapes but of ':' and '/'.
//
// A query is refused (pop_address_read), where imgproxy passes over it: no signature covers it, and each would be
// another entry in the caches in front. Who wants another URL of the same picture has cachebuster, which is signed.
#ifndef POP_IMGPROXY_H
#define POP_IMGPROXY_H

#include "base/span.h"
#include "image/header.h"
#include "recipe/recipe.h"

enum pop_imgproxy_type {
  POP_IMGPROXY_FIT,
  POP_IMGPROXY_FILL,
  POP_IMGPROXY_FILL_DOWN,
  POP_IMGPROXY_FORCE,
  POP_IMGPROXY_AUTO
};

enum { POP_IMGPROXY_UNIT = 1000000, POP_IMGPROXY_MAX_SIDE = 65535, POP_IMGPROXY_MAX_PATH = 2048 };

// Sides and offsets as imgproxy means them: whole pixels from 1 on, or a share of the picture below that.
struct pop_imgproxy_length {
  int32_t pixels;
  int32_t share;  // of POP_IMGPROXY_UNIT; used when pixels is 0
};

// A compass point with offsets towards the middle, or a point that comes as near to the middle as it can.
struct pop_imgproxy_gravity {
  bool is_given;
  bool is_focus;              // fp
  uint16_t focus_x, focus_y;  // of RECIPE_FOCUS_UNIT
  int8_t x, y;                // -1: left or top, 0: middle, 1: right or bottom
  struct pop_imgproxy_length offset_x, offset_y;
};

struct pop_imgproxy {
  enum pop_imgproxy_type type;
  uint32_t width, height;  // 0: follows
  bool may_enlarge, extends;
  struct pop_imgproxy_gravity gravity, crop_gravity, extend_gravity;
  struct pop_imgproxy_length crop_width, crop_height;  // 0: the picture's
  uint32_t dpr_milli;                                  // 0: not given
  uint16_t pad[4];                                     // top, right, bottom, left
  bool has_background;
  uint8_t background[3];
  uint8_t quality;  // 0: default
  enum recipe_format format;
  enum image_orientation turn;
  bool has_cachebuster;
  bool has_plainer;  // there is a plainer URL of the same, and nobody signed this one
};

struct pop_address;
// BASE_BAD_INPUT names the option; BASE_NOT_FOUND for a source that is not local:///{id}.
enum base_result pop_imgproxy_parse(struct base_span path, struct pop_address *out,
                                    struct base_fault *fault) BASE_CHECKED;
// Everything about the size is worked out here, in pixels (dpr 1), from the original's own: nothing is left to hints
// but the format. BASE_UNPROCESSABLE, subject "size", for sides over IMAGE_MAX_BOX_SIDE or pads over RECIPE_MAX_PAD.
enum base_result pop_imgproxy_resolve(const struct pop_imgproxy *wish, const struct image_header *original,
                                      struct recipe *out, struct base_fault *fault) BASE_CHECKED;
// True when nothing is asked for but a width, a dpr and a format.
bool pop_imgproxy_is_plain(const struct pop_imgproxy *wish);

// Room for the slashes that a proxy took.
struct pop_imgproxy_repair {
  uint8_t bytes[POP_IMGPROXY_MAX_PATH + 2];
};

// The signed part of such a path ("/rs:fit:300/plain/...") and its signature. They borrow from the path, or from
// `repair` where slashes were missing.
enum base_result pop_imgproxy_split(struct base_span path, struct pop_imgproxy_repair *repair,
                                    struct base_span *signature, struct base_span *signed_part,
                                    struct base_fault *fault) BASE_CHECKED;
// True for the words that stand where no signature is.
bool pop_imgproxy_is_unsigned(struct base_span signature);

#endif
