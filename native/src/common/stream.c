/* stream.c: IGenericStream.
 *
 * Where the bytes are: at first inside the object (most inputs and outputs are small), then in
 * memory of their own that doubles when it is full, so that many small writes cost the same each. A
 * large input is a private mapping of a file until it has to grow. A read-only stream shares a blob.
 *
 * No method can report a failure, so a stream remembers its first one, and so does the thread in
 * which it happened: the host fails the attempt after the task has returned.
 *
 * Counting: a stream that is lent to a task carries HELD beside its count. While it does, no Release
 * destroys it and the count never falls below 0, because tasks of the original came to release what
 * was only lent to them, and to keep what they should not.
 */
#include "hxg_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hxg_error.h"

enum { INLINE_BYTES = 64, FIRST_HEAP_BYTES = 256 };

#define HELD 0x80000000u
#define LONGEST 0xFFFFFFFFu
#define STREAM_ID 0x762EFFFEu
#define NO_INTERFACE ((int32_t)0x80004002u)

struct hxg_blob {
    uint32_t count;
    hxg_mapping mapping;
};

typedef struct stream {
    HxStream face;
    uint32_t count;    /* references, and HELD */
    uint32_t fault;    /* hxg_status of the first mishap */
    uint32_t length;
    uint32_t position;
    uint32_t capacity;
    uint8_t is_read_only;
    uint8_t is_heap;
    uint8_t *bytes;    /* never NULL */
    hxg_mapping mapping; /* private; `base` is NULL when there is none */
    hxg_blob *blob;    /* NULL unless read-only */
    uint8_t inside[INLINE_BYTES];
} stream;

static HXG_THREAD_LOCAL hxg_status thread_fault;

static stream *of(HxStream *self) { return (stream *)(void *)self; }

static void mishap(stream *self, hxg_status status) {
    if (self->fault == HXG_OK) self->fault = (uint32_t)status;
    if (thread_fault == HXG_OK) thread_fault = status;
}

hxg_status hxg_stream_thread_fault(int reset) {
    hxg_status fault = thread_fault;
    if (reset) thread_fault = HXG_OK;
    return fault;
}

/* ---- blobs */

static void add(uint32_t *count, uint32_t amount) {
    uint32_t found = hxg_load_u32(count);
    while (!hxg_swap_u32(count, &found, found + amount)) {
    }
}

hxg_blob *hxg_blob_map(const char *path, char *why, size_t room) {
    hxg_blob *blob = malloc(sizeof *blob);
    if (blob == NULL) {
        snprintf(why, room, "no memory is left");
        return NULL;
    }
    blob->count = 1;
    if (!hxg_map_file(path, 0, &blob->mapping, why, room)) {
        free(blob);
        return NULL;
    }
    if (blob->mapping.bytes > LONGEST) {
        snprintf(why, room, "%s has 4 GiB or more, and a stream has less", path);
        hxg_blob_drop(blob);
        return NULL;
    }
    return blob;
}

void hxg_blob_keep(hxg_blob *blob) { add(&blob->count, 1); }

void hxg_blob_drop(hxg_blob *blob) {
    uint32_t found;
    if (blob == NULL) return;
    found = hxg_load_u32(&blob->count);
    while (!hxg_swap_u32(&blob->count, &found, found - 1)) {
    }
    if (found == 1) {
        hxg_unmap(&blob->mapping);
        free(blob);
    }
}

/* ---- where the bytes are */

static void drop_bytes(stream *self) {
    if (self->is_heap) free(self->bytes);
    hxg_unmap(&self->mapping);
    self->is_heap = 0;
    self->bytes = self->inside;
    self->capacity = INLINE_BYTES;
}

/* Gives the bytes a memory of exactly `capacity`, which holds all of them. */
static int move_to_heap(stream *self, uint32_t capacity) {
    uint8_t *bytes;
    if (self->is_heap) {
        bytes = realloc(self->bytes, capacity);
        if (bytes == NULL) return 0;
    } else {
        bytes = malloc(capacity);
        if (bytes == NULL) return 0;
        memcpy(bytes, self->bytes, self->length);
        hxg_unmap(&self->mapping);
    }
    self->bytes = bytes;
    self->capacity = capacity;
    self->is_heap = 1;
    return 1;
}

