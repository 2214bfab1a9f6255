// A session as the note of its kept upload: a JSON object.
#ifndef INGEST_TUS_NOTE_H
#define INGEST_TUS_NOTE_H

#include "ingest/tus.h"

// All but id and offset, which are the store's, and is_locked. `out` is initialised here; finish it in every case.
enum base_result ingest_tus_note_write(const struct ingest_tus_session *session, struct base_buffer *out,
                                       struct base_fault *fault) BASE_CHECKED;
// BASE_CORRUPT; BASE_UNSUPPORTED for a note of another format. `out` is initialised here.
enum base_result ingest_tus_note_read(struct base_span note, struct ingest_tus_session *out,
                                      struct base_fault *fault) BASE_CHECKED;

#endif
