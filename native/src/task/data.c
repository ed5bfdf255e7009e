/* data.c: global data, fetched once per name and process.
 *
 * The first task that wants a name makes a request, which Python takes as an event and answers with
 * a file; all who ask for the same name meanwhile wait for the same answer. What was answered is
 * kept mapped until a task frees it, or Python says that it is to be forgotten. Failures are not
 * kept: the next one asks again.
 *
 * The awkward case is a FreeCachedData while the answer is on its way. Whoever waits still gets that
 * answer, but it is not kept, and whoever asks later makes a request of its own.
 */
#include "hxg_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_UP_MS = 50 /* how often a waiting task looks whether it is still wanted */ };

struct hxg_cached {
    hxg_cached *next;
    char *name;
    hxg_blob *blob;
};

struct hxg_request {
    hxg_request *next;
    uint32_t id;
    uint32_t users;      /* waiting tasks, and 1 until it is answered */
    int is_answered;
    int is_stale;        /* its answer is not kept */
    hxg_blob *blob;      /* NULL: there is none */
    char *name;
    char why[256];
};

/* ---- with the host's lock held */

static hxg_cached **find_cached(hxg_host *host, const char *name) {
    hxg_cached **at = &host->cached;
    while (*at != NULL && strcmp((*at)->name, name) != 0) at = &(*at)->next;
    return at;
}

static void drop_request(hxg_request *request) {
    if (--request->users != 0) return;
    hxg_blob_drop(request->blob);
    free(request->name);
    free(request);
}

/* Finds the request that is on its way for a name, or makes one and tells Python. */
static hxg_request *find_or_make(hxg_host *host, const char *name, int *is_wake_due) {
    hxg_request *request = host->requests;
    hxg_item *item;
    while (request != NULL && (request->is_stale || strcmp(request->name, name) != 0)) {
        request = request->next;
    }
    if (request != NULL) return request;
    request = calloc(1, sizeof *request);
    item = hxg_item_make(HXG_EVENT_DATA_WANTED, name);
    if (request != NULL) request->name = hxg_copy_text(name);
    if (request == NULL || request->name == NULL || item == NULL) {
        if (request != NULL) free(request->name);
        free(request);
        if (item != NULL) hxg_item_free(item);
        return NULL;
    }
    request->id = item->request = ++host->last_request;
    request->users = 1;
    request->next = host->requests;
    host->requests = request;
    *is_wake_due = hxg_tell(host, item);
    return request;
}

/* Keeps an answer for those who come later; without memory they ask again. */
static void keep(hxg_host *host, const hxg_request *request) {
    hxg_cached *entry = calloc(1, sizeof *entry);
    if (entry == NULL || (entry->name = hxg_copy_text(request->name)) == NULL) {
        free(entry);
        return;
    }
    entry->blob = request->blob;
    hxg_blob_keep(entry->blob);
    entry->next = host->cached;
    host->cached = entry;
}

/* Waits for the answer; the blob, counted for the caller, or NULL. */
static hxg_blob *wait_for(hxg_cell *cell, hxg_request *request) {
    hxg_host *host = cell->host;
    hxg_blob *blob = NULL;
    request->users++;
    while (!request->is_answered && !hxg_is_cancelled(cell)) {
        hxg_wait_ms(&host->data, &host->lock, LOOK_UP_MS);
    }
    if (request->is_answered && request->blob != NULL) {
        blob = request->blob;
        hxg_blob_keep(blob);
    } else if (request->is_answered) {
        snprintf(cell->note, sizeof cell->note, "there was no global data named \"%.60s\": %.150s",
                 request->name, request->why);
    }
    drop_request(request);
    return blob;
}

/* ---- what agent.c calls */

