/* modules.c: which function an id stands for, and loading what it is in.
 *
 * A module is loaded by the first attempt that needs it, in its task thread: its initialisers are
 * foreign code, and if they crash or hang the stamp of that attempt tells. Others that need the same
 * module wait for that one. A failure is not kept; the next attempt tries again.
 *
 * The files beside the first one are what it depends on, and they are loaded before it by their full
 * path, so that the listed file is found and not one of the system with the same name. Since their
 * order is unknown they are tried round by round until a round loads no more; if one cannot be
 * loaded at all, the loader's complaint about the first file decides, and theirs are added to it.
 *
 * Loaders tell libraries apart by bare name within a process. A second file of the same name would
 * silently be taken for the first, so offering one is refused; it needs a process of its own.
 */
#include "hxg_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hxg_module {
    hxg_module *next;
    hxg_module *next_started;
    hxg_mutex loading;
    uint32_t session_id;
    size_t file_count;
    char **files;
    void *library;       /* NULL: not loaded */
    hxg_session_proc end_session;
};

struct hxg_function {
    hxg_function *next;
    uint32_t id;
    hxg_module *module;
    char *entry;
    void *proc;          /* atomic; NULL until the module is loaded and started */
};

/* Data pointers and function pointers are different things to C. */
#define AS_FUNCTION(type, pointer, result)                                                         \
    do {                                                                                           \
        void *raw_pointer = (pointer);                                                             \
        type function_pointer;                                                                     \
        memcpy(&function_pointer, &raw_pointer, sizeof function_pointer);                          \
        (result) = function_pointer;                                                               \
    } while (0)

static const char *base_name(const char *path) {
    const char *base = path;
    for (; *path != '\0'; path++) {
        if (hxg_is_separator(*path)) base = path + 1;
    }
    return base;
}

static void free_module(hxg_module *module) {
    size_t index;
    for (index = 0; index < module->file_count; index++) free(module->files[index]);
    free(module->files);
    hxg_mutex_destroy(&module->loading);
    free(module);
}

static void free_function(hxg_function *function) {
    if (function == NULL) return;
    free(function->entry);
    free(function);
}

/* ---- offering; with the host's lock held but for making things */

static hxg_module *make_module(uint32_t session_id, const char *const *files, size_t count) {
    hxg_module *module = calloc(1, sizeof *module);
    size_t index;
    if (module == NULL) return NULL;
    hxg_mutex_init(&module->loading);
    module->session_id = session_id;
    module->files = calloc(count, sizeof *module->files);
    if (module->files == NULL) {
        free_module(module);
        return NULL;
    }
    module->file_count = count;
    for (index = 0; index < count; index++) {
        module->files[index] = hxg_copy_text(files[index]);
        if (module->files[index] == NULL) {
            free_module(module);
            return NULL;
        }
    }
    return module;
}

/* The file of this process that has the same name and is another one; NULL: none. */
static const char *find_clash(hxg_host *host, const char *path) {
    const hxg_module *module;
    size_t index;
    for (module = host->modules; module != NULL; module = module->next) {
        for (index = 0; index < module->file_count; index++) {
            const char *known = module->files[index];
            if (strcmp(base_name(known), base_name(path)) == 0 && strcmp(known, path) != 0) {
                return known;
            }
        }
    }
    return NULL;
}

static hxg_module *find_module(hxg_host *host, const hxg_module *like) {
    hxg_module *module = host->modules;
    while (module != NULL
           && (strcmp(module->files[0], like->files[0]) != 0
               || module->session_id != like->session_id)) {
        module = module->next;
    }
    return module;
}

static hxg_function **find_function(hxg_host *host, uint32_t id) {
    hxg_function **at = &host->functions;
    while (*at != NULL && (*at)->id != id) at = &(*at)->next;
    return at;
}

static hxg_status offer(hxg_host *host, hxg_function *function, hxg_module *module, int *is_used) {
    hxg_module *known = find_module(host, module);
    size_t index;
    if (*find_function(host, function->id) != NULL) {
        return hxg_fail(HXG_E_ARGUMENT, "function %u was offered before", (unsigned)function->id);
    }
    for (index = 0; index < module->file_count; index++) {
        const char *other = find_clash(host, module->files[index]);
        if (other != NULL) {
            return hxg_fail(HXG_E_CLASH, "%s has the same name as %s, which is in this process",
                            module->files[index], other);
        }
    }
    if (known == NULL) {
        module->next = host->modules;
        host->modules = known = module;
        *is_used = 1;
    }
    function->module = known;
    function->next = host->functions;
    host->functions = function;
    return HXG_OK;
}

hxg_status hxg_host_offer(hxg_host *host, uint32_t id, uint32_t session_id,
                          const char *const *files, size_t file_count, const char *entry) {
    hxg_function *function;
    hxg_module *module;
    hxg_status status;
    int is_used = 0;
    if (host == NULL || files == NULL || file_count == 0 || entry == NULL) {
        return hxg_fail(HXG_E_ARGUMENT, "host, files or entry is missing");
    }
    function = calloc(1, sizeof *function);
    if (function != NULL) function->entry = hxg_copy_text(entry);
    module = make_module(session_id, files, file_count);
    if (function == NULL || function->entry == NULL || module == NULL) {
        free_function(function);
        if (module != NULL) free_module(module);
        return hxg_fail(HXG_E_MEMORY, "no memory for a function");
    }
    function->id = id;
    hxg_lock(&host->lock);
    status = offer(host, function, module, &is_used);
    hxg_unlock(&host->lock);
    if (status != HXG_OK) free_function(function);
    if (!is_used) free_module(module);
    return status;
}

