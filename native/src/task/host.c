/* host.c: the host's life, the queue of attempts, and what is taken by Python.
 *
 * Attempts wait in one queue. A thread takes the first, runs it, and puts its end where Python takes
 * it: small outputs into a list that leaves in batches, everything else among the events. A byte on
 * the socket follows only if none is on its way, so that under load one byte stands for many ends.
 */
#include "hxg_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- items and lists */

void hxg_append(hxg_list *list, hxg_item *item) {
    item->next = NULL;
    if (list->last != NULL) {
        list->last->next = item;
    } else {
        list->first = item;
    }
    list->last = item;
}

hxg_item *hxg_pop(hxg_list *list) {
    hxg_item *item = list->first;
    if (item == NULL) return NULL;
    list->first = item->next;
    if (list->first == NULL) list->last = NULL;
    return item;
}

char *hxg_copy_text(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    if (copy != NULL) memcpy(copy, text, size);
    return copy;
}

hxg_item *hxg_item_make(uint32_t kind, const char *text) {
    hxg_item *item = calloc(1, sizeof *item);
    if (item == NULL) return NULL;
    item->kind = kind;
    if (text != NULL && (item->text = hxg_copy_text(text)) == NULL) {
        free(item);
        return NULL;
    }
    return item;
}

void hxg_item_free(hxg_item *item) {
    if (item == NULL) return;
    hxg_stream_take_back(item->stream);
    free(item->text);
    free(item);
}

void hxg_list_free(hxg_list *list) {
    hxg_item *item;
    while ((item = hxg_pop(list)) != NULL) hxg_item_free(item);
}

int hxg_tell(hxg_host *host, hxg_item *item) {
    int is_due = !host->is_awake;
    int is_small = item->kind == HXG_EVENT_RESULT && item->outcome == HXG_OUTCOME_DONE
                   && item->stream->vtbl->GetLength(item->stream) <= host->small_bytes;
    hxg_append(is_small ? &host->batch : &host->events, item);
    host->is_awake = 1;
    return is_due;
}

void hxg_tell_now(hxg_host *host, hxg_item *item) {
    int is_due;
    hxg_lock(&host->lock);
    is_due = hxg_tell(host, item);
    hxg_unlock(&host->lock);
    if (is_due) hxg_wake(host->wake_socket);
}

hxg_status hxg_host_set_threads(hxg_host *host, uint32_t count) {
    hxg_status status;
    if (host == NULL || count == 0 || count > HXG_PAGE_THREADS) {
        return hxg_fail(HXG_E_ARGUMENT, "a host has 1 to %d threads, not %u", HXG_PAGE_THREADS,
                        (unsigned)count);
    }
    hxg_lock(&host->lock);
    status = hxg_set_threads(host, count);
    hxg_unlock(&host->lock);
    return status;
}

/* ---- the host's life */

static void free_host(hxg_host *host) {
    uint32_t index;
    for (index = 0; index < HXG_PAGE_THREADS; index++) {
        hxg_cell *cell = host->cells[index];
        if (cell == NULL) continue;
        if (cell->has_thread) hxg_thread_join(cell->thread);
        free(cell);
    }
    hxg_list_free(&host->queue);
    hxg_list_free(&host->batch);
    hxg_list_free(&host->events);
    hxg_item_free(host->taken);
    hxg_modules_free(host);
    hxg_data_free(host);
    hxg_sessions_free(host);
    hxg_cond_destroy(&host->data);
    hxg_cond_destroy(&host->work);
    hxg_mutex_destroy(&host->lock);
    free(host);
}

/* Undoes a creation that went half way: the threads that have started end at once. */
static void discard(hxg_host *host) {
    hxg_host_close(host);
    free_host(host);
}

hxg_status hxg_host_create(const hxg_host_options *options, hxg_host **result) {
    hxg_host *host;
    hxg_status status;
    if (options == NULL || result == NULL || options->struct_size < sizeof *options) {
        return hxg_fail(HXG_E_ARGUMENT, "options or host is missing, or of another version");
    }
    *result = NULL;
    if (options->page == NULL || ((uintptr_t)options->page & 7) != 0) {
        return hxg_fail(HXG_E_ARGUMENT, "the page must be there and aligned to 8 bytes");
    }
    host = calloc(1, sizeof *host);
    if (host == NULL) return hxg_fail(HXG_E_MEMORY, "no memory for a host");
    hxg_mutex_init(&host->lock);
    hxg_cond_init(&host->work);
    hxg_cond_init(&host->data);
    host->page = options->page;
    host->wake_socket = options->wake_socket;
    host->small_bytes = options->small_bytes;
    status = hxg_host_set_threads(host, options->thread_count);
    if (status != HXG_OK) {
        discard(host);
        return status;
    }
    *result = host;
    return HXG_OK;
}

hxg_status hxg_host_close(hxg_host *host) {
    hxg_item *item;
    int is_due = 0;
    if (host == NULL) return hxg_fail(HXG_E_ARGUMENT, "host is NULL");
    hxg_lock(&host->lock);
    host->is_closing = 1;
    while ((item = hxg_pop(&host->queue)) != NULL) {
        hxg_set_result(item, HXG_OUTCOME_NOT_STARTED, NULL);
        is_due |= hxg_tell(host, item);
    }
    hxg_broadcast(&host->work);
    hxg_unlock(&host->lock);
    if (is_due) hxg_wake(host->wake_socket);
    return HXG_OK;
}

