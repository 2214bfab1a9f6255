#include "plan.h"

#include "policy.h"

enum { DPR_UNIT = 1000 };

static struct pop_chart chart_of(const struct pop_ask *ask, const char *profile) {
  return (struct pop_chart){.salt = ask->tenant->salt, .profile = profile};
}

static bool is_on_slow_network(const struct pop_ask *ask) { return ask->hints.network == POP_NETWORK_SLOW; }

static struct pop_terms terms_of(const struct pop_ask *ask) {
  const struct pop_address *address = &ask->address;
  const bool is_explicit = address->grammar == POP_NATIVE ? recipe_is_pinned(&address->recipe) : ask->open == 0;
  return (struct pop_terms){
      .is_pinned = ask->tenant->hints_off || is_explicit,
      .is_private = ask->is_trusted,
      .is_iiif = address->grammar == POP_IIIF,
      .is_escaped = pop_address_has_plainer(address),
      .takes_hints = !ask->tenant->hints_off,
      .open = (uint8_t)ask->open,
      .expires_s = address->expires_s,
  };
}

// The width of the result at a DPR, or 0.
static uint64_t width_at(const struct recipe *followed, const struct pop_course *course, uint32_t dpr_milli) {
  struct image_layout layout;
  struct base_fault ignored = {0};
  struct recipe recipe = *followed;
  recipe.dpr_milli = dpr_milli;
  recipe.has_crop = course->recipe.has_crop;  // clipped
  recipe.crop_width = course->recipe.crop_width;
  recipe.crop_height = course->recipe.crop_height;
  if (recipe_plan(&recipe, &course->original->header, &layout, &ignored) != BASE_OK) return 0;
  return layout.canvas_width;
}

// The DPR that the picture has indeed, as one that is smaller than wished is not made larger.
static uint32_t content_dpr(const struct recipe *followed, const struct pop_course *course, uint32_t used_dpr_milli,
                            unsigned open) {
  const uint64_t made = width_at(followed, course, followed->dpr_milli);
  if (open & POP_OPEN_SIZE && followed->dpr_milli == DPR_UNIT) {  // the width was wished in physical pixels
    return (uint32_t)(used_dpr_milli * made / followed->width);
  }
  const uint64_t unit = width_at(followed, course, DPR_UNIT);
  return unit ? (uint32_t)(DPR_UNIT * made / unit) : 0;
}

// The course of the wish with the hints, which *followed becomes; where they would lead over a limit, without them.
static enum base_result set_course(const struct pop_ask *ask, const struct recipe *wanted, enum recipe_format format,
                                   struct pop_chart chart, struct pop_original *original, struct pop_plan *out,
                                   struct recipe *followed, struct base_fault *fault) {
  uint32_t used_dpr_milli;
  struct image_layout layout;
  struct base_fault ignored = {0};
  *followed = *wanted;
  pop_hints_apply(&ask->hints, ask->open, ask->tenant, followed, &used_dpr_milli);
  const bool is_sized = followed->width != wanted->width || followed->dpr_milli != wanted->dpr_milli;
  enum base_result result = pop_course_set(original, followed, format, chart, &out->course, fault);
  if (result != BASE_OK || !is_sized) return result;
  if (recipe_plan(&out->course.recipe, &original->header, &layout, &ignored) != BASE_OK) {
    followed->width = wanted->width;
    followed->dpr_milli = wanted->dpr_milli;
    return pop_course_set(original, followed, format, chart, &out->course, fault);
  }
  if (used_dpr_milli) out->terms.content_dpr_milli = content_dpr(followed, &out->course, used_dpr_milli, ask->open);
  return result;
}

enum base_result pop_plan_make(const struct pop_ask *ask, struct pop_original *original, const char *profile,
                               bool makes_avif, struct pop_plan *out, struct base_fault *fault) {
  struct recipe wanted, followed;
  const struct pop_chart chart = chart_of(ask, profile);
  const bool is_slow = is_on_slow_network(ask);
  out->terms = terms_of(ask);
  out->has_better = false;
  enum base_result result = pop_address_resolve(&ask->address, &original->header, &wanted, fault);
  if (result != BASE_OK) return result;
  const bool is_auto = wanted.format == RECIPE_FORMAT_AUTO;
  const enum recipe_format format =
      is_auto ? pop_accept_choose(&ask->accept, wanted.lossless, original->header.has_alpha, is_slow) : wanted.format;
  // With the format left open the original's own file may be the answer.
  if (is_auto && !pop_accept_takes_own(&ask->accept, recipe_own_format(&original->header))) wanted.format = format;
  result = set_course(ask, &wanted, format, chart, original, out, &followed, fault);
  if (result == BASE_OK) out->terms.is_unnamed = !pop_policy_lets(ask->tenant, &out->course.recipe);
  if (result != BASE_OK || !is_auto || !makes_avif || wanted.lossless) return result;
  if (!pop_accept_prefers_avif(&ask->accept, format, is_slow)) return result;
  out->has_better = true;
  if (followed.format != RECIPE_FORMAT_AUTO) followed.format = RECIPE_FORMAT_AVIF;
  return pop_course_set(original, &followed, RECIPE_FORMAT_AVIF, chart, &out->better, fault);
}
