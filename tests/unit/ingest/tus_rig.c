#include "tus_rig.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(enum base_result result, const struct base_fault *fault) {
  if (result == BASE_OK) return;
  fprintf(stderr, "tus rig: %s\n", fault->text);
  abort();
}

static void count_stored(void *self, const char *tenant, const struct integrity_digest *original) {
  struct tus_rig *rig = self;
  struct store_original found;
  must(store_original_find(rig->store, tenant, original, &found, NULL), &(struct base_fault){.text = "not stored"});
  atomic_fetch_add(&rig->stored, 1);
}

void tus_rig_make(struct tus_rig *rig) {
  memset(rig, 0, sizeof *rig);
  rig->boot_id = "one boot";
  temp_folder_make(&rig->folder);
  temp_folder_path(&rig->folder, "store", rig->root, sizeof rig->root);
  fake_clock_init(&rig->clock, TUS_RIG_NOW_S);
}

void tus_rig_remove(struct tus_rig *rig) { temp_folder_remove(&rig->folder); }

void tus_rig_open(struct tus_rig *rig) {
  struct base_fault fault = {0};
  rig->metrics = base_metrics_create();
  const struct store_config store = {.root = rig->root,
                                     .variant_budget_bytes = 1 << 20,
                                     .min_free_bytes = 1 << 20,
                                     .boot_id = rig->boot_id,
                                     .clock = &rig->clock.clock,
                                     .metrics = rig->metrics};
  must(store_open(&store, &rig->store, &fault), &fault);
  const struct sandbox_config sandbox = {.decoder_path = "/none"};
  must(sandbox_create(&sandbox, &rig->sandbox, &fault), &fault);
  struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  limits.max_file_bytes = TUS_RIG_MAX_FILE_BYTES;
  const struct ingest_config ingest = {.store = rig->store,
                                       .sandbox = rig->sandbox,
                                       .limits = limits,
                                       .rules = image_rules_default,
                                       .metrics = rig->metrics};
  must(ingest_create(&ingest, &rig->ingest, &fault), &fault);
  const struct ingest_tus_config tus = {.ingest = rig->ingest,
                                        .store = rig->store,
                                        .max_file_bytes = TUS_RIG_MAX_FILE_BYTES,
                                        .expire_s = TUS_RIG_EXPIRE_S,
                                        .max_sessions = rig->max_sessions,
                                        .max_sessions_per_tenant = rig->max_sessions_per_tenant,
                                        .stored = count_stored,
                                        .stored_self = rig,
                                        .clock = &rig->clock.clock,
                                        .metrics = rig->metrics};
  must(ingest_tus_create(&tus, &rig->tus, &fault), &fault);
}

void tus_rig_close(struct tus_rig *rig) {
  ingest_tus_destroy(&rig->tus);
  ingest_destroy(&rig->ingest);
  sandbox_destroy(&rig->sandbox);
  store_close(&rig->store);
  base_metrics_destroy(&rig->metrics);
}

void tus_rig_crash(struct tus_rig *rig, void (*work)(struct tus_rig *rig, void *argument), void *argument) {
  const pid_t child = fork();
  if (child < 0) abort();
  if (child == 0) {
    tus_rig_open(rig);
    work(rig, argument);
    kill(getpid(), SIGKILL);
  }
  int status;
  if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) abort();
}

int tus_rig_files(const struct tus_rig *rig, const char *folder) {
  char path[160];
  snprintf(path, sizeof path, "%s/%s", rig->root, folder);
  DIR *listing = opendir(path);
  if (!listing) return 0;
  int count = -2;
  while (readdir(listing)) count++;
  closedir(listing);
  return count;
}