hxg_status hxg_host_free(hxg_host *host) {
    int is_closed;
    if (host == NULL) return HXG_OK;
    hxg_lock(&host->lock);
    is_closed = host->is_closed;
    hxg_unlock(&host->lock);
    if (!is_closed) return hxg_fail(HXG_E_BUSY, "the host has not told that it is closed");
    free_host(host);
    return HXG_OK;
}

/* ---- attempts in */

hxg_status hxg_enqueue(hxg_host *host, hxg_list *list, size_t count) {
    hxg_lock(&host->lock);
    if (host->is_closing) {
        hxg_unlock(&host->lock);
        hxg_list_free(list);
        return hxg_fail(HXG_E_CLOSED, "the host is closing");
    }
    if (host->queue.last != NULL) {
        host->queue.last->next = list->first;
    } else {
        host->queue.first = list->first;
    }
    if (list->last != NULL) host->queue.last = list->last;
    if (count > host->idle_threads) count = host->idle_threads;
    while (count-- != 0) hxg_signal(&host->work);
    hxg_unlock(&host->lock);
    return HXG_OK;
}

static hxg_status enqueue_one(hxg_host *host, uint64_t serial, uint32_t function,
                              HxStream *input) {
    hxg_list list = {NULL, NULL};
    hxg_item *item = hxg_item_make(HXG_EVENT_RESULT, NULL);
    if (item == NULL) {
        hxg_stream_take_back(input);
        return hxg_fail(HXG_E_MEMORY, "no memory for an attempt");
    }
    item->serial = serial;
    item->function = function;
    item->stream = input;
    hxg_append(&list, item);
    return hxg_enqueue(host, &list, 1);
}

hxg_status hxg_host_run(hxg_host *host, uint64_t serial, uint32_t function, const void *data,
                        uint64_t bytes) {
    HxStream *input;
    if (host == NULL || (data == NULL && bytes != 0)) {
        return hxg_fail(HXG_E_ARGUMENT, "host or data is NULL");
    }
    if (bytes > UINT32_MAX) return hxg_fail(HXG_E_LIMIT, "a stream has less than 4 GiB");
    input = hxg_stream_lend_copy(data, (uint32_t)bytes);
    if (input == NULL) return hxg_fail(HXG_E_MEMORY, "no memory for an input");
    return enqueue_one(host, serial, function, input);
}

hxg_status hxg_host_run_file(hxg_host *host, uint64_t serial, uint32_t function, const char *path) {
    char why[512];
    HxStream *input;
    if (host == NULL || path == NULL) return hxg_fail(HXG_E_ARGUMENT, "host or path is NULL");
    input = hxg_stream_lend_file(path, why, sizeof why);
    if (input == NULL) return hxg_fail(HXG_E_SYSTEM, "%s", why);
    return enqueue_one(host, serial, function, input);
}

hxg_status hxg_host_take_back(hxg_host *host, const uint64_t *serials, size_t count,
                              uint64_t *taken, size_t *taken_count) {
    hxg_list kept = {NULL, NULL}, gone = {NULL, NULL};
    hxg_item *item;
    size_t index, found = 0;
    if (host == NULL || serials == NULL || taken == NULL || taken_count == NULL) {
        return hxg_fail(HXG_E_ARGUMENT, "host, serials, taken or taken_count is NULL");
    }
    hxg_lock(&host->lock);
    while ((item = hxg_pop(&host->queue)) != NULL) {
        for (index = 0; index < count && serials[index] != item->serial; index++) {
        }
        if (index == count || found == count) {
            hxg_append(&kept, item);
        } else {
            taken[found++] = item->serial;
            hxg_append(&gone, item);
        }
    }
    host->queue = kept;
    hxg_unlock(&host->lock);
    hxg_list_free(&gone);
    *taken_count = found;
    return HXG_OK;
}

/* ---- events out */

hxg_status hxg_host_take_event(hxg_host *host, hxg_event *event) {
    hxg_item *item;
    if (host == NULL || event == NULL) return hxg_fail(HXG_E_ARGUMENT, "host or event is NULL");
    memset(event, 0, sizeof *event);
    event->text = "";
    hxg_lock(&host->lock);
    host->is_awake = 0;
    item = hxg_pop(&host->events);
    hxg_unlock(&host->lock);
    hxg_item_free(host->taken);
    host->taken = item;
    if (item == NULL) return HXG_OK;
    event->kind = item->kind;
    event->outcome = item->outcome;
    event->serial = item->serial;
    event->started_at = item->started_at;
    event->ended_at = item->ended_at;
    event->stream = item->stream;
    item->stream = NULL; /* the taker's from now on */
    event->thread = item->thread;
    event->request = item->request;
    event->is_all = item->is_all;
    if (item->text != NULL) event->text = item->text;
    return HXG_OK;
}
