// The page's files, embedded.
#ifndef RESCUE_PAGE_H
#define RESCUE_PAGE_H

#include "base/span.h"

struct page_file {
  const char *path, *media_type;
  struct base_span content;
};
// NULL when there is no such file.
const struct page_file *page_find(struct base_span path);

#endif
