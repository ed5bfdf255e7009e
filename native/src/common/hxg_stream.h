/* hxg_stream.h: streams as the rest of the library sees them. */
#ifndef HXG_STREAM_H
#define HXG_STREAM_H

#include <stdint.h>

#include "../task/hxg_host.h"
#include "hxg_platform.h"

/* Immutable bytes that many streams share: a mapped file. Counted, by any thread. */
typedef struct hxg_blob hxg_blob;

/* Maps a file; NULL, and why, if that cannot be done or it is larger than a stream can be. */
hxg_blob *hxg_blob_map(const char *path, char *why, size_t room);
void hxg_blob_keep(hxg_blob *blob);
void hxg_blob_drop(hxg_blob *blob);

/* A read-only stream with a position of its own; keeps the blob while it lives. NULL: no memory. */
HxStream *hxg_stream_over(hxg_blob *blob);

/* Streams that are lent to a task. However often the task counts them up or down, they live until
   they are taken back. NULL: no memory. */
HxStream *hxg_stream_lend_empty(void);
HxStream *hxg_stream_lend_copy(const void *data, uint32_t bytes);
/* The same over a file that the task may scribble over in memory. */
HxStream *hxg_stream_lend_file(const char *path, char *why, size_t room);

/* Ends the loan. If the task has kept a reference the stream lives on, for the task. */
void hxg_stream_take_back(HxStream *lent);
/* Ends the loan and gives a stream with these bytes that nobody else knows; NULL: no memory. */
HxStream *hxg_stream_take_over(HxStream *lent);

/* The first mishap with any stream in this thread since the last call with `reset`. */
hxg_status hxg_stream_thread_fault(int reset);

#endif
