/* Counts a stream up and down from many threads at once. */
#define _XOPEN_SOURCE 700
#include <hxgrid/hxgrid_task.h>

#include <pthread.h>

typedef struct work {
    HxStream *stream;
    uint32_t times;
} work;

static void *count(void *raw) {
    work *what = raw;
    uint32_t index;
    for (index = 0; index < what->times; index++) {
        what->stream->vtbl->AddRef(what->stream);
        what->stream->vtbl->Release(what->stream);
    }
    return NULL;
}

HXG_EXPORT uint32_t count_from_threads(HxStream *stream, uint32_t threads, uint32_t times);
HXG_EXPORT uint32_t count_from_threads(HxStream *stream, uint32_t threads, uint32_t times) {
    pthread_t ids[64];
    work what = {stream, times};
    uint32_t index;
    for (index = 0; index < threads; index++) pthread_create(&ids[index], NULL, count, &what);
    for (index = 0; index < threads; index++) pthread_join(ids[index], NULL);
    stream->vtbl->AddRef(stream);
    return stream->vtbl->Release(stream);
}
