/* head.c: the fields of a frame, the lowest byte first whatever the processor. */
#include "user.h"

#include <stdlib.h>
#include <string.h>

void hxg_head_begin(hxg_head *head) {
    head->bytes = head->inside;
    head->size = 0;
    head->room = sizeof head->inside;
    head->is_failed = 0;
}

void hxg_head_end(hxg_head *head) {
    if (head->bytes != head->inside) free(head->bytes);
    head->bytes = head->inside;
}

static uint8_t *more(hxg_head *head, size_t bytes) {
    size_t needed = head->size + bytes;
    if (head->is_failed || bytes > HXG_MAX_HEAD_BYTES || needed > HXG_MAX_HEAD_BYTES) {
        head->is_failed = 1;
        return NULL;
    }
    if (needed > head->room) {
        uint8_t *grown = malloc(needed * 2);
        if (grown == NULL) {
            head->is_failed = 1;
            return NULL;
        }
        memcpy(grown, head->bytes, head->size);
        hxg_head_end(head);
        head->bytes = grown;
        head->room = needed * 2;
    }
    head->size = needed;
    return head->bytes + needed - bytes;
}

static void put_number(hxg_head *head, uint64_t value, size_t bytes) {
    uint8_t *at = more(head, bytes);
    size_t index;
    if (at == NULL) return;
    for (index = 0; index < bytes; index++) at[index] = (uint8_t)(value >> (8 * index));
}

void hxg_put_u32(hxg_head *head, uint32_t value) { put_number(head, value, 4); }
void hxg_put_u64(hxg_head *head, uint64_t value) { put_number(head, value, 8); }

void hxg_put_f64(hxg_head *head, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_number(head, bits, 8);
}

void hxg_put_text(hxg_head *head, const char *text) {
    size_t length = text != NULL ? strlen(text) : 0;
    uint8_t *at;
    if (length > HXG_MAX_HEAD_BYTES) {
        head->is_failed = 1;
        return;
    }
    hxg_put_u32(head, (uint32_t)length);
    at = more(head, length);
    if (at != NULL && length != 0) memcpy(at, text, length);
}

uint32_t hxg_read_word(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static const uint8_t *take(hxg_fields *fields, size_t bytes) {
    const uint8_t *at = fields->at;
    if (fields->is_failed || bytes > fields->left) {
        fields->is_failed = 1;
        return NULL;
    }
    fields->at += bytes;
    fields->left -= bytes;
    return at;
}

uint32_t hxg_get_u32(hxg_fields *fields) {
    const uint8_t *at = take(fields, 4);
    return at != NULL ? hxg_read_word(at) : 0;
}

uint64_t hxg_get_u64(hxg_fields *fields) {
    uint64_t low = hxg_get_u32(fields);
    return low | (uint64_t)hxg_get_u32(fields) << 32;
}

double hxg_get_f64(hxg_fields *fields) {
    uint64_t bits = hxg_get_u64(fields);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

char *hxg_get_text(hxg_fields *fields) {
    size_t count = hxg_get_u32(fields);
    const uint8_t *at = take(fields, count);
    char *text;
    if (at == NULL) return NULL;
    text = malloc(count + 1);
    if (text == NULL) return NULL;
    memcpy(text, at, count);
    text[count] = '\0';
    return text;
}
