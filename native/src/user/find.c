/* find.c: where the bridge program is: named by someone, beside the library, or on the path. */
#include "bridge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int hxg_cut_to_folder(char *path) {
    char *end = strrchr(path, hxg_path_separator);
    if (end == NULL) return 0;
    *end = '\0';
    return 1;
}

static int is_in(char *path, const char *folder, const char *below) {
    int length = snprintf(path, HXG_PATH_BYTES, "%s%s%c%s", folder, below, hxg_path_separator,
                          hxg_bridge_name);
    return length > 0 && length < HXG_PATH_BYTES && hxg_is_program(path);
}

static int find_beside(char *path) {
    char folder[HXG_PATH_BYTES];
    if (!hxg_library_path(folder, sizeof folder) || !hxg_cut_to_folder(folder)) return 0;
    if (is_in(path, folder, "")) return 1;
    /* A Python environment has its packages, and the library, some folders below its programs. */
    while (hxg_cut_to_folder(folder)) {
        if (is_in(path, folder, hxg_programs_below)) return 1;
    }
    return 0;
}

int hxg_bridge_find(const char *wanted, char *path, char *why, size_t room) {
    const char *said = "the program given";
    if (wanted == NULL || *wanted == '\0') {
        wanted = getenv("HXGRID_BRIDGE");
        said = "HXGRID_BRIDGE";
    }
    if (wanted != NULL && *wanted != '\0') {
        if (strlen(wanted) < HXG_PATH_BYTES && hxg_is_program(wanted)) {
            strcpy(path, wanted);
            return 1;
        }
        snprintf(why, room, "%s names %s, which is no program that can be run", said, wanted);
        return 0;
    }
    if (find_beside(path) || hxg_find_on_path(path)) return 1;
    snprintf(why, room,
             "the program %s was not found beside the library or on the path; install hxGrid with"
             " `pip install hxgrid`, or name the program in the environment variable HXGRID_BRIDGE",
             hxg_bridge_name);
    return 0;
}
