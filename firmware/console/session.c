#include "session.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct slot {
  bool is_used;
  uint64_t begin_us;
  struct console_session session;
};

struct console_sessions {
  const struct base_clock *clock;
  pthread_mutex_t lock;
  struct slot slots[CONSOLE_MAX_SESSIONS];
};

struct console_sessions *console_sessions_create(const struct base_clock *clock) {
  struct console_sessions *sessions = calloc(1, sizeof *sessions);
  if (!sessions) return NULL;
  sessions->clock = clock;
  pthread_mutex_init(&sessions->lock, NULL);
  return sessions;
}

void console_sessions_destroy(struct console_sessions **sessions) {
  if (!*sessions) return;
  pthread_mutex_destroy(&(*sessions)->lock);
  explicit_bzero(*sessions, sizeof **sessions);
  free(*sessions);
  *sessions = NULL;
}

// The live session of that id, or NULL. Looks at every slot, so that the time does not tell how near a guess was. Under
// the lock.
static struct slot *find(struct console_sessions *sessions, struct base_span id, uint64_t now_us) {
  struct slot *found = NULL;
  for (size_t i = 0; i < CONSOLE_MAX_SESSIONS; i++) {
    struct slot *slot = &sessions->slots[i];
    if (slot->is_used && now_us - slot->begin_us > CONSOLE_SESSION_LIFE_S * 1000000ull) slot->is_used = false;
    if (slot->is_used && base_span_equal_constant_time(id, base_span_text(slot->session.id))) found = slot;
  }
  return found;
}

void console_sessions_begin(struct console_sessions *sessions, struct console_session *out) {
  base_token_make(out->id);
  base_token_make(out->csrf_token);
  uint64_t now_us = base_clock_us(sessions->clock);
  pthread_mutex_lock(&sessions->lock);
  struct slot *slot = &sessions->slots[0];
  for (size_t i = 0; i < CONSOLE_MAX_SESSIONS && slot->is_used; i++) {
    struct slot *other = &sessions->slots[i];
    if (!other->is_used || other->begin_us < slot->begin_us) slot = other;
  }
  *slot = (struct slot){.is_used = true, .begin_us = now_us, .session = *out};
  pthread_mutex_unlock(&sessions->lock);
}

bool console_sessions_find(struct console_sessions *sessions, struct base_span id, struct console_session *out) {
  uint64_t now_us = base_clock_us(sessions->clock);
  pthread_mutex_lock(&sessions->lock);
  const struct slot *slot = find(sessions, id, now_us);
  if (slot) *out = slot->session;
  pthread_mutex_unlock(&sessions->lock);
  return slot != NULL;
}

void console_sessions_end(struct console_sessions *sessions, struct base_span id) {
  uint64_t now_us = base_clock_us(sessions->clock);
  pthread_mutex_lock(&sessions->lock);
  struct slot *slot = find(sessions, id, now_us);
  if (slot) explicit_bzero(slot, sizeof *slot);
  pthread_mutex_unlock(&sessions->lock);
}
