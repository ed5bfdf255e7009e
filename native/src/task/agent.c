/* agent.c: IAgent.
 *
 * Each task thread has an agent object of its own, because the cheapest way to know which attempt
 * asks is the object that it asks. A task may still hand the object to threads that it starts, or
 * keep it and use it in a later task on another thread; so a task thread first looks for its own
 * cell, and only threads of the task's making go by the object.
 */
#include "hxg_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_INTERFACE ((int32_t)0x80004002u)
#define AGENT_ID 0x85343215u

enum { FIRST_NAP_MS = 1, LONGEST_NAP_MS = 20 };

struct hxg_session {
    hxg_session *next;
    uint32_t id;
    char *folder; /* with a separator at its end */
};

static hxg_cell *cell_of(HxAgent *self) {
    hxg_cell *own = hxg_current();
    return own != NULL ? own : (hxg_cell *)(void *)self;
}

/* ---- whether to go on */

int hxg_is_cancelled(const hxg_cell *cell) {
    return hxg_load_u8(cell->cancel_flag) != 0 || (hxg_load_u32(cell->state) & HXG_STATE_ENDING) != 0;
}

int hxg_may_go_on(const hxg_cell *cell) {
    unsigned nap_ms = FIRST_NAP_MS;
    while (!hxg_is_cancelled(cell)) {
        if ((hxg_load_u32(cell->state) & HXG_STATE_SUSPENDED) == 0) return 1;
        hxg_sleep_ms(nap_ms);
        if (nap_ms < LONGEST_NAP_MS) nap_ms *= 2;
    }
    return 0;
}

/* By itself, so that the usual answer needs a line or two of the processor's cache and no stack. */
HXG_RARE static int32_t test_slowly(const hxg_cell *cell, uint32_t session_id) {
    if (session_id != cell->session_id && !hxg_knows_session(cell->host, session_id)) {
        return HXG_S_FALSE;
    }
    return hxg_may_go_on(cell) ? HXG_S_OK : HXG_S_FALSE;
}

static int32_t HXG_STDCALL test_connection(HxAgent *self, uint32_t session_id) {
    const hxg_cell *cell = cell_of(self);
    if (session_id == cell->session_id && hxg_load_u8(cell->cancel_flag) == 0
        && hxg_load_u32(cell->state) == 0) {
        return HXG_S_OK;
    }
    return test_slowly(cell, session_id);
}

/* ---- sessions */

static hxg_session **find_session(hxg_host *host, uint32_t id) {
    hxg_session **at = &host->sessions;
    while (*at != NULL && (*at)->id != id) at = &(*at)->next;
    return at;
}

int hxg_knows_session(hxg_host *host, uint32_t session_id) {
    int is_known;
    hxg_lock(&host->lock);
    is_known = *find_session(host, session_id) != NULL;
    hxg_unlock(&host->lock);
    return is_known;
}

hxg_status hxg_host_open_session(hxg_host *host, uint32_t session_id, const char *cache_folder) {
    hxg_session *session;
    size_t size;
    if (host == NULL || cache_folder == NULL) {
        return hxg_fail(HXG_E_ARGUMENT, "host or cache_folder is NULL");
    }
    size = strlen(cache_folder);
    session = calloc(1, sizeof *session);
    if (session != NULL) session->folder = malloc(size + 2);
    if (session == NULL || session->folder == NULL) {
        free(session);
        return hxg_fail(HXG_E_MEMORY, "no memory for a session");
    }
    session->id = session_id;
    memcpy(session->folder, cache_folder, size);
    if (size == 0 || !hxg_is_separator(cache_folder[size - 1])) session->folder[size++] = hxg_separator;
    session->folder[size] = '\0';
    hxg_lock(&host->lock);
    if (*find_session(host, session_id) != NULL) {
        hxg_unlock(&host->lock);
        free(session->folder);
        free(session);
        return hxg_fail(HXG_E_ARGUMENT, "session %u is open already", (unsigned)session_id);
    }
    session->next = host->sessions;
    host->sessions = session;
    hxg_unlock(&host->lock);
    return HXG_OK;
}

