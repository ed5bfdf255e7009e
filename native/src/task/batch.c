/* batch.c: many small attempts and results in one call, in the layouts of hxg_host.h. */
#include "hxg_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    COUNT_BYTES = 4,
    RUN_BYTES = 25,
    RUN_FUNCTION_AT = 8,
    RUN_FLAGS_AT = 12,
    RUN_SIZE_AT = 21,
    RESULT_BYTES = 44,
    RESULT_STORED_AT = 10,
    RESULT_RAW_AT = 18,
    RESULT_STARTED_AT = 26,
    RESULT_ENDED_AT = 34,
    RESULT_THREAD_AT = 42,
    IN_FILE = 0x80,
    LONGEST_PATH = 4096
};

/* Every system that runs this keeps the lowest byte first, so words are copied as they are. */
static uint32_t get_u32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t get_u64(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static HxStream *input_of(uint8_t flags, const uint8_t *payload, uint32_t size, char *why,
                          size_t room) {
    char path[LONGEST_PATH];
    HxStream *input;
    why[0] = '\0';
    if (flags == 0) {
        input = hxg_stream_lend_copy(payload, size);
        if (input == NULL) strncat(why, "no memory for an input", room - 1);
        return input;
    }
    if (size >= sizeof path) {
        strncat(why, "the path of an input is too long", room - 1);
        return NULL;
    }
    memcpy(path, payload, size);
    path[size] = '\0';
    return hxg_stream_lend_file(path, why, room);
}

/* One record as an item: an attempt, or a failure that says why it is none. NULL: no memory. */
static hxg_item *item_of(const uint8_t *record, const uint8_t *payload) {
    char why[HXG_WHY_BYTES];
    hxg_item *item = hxg_item_make(HXG_EVENT_RESULT, NULL);
    if (item == NULL) return NULL;
    item->serial = get_u64(record);
    item->function = get_u32(record + RUN_FUNCTION_AT);
    item->stream = input_of(record[RUN_FLAGS_AT], payload, get_u32(record + RUN_SIZE_AT), why,
                            sizeof why);
    if (item->stream == NULL) {
        item->outcome = HXG_OUTCOME_FAILED;
        item->text = hxg_copy_text(why);
    }
    return item;
}

/* Checks that counts and sizes add up; the number of records, or -1. */
static int64_t checked_count(const uint8_t *body, size_t bytes) {
    uint64_t end, index, count;
    if (bytes < COUNT_BYTES) return -1;
    count = get_u32(body);
    end = COUNT_BYTES + count * RUN_BYTES;
    if (end > bytes) return -1;
    for (index = 0; index < count; index++) {
        end += get_u32(body + COUNT_BYTES + index * RUN_BYTES + RUN_SIZE_AT);
    }
    return end == bytes ? (int64_t)count : -1;
}

hxg_status hxg_host_run_batch(hxg_host *host, const void *raw, size_t bytes, uint32_t *left_out,
                              size_t capacity, size_t *left_count) {
    const uint8_t *body = raw, *record, *payload;
    hxg_list good = {NULL, NULL}, bad = {NULL, NULL};
    hxg_item *item;
    int64_t count, index;
    size_t queued = 0, left = 0;
    hxg_status status;
    if (host == NULL || body == NULL || left_count == NULL || (left_out == NULL && capacity != 0)) {
        return hxg_fail(HXG_E_ARGUMENT, "host, body or room for what is left out is missing");
    }
    count = checked_count(body, bytes);
    if (count < 0) return hxg_fail(HXG_E_ARGUMENT, "a batch does not fit its %lu bytes",
                                   (unsigned long)bytes);
    record = body + COUNT_BYTES;
    payload = record + count * RUN_BYTES;
    for (index = 0; index < count; index++, record += RUN_BYTES) {
        uint8_t flags = record[RUN_FLAGS_AT];
        uint32_t size = get_u32(record + RUN_SIZE_AT);
        if (flags != 0 && flags != IN_FILE) {
            if (left == capacity) {
                hxg_list_free(&good);
                hxg_list_free(&bad);
                return hxg_fail(HXG_E_LIMIT, "more records are left out than there is room for");
            }
            left_out[left++] = (uint32_t)index;
        } else if ((item = item_of(record, payload)) == NULL) {
            hxg_list_free(&good);
            hxg_list_free(&bad);
            return hxg_fail(HXG_E_MEMORY, "no memory for an attempt");
        } else if (item->stream != NULL) {
            hxg_append(&good, item);
            queued++;
        } else {
            hxg_append(&bad, item);
        }
        payload += size;
    }
    *left_count = left;
    status = hxg_enqueue(host, &good, queued);
    while ((item = hxg_pop(&bad)) != NULL) {
        if (status == HXG_OK) {
            hxg_tell_now(host, item);
        } else {
            hxg_item_free(item);
        }
    }
    return status;
}

static uint8_t *put_result(uint8_t *at, const hxg_item *item, uint64_t length) {
    memcpy(at, &item->serial, 8);
    at[8] = (uint8_t)item->outcome;
    at[9] = 0;
    memcpy(at + RESULT_STORED_AT, &length, 8);
    memcpy(at + RESULT_RAW_AT, &length, 8);
    memcpy(at + RESULT_STARTED_AT, &item->started_at, 8);
    memcpy(at + RESULT_ENDED_AT, &item->ended_at, 8);
    memcpy(at + RESULT_THREAD_AT, &item->thread, 2);
    return at + RESULT_BYTES;
}

static uint64_t length_of(const hxg_item *item) {
    return item->stream->vtbl->GetLength(item->stream);
}

/* Takes as many as fit; how many. */
static uint32_t take_fitting(hxg_host *host, hxg_list *list, size_t capacity, size_t limit,
                             size_t *used) {
    uint32_t count = 0;
    *used = COUNT_BYTES;
    while (host->batch.first != NULL && count < limit) {
        size_t size = RESULT_BYTES + (size_t)length_of(host->batch.first);
        if (size > capacity - *used) break;
        *used += size;
        count++;
        hxg_append(list, hxg_pop(&host->batch));
    }
    return count;
}

hxg_status hxg_host_take_batch(hxg_host *host, void *buffer, size_t capacity, size_t limit,
                               size_t *used) {
    hxg_list list = {NULL, NULL};
    hxg_item *item;
    uint32_t count;
    uint8_t *at = buffer, *payload;
    if (host == NULL || buffer == NULL || used == NULL) {
        return hxg_fail(HXG_E_ARGUMENT, "host, buffer or used is NULL");
    }
    if (capacity < COUNT_BYTES + RESULT_BYTES + (size_t)host->small_bytes || limit == 0) {
        return hxg_fail(HXG_E_ARGUMENT, "the buffer is too small for one result");
    }
    hxg_lock(&host->lock);
    host->is_awake = 0;
    count = take_fitting(host, &list, capacity, limit < UINT32_MAX ? limit : UINT32_MAX, used);
    hxg_unlock(&host->lock);
    if (count == 0) {
        *used = 0;
        return HXG_OK;
    }
    memcpy(at, &count, COUNT_BYTES);
    at += COUNT_BYTES;
    payload = at + (size_t)count * RESULT_BYTES;
    while ((item = hxg_pop(&list)) != NULL) {
        uint64_t length = length_of(item);
        at = put_result(at, item, length);
        memcpy(payload, item->stream->vtbl->GetBasePointer(item->stream), (size_t)length);
        payload += length;
        hxg_item_free(item);
    }
    return HXG_OK;
}
