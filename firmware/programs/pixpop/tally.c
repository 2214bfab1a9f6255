#include "tally.h"

#include <stdio.h>

static void name_bar(struct tally *tally) {
  if (tally->files == 1) return;
  snprintf(tally->name, sizeof(tally->name), "%zu of %zu files", tally->ended, tally->files);
  tally->progress.name = tally->name;
}

static void show(struct tally *tally) {
  if (!tally->is_quiet) progress_show(&tally->progress, tally->progress.done, tally->progress.total);
}

void tally_begin(struct tally *tally, size_t files, const char *only_file, uint64_t total, bool is_quiet) {
  *tally = (struct tally){.files = files, .is_quiet = is_quiet};
  pthread_mutex_init(&tally->lock, NULL);
  progress_begin(&tally->progress, only_file);
  tally->progress.total = total;
  name_bar(tally);
}

void tally_pause(struct tally *tally) {
  pthread_mutex_lock(&tally->lock);
  progress_erase(&tally->progress);
}

void tally_go_on(struct tally *tally) {
  if (tally->ended < tally->files && tally->progress.done > 0) show(tally);
  pthread_mutex_unlock(&tally->lock);
}

void tally_move(struct tally *tally, uint64_t *done, uint64_t now) {
  pthread_mutex_lock(&tally->lock);
  tally->progress.done += now - *done;  // modulo 2^64: an offset may also turn out lower
  *done = now;
  show(tally);
  pthread_mutex_unlock(&tally->lock);
}

void tally_skip(struct tally *tally, uint64_t *done, uint64_t now) {
  pthread_mutex_lock(&tally->lock);
  tally->progress.skipped += now - *done;
  pthread_mutex_unlock(&tally->lock);
  tally_move(tally, done, now);
}

void tally_end_of_file(struct tally *tally) {
  pthread_mutex_lock(&tally->lock);
  tally->ended++;
  name_bar(tally);
  pthread_mutex_unlock(&tally->lock);
}

void tally_end(struct tally *tally) {
  progress_erase(&tally->progress);
  pthread_mutex_destroy(&tally->lock);
}