hxg_status hxg_host_close_session(hxg_host *host, uint32_t session_id) {
    hxg_session **at, *found;
    if (host == NULL) return hxg_fail(HXG_E_ARGUMENT, "host is NULL");
    hxg_lock(&host->lock);
    at = find_session(host, session_id);
    found = *at;
    if (found != NULL) *at = found->next;
    hxg_unlock(&host->lock);
    if (found == NULL) return hxg_fail(HXG_E_UNKNOWN, "there is no session %u", (unsigned)session_id);
    free(found->folder);
    free(found);
    return HXG_OK;
}

void hxg_sessions_free(hxg_host *host) {
    while (host->sessions != NULL) {
        hxg_session *first = host->sessions;
        host->sessions = first->next;
        free(first->folder);
        free(first);
    }
}

/* ---- the other methods */

static int32_t HXG_STDCALL query_interface(HxAgent *self, const void *iid, void **object) {
    static const uint8_t unknown[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46};
    static const uint32_t own[4] = {AGENT_ID, 0, 0, 0};
    if (object == NULL) return NO_INTERFACE;
    *object = NULL;
    if (iid == NULL) return NO_INTERFACE;
    if (memcmp(iid, unknown, sizeof unknown) != 0 && memcmp(iid, own, sizeof own) != 0) {
        return NO_INTERFACE;
    }
    *object = self;
    return HXG_S_OK;
}

static uint32_t HXG_STDCALL stay(HxAgent *self) {
    (void)self;
    return 1;
}

static int32_t HXG_STDCALL get_version(HxAgent *self, uint32_t *version) {
    (void)self;
    if (version == NULL) return HXG_S_FALSE;
    *version = HXG_AGENT_VERSION;
    return HXG_S_OK;
}

static int32_t HXG_STDCALL get_data(HxAgent *self, uint32_t session_id, const char *name,
                                    HxStream **stream) {
    hxg_cell *cell = cell_of(self);
    if (stream == NULL) return HXG_S_FALSE;
    *stream = NULL;
    if (name == NULL || !hxg_knows_session(cell->host, session_id)) return HXG_S_FALSE;
    return hxg_data_get(cell, name, stream);
}

static int32_t HXG_STDCALL free_cached_data(HxAgent *self, uint32_t session_id, const char *name) {
    hxg_cell *cell = cell_of(self);
    if (!hxg_knows_session(cell->host, session_id)) return HXG_S_FALSE;
    hxg_data_forget(cell->host, name);
    return HXG_S_OK;
}

static int32_t HXG_STDCALL get_cache_directory(HxAgent *self, uint32_t session_id, char *path) {
    hxg_host *host = cell_of(self)->host;
    const hxg_session *session;
    int32_t answer = HXG_S_FALSE;
    if (path == NULL) return HXG_S_FALSE;
    path[0] = '\0';
    hxg_lock(&host->lock);
    session = *find_session(host, session_id);
    if (session != NULL && strlen(session->folder) < HXG_MAX_PATH) {
        strcpy(path, session->folder);
        answer = HXG_S_OK;
    }
    hxg_unlock(&host->lock);
    return answer;
}

static int32_t HXG_STDCALL get_global_section(HxAgent *self, void **section) {
    (void)self;
    if (section == NULL) return HXG_S_FALSE;
    *section = hxg_global_section();
    return HXG_S_OK;
}

static const HxAgentVtbl agent_vtbl = {
    query_interface,  stay,            stay,                get_version,        get_data,
    free_cached_data, test_connection, get_cache_directory, get_global_section,
};

void hxg_agent_init(hxg_cell *cell) { cell->agent.vtbl = &agent_vtbl; }