int32_t hxg_data_get(hxg_cell *cell, const char *name, HxStream **stream) {
    hxg_host *host = cell->host;
    const hxg_cached *entry;
    hxg_request *request;
    hxg_blob *blob = NULL;
    int is_wake_due = 0;
    hxg_lock(&host->lock);
    entry = *find_cached(host, name);
    if (entry != NULL) {
        blob = entry->blob;
        hxg_blob_keep(blob);
    } else if ((request = find_or_make(host, name, &is_wake_due)) != NULL) {
        if (is_wake_due) {
            /* The request is held across the call, which must not be made under the lock. */
            request->users++;
            hxg_unlock(&host->lock);
            hxg_wake(host->wake_socket);
            hxg_lock(&host->lock);
            request->users--;
        }
        blob = wait_for(cell, request);
    }
    hxg_unlock(&host->lock);
    if (blob == NULL) return HXG_S_FALSE;
    *stream = hxg_stream_over(blob);
    hxg_blob_drop(blob);
    return *stream != NULL ? HXG_S_OK : HXG_S_FALSE;
}

/* Keeps a name, or with NULL all, no longer, and tells Python by the item, if there is one. */
static void forget(hxg_host *host, const char *name, hxg_item *item) {
    hxg_cached **at, *gone = NULL;
    hxg_request *request;
    int is_wake_due = 0;
    hxg_lock(&host->lock);
    at = &host->cached;
    while (*at != NULL) {
        hxg_cached *entry = *at;
        if (name != NULL && strcmp(entry->name, name) != 0) {
            at = &entry->next;
            continue;
        }
        *at = entry->next;
        entry->next = gone;
        gone = entry;
    }
    for (request = host->requests; request != NULL; request = request->next) {
        if (name == NULL || strcmp(request->name, name) == 0) request->is_stale = 1;
    }
    if (item != NULL) {
        item->is_all = name == NULL;
        is_wake_due = hxg_tell(host, item);
    }
    hxg_unlock(&host->lock);
    if (is_wake_due) hxg_wake(host->wake_socket);
    while (gone != NULL) {
        hxg_cached *next = gone->next;
        hxg_blob_drop(gone->blob); /* unmapping can take a while; no lock is held */
        free(gone->name);
        free(gone);
        gone = next;
    }
}

void hxg_data_forget(hxg_host *host, const char *name) {
    forget(host, name, hxg_item_make(HXG_EVENT_DATA_FREED, name));
}

void hxg_data_free(hxg_host *host) {
    while (host->cached != NULL) {
        hxg_cached *entry = host->cached;
        host->cached = entry->next;
        hxg_blob_drop(entry->blob);
        free(entry->name);
        free(entry);
    }
    while (host->requests != NULL) {
        hxg_request *request = host->requests;
        host->requests = request->next;
        drop_request(request);
    }
}

/* ---- what Python calls */

hxg_status hxg_host_forget_data(hxg_host *host, const char *name) {
    if (host == NULL) return hxg_fail(HXG_E_ARGUMENT, "host is NULL");
    forget(host, name, NULL);
    return HXG_OK;
}

hxg_status hxg_host_answer_data(hxg_host *host, uint32_t id, const char *path, const char *why) {
    char problem[256] = "";
    hxg_blob *blob = NULL;
    hxg_request **at, *request;
    if (host == NULL) return hxg_fail(HXG_E_ARGUMENT, "host is NULL");
    if (path != NULL) {
        blob = hxg_blob_map(path, problem, sizeof problem);
        why = problem;
    }
    hxg_lock(&host->lock);
    at = &host->requests;
    while (*at != NULL && (*at)->id != id) at = &(*at)->next;
    request = *at;
    if (request == NULL) {
        hxg_unlock(&host->lock);
        hxg_blob_drop(blob);
        return hxg_fail(HXG_E_UNKNOWN, "there is no request %u", (unsigned)id);
    }
    *at = request->next;
    request->blob = blob;
    request->is_answered = 1;
    snprintf(request->why, sizeof request->why, "%s", why != NULL ? why : "no reason was given");
    if (blob != NULL && !request->is_stale) keep(host, request);
    drop_request(request);
    hxg_broadcast(&host->data);
    hxg_unlock(&host->lock);
    if (path != NULL && blob == NULL) return hxg_fail(HXG_E_SYSTEM, "%s", problem);
    return HXG_OK;
}