/* ---- loading; with the module's own lock held */

static void add_text(char *why, size_t room, const char *text) {
    size_t used = strlen(why);
    if (used != 0 && used + 2 < room) {
        strcpy(why + used, "; ");
        used += 2;
    }
    strncat(why, text, room - used - 1);
}

static void load_dependents(const hxg_module *module, char *complaints, size_t room) {
    size_t left = module->file_count - 1, before, index;
    char *is_done = calloc(module->file_count, 1);
    char text[HXG_WHY_BYTES];
    if (is_done == NULL) return;
    for (index = 1; index < module->file_count; index++) {
        if (!hxg_is_library(module->files[index])) is_done[index] = 1, left--;
    }
    do {
        before = left;
        complaints[0] = '\0';
        for (index = 1; index < module->file_count; index++) {
            if (is_done[index]) continue;
            if (hxg_library_open(module->files[index], text, sizeof text) != NULL) {
                is_done[index] = 1;
                left--;
            } else {
                add_text(complaints, room, text);
            }
        }
    } while (left != 0 && left < before);
    free(is_done);
}

/* What a C++ compiler that is none of Microsoft's adds to the names of a task and of a hook. Sources
   written for the original may leave exporting by the plain name to a .def file, which only Windows
   reads; so a name that is not there is looked for as it was compiled. */
#define TASK_ARGUMENTS "P6IAgentjPN11VITALENGINE14IGenericStreamES3_"
#define HOOK_ARGUMENTS "P6IAgentj"

static void *find_symbol(void *library, const char *name, const char *arguments) {
    char compiled[1024];
    void *found = hxg_library_symbol(library, name);
    if (found != NULL) return found;
    if (strlen(name) > sizeof compiled / 2) return NULL;
    snprintf(compiled, sizeof compiled, "_Z%u%s%s", (unsigned)strlen(name), name, arguments);
    return hxg_library_symbol(library, compiled);
}

static void *find_hook(void *library, const char *name, const char *decorated) {
    void *found = find_symbol(library, name, HOOK_ARGUMENTS);
    return found != NULL ? found : hxg_library_symbol(library, decorated);
}

static int load(hxg_module *module, hxg_cell *cell, char *why, size_t room) {
    char complaints[HXG_WHY_BYTES] = "";
    hxg_session_proc start_session;
    void *library;
    load_dependents(module, complaints, sizeof complaints);
    library = hxg_library_open(module->files[0], why, room);
    if (library == NULL) {
        /* It says best what is missing, unless that is one of the others, which then does. */
        if (complaints[0] != '\0') add_text(why, room, complaints);
        return 0;
    }
    AS_FUNCTION(hxg_session_proc, find_hook(library, "StartSession", "_StartSession"), start_session);
    AS_FUNCTION(hxg_session_proc, find_hook(library, "EndSession", "_EndSession"),
                module->end_session);
    if (start_session != NULL) {
        hxg_store_u32(&cell->stamp->phase, HXG_PHASE_START_SESSION);
        cell->session_id = module->session_id;
        start_session(&cell->agent, module->session_id);
    }
    module->library = library;
    hxg_lock(&cell->host->lock);
    module->next_started = cell->host->started;
    cell->host->started = module;
    hxg_unlock(&cell->host->lock);
    return 1;
}

hxg_task_proc hxg_function_ready(hxg_cell *cell, uint32_t id, uint32_t *session_id, char *why,
                                 size_t room) {
    hxg_host *host = cell->host;
    hxg_function *function;
    hxg_module *module;
    hxg_task_proc proc;
    void *address;
    hxg_lock(&host->lock);
    function = *find_function(host, id);
    hxg_unlock(&host->lock);
    if (function == NULL) {
        snprintf(why, room, "function %u was never described to this process", (unsigned)id);
        return NULL;
    }
    module = function->module;
    *session_id = module->session_id;
    address = hxg_load_pointer(&function->proc);
    if (address == NULL) {
        hxg_lock(&module->loading);
        if (module->library != NULL || load(module, cell, why, room)) {
            address = find_symbol(module->library, function->entry, TASK_ARGUMENTS);
            if (address == NULL) {
                snprintf(why, room, "%s exports no function \"%s\" (in C++ it needs extern \"C\")",
                         base_name(module->files[0]), function->entry);
            }
        }
        hxg_unlock(&module->loading);
        hxg_store_pointer(&function->proc, address);
    }
    AS_FUNCTION(hxg_task_proc, address, proc);
    return proc;
}

/* ---- the end */

void hxg_modules_end(hxg_cell *cell) {
    hxg_module *module;
    /* No task runs any more, so nobody changes the list. */
    hxg_lock(&cell->host->lock);
    module = cell->host->started;
    cell->host->started = NULL;
    hxg_unlock(&cell->host->lock);
    for (; module != NULL; module = module->next_started) {
        if (module->end_session == NULL) continue;
        cell->session_id = module->session_id;
        hxg_store_u32(&cell->stamp->phase, HXG_PHASE_END_SESSION);
        hxg_reset_float();
        module->end_session(&cell->agent, module->session_id);
    }
    hxg_store_u32(&cell->stamp->phase, HXG_PHASE_IDLE);
}

void hxg_modules_free(hxg_host *host) {
    while (host->functions != NULL) {
        hxg_function *function = host->functions;
        host->functions = function->next;
        free_function(function);
    }
    while (host->modules != NULL) {
        /* The library itself stays loaded: threads that a task has left behind may be in it, and the
           process ends anyway, which is when its destructors run. */
        hxg_module *module = host->modules;
        host->modules = module->next;
        free_module(module);
    }
}
