#include "page.h"

#include "page_files.h"

const struct page_file *page_find(struct base_span path) {
  static const struct page_file files[] = {
      {"/", "text/html; charset=utf-8", {page_index_html, sizeof page_index_html}},
      {"/rescue.css", "text/css; charset=utf-8", {page_rescue_css, sizeof page_rescue_css}},
      {"/rescue.js", "text/javascript; charset=utf-8", {page_rescue_js, sizeof page_rescue_js}},
  };
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    if (base_span_is(path, files[i].path)) return &files[i];
  }
  return NULL;
}