static int make_room(stream *self, uint32_t needed) {
    uint32_t wanted;
    if (needed <= self->capacity) return 1;
    wanted = self->capacity > LONGEST / 2 ? LONGEST : self->capacity * 2;
    if (wanted < FIRST_HEAP_BYTES) wanted = FIRST_HEAP_BYTES;
    if (wanted < needed) wanted = needed;
    /* When twice as much is not to be had, what is needed may be. */
    if (move_to_heap(self, wanted) || (wanted > needed && move_to_heap(self, needed))) return 1;
    mishap(self, HXG_E_MEMORY);
    return 0;
}

static int can_change(stream *self) {
    if (self->is_read_only) mishap(self, HXG_E_READ_ONLY);
    return !self->is_read_only;
}

static int change_length(stream *self, uint32_t length) {
    if (!make_room(self, length)) return 0;
    if (length > self->length) memset(self->bytes + self->length, 0, length - self->length);
    self->length = length;
    return 1;
}

/* ---- IUnknown */

static int is_own_interface(const void *iid) {
    static const uint8_t unknown[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46};
    static const uint32_t own[4] = {STREAM_ID, 0, 0, 0};
    return memcmp(iid, unknown, sizeof unknown) == 0 || memcmp(iid, own, sizeof own) == 0;
}

static uint32_t HXG_STDCALL add_ref(HxStream *face) {
    stream *self = of(face);
    uint32_t found = hxg_load_u32(&self->count);
    while (!hxg_swap_u32(&self->count, &found, found + 1)) {
    }
    return (found + 1) & ~HELD;
}

static void destroy(stream *self) {
    drop_bytes(self);
    hxg_blob_drop(self->blob);
    free(self);
}

static uint32_t HXG_STDCALL release(HxStream *face) {
    stream *self = of(face);
    uint32_t found = hxg_load_u32(&self->count);
    do {
        if ((found & ~HELD) == 0) return 0;
    } while (!hxg_swap_u32(&self->count, &found, found - 1));
    if (found == 1) destroy(self);
    return (found - 1) & ~HELD;
}

static int32_t HXG_STDCALL query_interface(HxStream *face, const void *iid, void **object) {
    if (object == NULL) return NO_INTERFACE;
    *object = NULL;
    if (iid == NULL || !is_own_interface(iid)) return NO_INTERFACE;
    add_ref(face);
    *object = face;
    return HXG_S_OK;
}

/* ---- IGenericStream */

static uint32_t HXG_STDCALL get_version(HxStream *face) {
    (void)face;
    return HXG_STREAM_VERSION;
}

static uint8_t *HXG_STDCALL get_base_pointer(HxStream *face) { return of(face)->bytes; }

static uint8_t *HXG_STDCALL get_cur_pointer(HxStream *face) {
    /* A position past the end is legal, a pointer there is not: the arithmetic is on integers. */
    return (uint8_t *)((uintptr_t)of(face)->bytes + of(face)->position);
}

static uint8_t HXG_STDCALL is_read_only(HxStream *face) { return of(face)->is_read_only; }

static uint32_t HXG_STDCALL get_length(HxStream *face) { return of(face)->length; }

static void HXG_STDCALL write_bytes(HxStream *face, const void *data, uint32_t count) {
    stream *self = of(face);
    if (!can_change(self) || count == 0) return;
    if (count > LONGEST - self->position) {
        mishap(self, HXG_E_LIMIT);
        return;
    }
    if (self->position + count > self->length) {
        uint32_t gap_from = self->length, end = self->position + count;
        if (!make_room(self, end)) return;
        if (self->position > gap_from) {
            memset(self->bytes + gap_from, 0, self->position - gap_from);
        }
        self->length = end;
    }
    memcpy(self->bytes + self->position, data, count);
    self->position += count;
}

