// The lists of recipes to prewarm and what is still to be done, in memory and in their file; see pop/prewarm.h.
//
// No thread-safety of its own.
#ifndef POP_PREWARM_LIST_H
#define POP_PREWARM_LIST_H

#include "pop/prewarm.h"

enum { POP_PREWARM_TENANTS = POP_MAX_TENANTS + 1 };

struct pop_prewarm_recipe {
  char text[POP_PREWARM_RECIPE_BYTES];
  struct recipe recipe;
};

struct pop_prewarm_list {
  char tenant[STORE_MAX_TENANT + 1];
  size_t count;
  struct pop_prewarm_recipe *recipes;
  int64_t since_s;  // originals that came earlier have their variants, or came before there was a list
  bool catches_up;  // those that came since are to be looked for in the store
};

struct pop_prewarm_lists {
  size_t count;
  struct pop_prewarm_list *items[POP_PREWARM_TENANTS];  // each stays where it is until finish
  bool has_run;                                         // one that has not ended
  char run_tenant[STORE_MAX_TENANT + 1], run_tag[POP_PREWARM_TAG_BYTES];
};

void pop_prewarm_lists_finish(struct pop_prewarm_lists *lists);
// NULL when there is none.
struct pop_prewarm_list *pop_prewarm_lists_find(struct pop_prewarm_lists *lists, const char *tenant);
// Makes one when there is none: BASE_NO_MEMORY, BASE_TOO_LARGE.
enum base_result pop_prewarm_lists_get(struct pop_prewarm_lists *lists, const char *tenant,
                                       struct pop_prewarm_list **out, struct base_fault *fault) BASE_CHECKED;
// Judges recipes; *out is the caller's to free, NULL for none.
enum base_result pop_prewarm_parse(const struct base_span *recipes, size_t count, struct pop_prewarm_recipe **out,
                                   struct base_fault *fault) BASE_CHECKED;

// The file. A missing one holds nothing; BASE_CORRUPT for one that is no such file.
enum base_result pop_prewarm_lists_read(struct pop_prewarm_lists *lists, const char *path,
                                        struct base_fault *fault) BASE_CHECKED;
enum base_result pop_prewarm_lists_write(const struct pop_prewarm_lists *lists, const char *path,
                                         struct base_fault *fault) BASE_CHECKED;

#endif
