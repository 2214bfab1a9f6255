#include "jpeg_error.h"

#include <jerror.h>

static _Noreturn void jump_out(j_common_ptr info) {
  struct jpeg_trap *trap = (struct jpeg_trap *)info->err;
  info->err->format_message(info, trap->text);
  longjmp(trap->jump, 1);
}

// libjpeg paints over what is missing and warns. Warnings about oddities that lose no pixel are let through.
static void fail_on_lost_pixels(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
      jump_out(info);
    default:
      info->err->num_warnings++;
  }
}

static void stay_silent(j_common_ptr info) { (void)info; }

struct jpeg_error_mgr *codec_jpeg_trap_init(struct jpeg_trap *trap) {
  struct jpeg_error_mgr *manager = jpeg_std_error(&trap->manager);
  manager->error_exit = jump_out;
  manager->emit_message = fail_on_lost_pixels;
  manager->output_message = stay_silent;
  trap->text[0] = '\0';
  return manager;
}

_Noreturn void codec_jpeg_trap_fail(struct jpeg_trap *trap, const char *text) {
  snprintf(trap->text, sizeof trap->text, "%s", text);
  longjmp(trap->jump, 1);
}