static uint32_t HXG_STDCALL read_bytes(HxStream *face, void *data, uint32_t count) {
    stream *self = of(face);
    uint32_t left = self->position < self->length ? self->length - self->position : 0;
    if (count > left) count = left;
    if (count == 0) return 0;
    memcpy(data, self->bytes + self->position, count);
    self->position += count;
    return count;
}

static void HXG_STDCALL seek(HxStream *face, uint32_t position) { of(face)->position = position; }

static uint32_t HXG_STDCALL get_pos(HxStream *face) { return of(face)->position; }

static void HXG_STDCALL clear(HxStream *face) {
    stream *self = of(face);
    if (!can_change(self)) return;
    drop_bytes(self);
    self->length = self->position = 0;
}

static void HXG_STDCALL fast_clear(HxStream *face) {
    stream *self = of(face);
    if (!can_change(self)) return;
    self->length = self->position = 0;
}

static void HXG_STDCALL grow_to_pos(HxStream *face, int32_t size) {
    stream *self = of(face);
    if (can_change(self)) change_length(self, size == -1 ? self->position : (uint32_t)size);
}

static void HXG_STDCALL skip(HxStream *face, uint32_t count) {
    stream *self = of(face);
    if (count > LONGEST - self->position) {
        mishap(self, HXG_E_LIMIT);
        return;
    }
    self->position += count;
}

static void HXG_STDCALL set_length(HxStream *face, uint32_t length) {
    stream *self = of(face);
    if (can_change(self) && change_length(self, length) && self->position > length) {
        self->position = length;
    }
}

static void HXG_STDCALL compact(HxStream *face) {
    stream *self = of(face);
    if (!can_change(self) || !self->is_heap || self->capacity == self->length) return;
    if (self->length <= INLINE_BYTES) {
        memcpy(self->inside, self->bytes, self->length);
        drop_bytes(self);
        return;
    }
    /* Less is always to be had; if not, there is more than needed, and that is all. */
    move_to_heap(self, self->length);
}

static const HxStreamVtbl stream_vtbl = {
    query_interface, add_ref,  release,   get_version, get_base_pointer, get_cur_pointer,
    is_read_only,    get_length, write_bytes, read_bytes, seek,          get_pos,
    clear,           fast_clear, grow_to_pos, skip,      set_length,     compact,
};

/* ---- making streams */

static stream *make(uint32_t count) {
    stream *self = malloc(sizeof *self);
    if (self == NULL) return NULL;
    memset(self, 0, offsetof(stream, inside));
    self->face.vtbl = &stream_vtbl;
    self->count = count;
    self->bytes = self->inside;
    self->capacity = INLINE_BYTES;
    return self;
}

static stream *make_copy(uint32_t count, const void *data, uint32_t bytes) {
    stream *self = make(count);
    if (self == NULL || bytes == 0) return self;
    if (bytes > INLINE_BYTES && !move_to_heap(self, bytes)) {
        destroy(self);
        return NULL;
    }
    memcpy(self->bytes, data, bytes);
    self->length = bytes;
    return self;
}

HxStream *hxg_stream_over(hxg_blob *blob) {
    stream *self = make(1);
    if (self == NULL) return NULL;
    hxg_blob_keep(blob);
    self->blob = blob;
    self->is_read_only = 1;
    self->length = self->capacity = (uint32_t)blob->mapping.bytes;
    if (blob->mapping.base != NULL) self->bytes = blob->mapping.base;
    return &self->face;
}

HxStream *hxg_stream_lend_empty(void) { return (HxStream *)(void *)make(HELD | 1); }

HxStream *hxg_stream_lend_copy(const void *data, uint32_t bytes) {
    return (HxStream *)(void *)make_copy(HELD | 1, data, bytes);
}

