// An order to render: n recipes of one original, answered by a callback. The interface through which `pop` and
// `console` reach a renderer without knowing it.
#ifndef RECIPE_ORDER_H
#define RECIPE_ORDER_H

#include "base/span.h"
#include "base/trace.h"
#include "recipe/recipe.h"

// One finished variant, or why there is none.
struct recipe_product {
  struct base_fault fault;         // result BASE_OK when there is a blob
  struct base_blob *blob;          // whoever reads the order takes or unrefs it
  const char *media_type;          // static
  struct integrity_digest digest;  // of the blob
  uint32_t width, height;
};

struct recipe_order {
  struct integrity_digest original;
  struct image_header header;
  size_t count;
  const struct recipe *recipes;     // pinned; borrowed until done
  struct recipe_product *products;  // `count`, zeroed by the caller; filled before done
  const char *request_id;           // for logs; borrowed until done
  // Nobody waits for it: begun only when no other order waits, and never by more than one thread.
  bool is_background;
  struct base_trace trace;
  bool (*is_cancelled)(void *self);  // asked between stages; may be NULL
  // Called once a product, on any worker thread (for different products at the same time too), as soon as products[i]
  // has its blob or fault and before done; may be NULL. It may take the blob.
  void (*arrived)(void *self, struct recipe_order *order, size_t i);
  // Called exactly once, on a worker thread, unless submit refused the order.
  void (*done)(void *self, struct recipe_order *order);
  void *self;
};

enum { RECIPE_PROFILE_CHARS = 15 };

struct recipe_renderer {
  // BASE_BUSY when the queue is full: nothing was taken and done will not be called.
  enum base_result (*submit)(void *self, struct recipe_order *order, struct base_fault *fault);
  void *self;
  // Names the renderer's own settings that change the bytes it makes from the same recipe; a part of every key.
  char profile[RECIPE_PROFILE_CHARS + 1];
};

#endif