HxStream *hxg_stream_lend_file(const char *path, char *why, size_t room) {
    stream *self = make(HELD | 1);
    if (self == NULL) {
        snprintf(why, room, "no memory is left");
        return NULL;
    }
    if (!hxg_map_file(path, 1, &self->mapping, why, room)) {
        destroy(self);
        return NULL;
    }
    if (self->mapping.bytes > LONGEST) {
        snprintf(why, room, "%s has 4 GiB or more, and a stream has less", path);
        destroy(self);
        return NULL;
    }
    if (self->mapping.base != NULL) {
        self->bytes = self->mapping.base;
        self->length = self->capacity = (uint32_t)self->mapping.bytes;
    }
    return &self->face;
}

/* Ends the loan; the number of references that others have. */
static uint32_t unhold(stream *self) {
    uint32_t found = hxg_load_u32(&self->count), others;
    do {
        others = found & ~HELD;
        if (others != 0) others--; /* the lender's own */
    } while (!hxg_swap_u32(&self->count, &found, others));
    return others;
}

void hxg_stream_take_back(HxStream *lent) {
    if (lent != NULL && unhold(of(lent)) == 0) destroy(of(lent));
}

HxStream *hxg_stream_take_over(HxStream *lent) {
    stream *self = of(lent), *copy;
    /* With one reference left, no other thread can have the object any more. */
    if ((hxg_load_u32(&self->count) & ~HELD) <= 1) {
        self->count = 1;
        self->position = 0;
        return lent;
    }
    copy = make_copy(1, self->bytes, self->length);
    hxg_stream_take_back(lent);
    return (HxStream *)(void *)copy;
}

/* ---- the flat functions */

hxg_status hxg_stream_create(HxStream **result) {
    if (result == NULL) return hxg_fail(HXG_E_ARGUMENT, "stream is NULL");
    *result = (HxStream *)(void *)make(1);
    return *result != NULL ? HXG_OK : hxg_fail(HXG_E_MEMORY, "no memory for a stream");
}

hxg_status hxg_stream_create_from(const void *data, uint64_t bytes, HxStream **result) {
    if (result == NULL || (data == NULL && bytes != 0)) {
        return hxg_fail(HXG_E_ARGUMENT, "data or stream is NULL");
    }
    *result = NULL;
    if (bytes > LONGEST) return hxg_fail(HXG_E_LIMIT, "a stream has less than 4 GiB");
    *result = (HxStream *)(void *)make_copy(1, data, (uint32_t)bytes);
    return *result != NULL ? HXG_OK : hxg_fail(HXG_E_MEMORY, "no memory for a stream");
}

hxg_status hxg_stream_map(const char *path, HxStream **result) {
    char why[512];
    hxg_blob *blob;
    if (path == NULL || result == NULL) return hxg_fail(HXG_E_ARGUMENT, "path or stream is NULL");
    *result = NULL;
    blob = hxg_blob_map(path, why, sizeof why);
    if (blob == NULL) return hxg_fail(HXG_E_SYSTEM, "%s", why);
    *result = hxg_stream_over(blob);
    hxg_blob_drop(blob);
    return *result != NULL ? HXG_OK : hxg_fail(HXG_E_MEMORY, "no memory for a stream");
}

hxg_status hxg_stream_bytes(HxStream *self, const uint8_t **data, uint64_t *bytes) {
    static const uint8_t nothing = 0;
    if (self == NULL || data == NULL || bytes == NULL) {
        return hxg_fail(HXG_E_ARGUMENT, "stream, data or bytes is NULL");
    }
    *data = self->vtbl->GetBasePointer(self);
    *bytes = self->vtbl->GetLength(self);
    if (*data == NULL) *data = &nothing;
    return HXG_OK;
}

hxg_status hxg_stream_fault(HxStream *self) {
    if (self == NULL || self->vtbl != &stream_vtbl) {
        return hxg_fail(HXG_E_ARGUMENT, "this is no stream of this library");
    }
    return (hxg_status)of(self)->fault;
}

void hxg_stream_release(HxStream *self) {
    if (self != NULL) self->vtbl->Release(self);
}
