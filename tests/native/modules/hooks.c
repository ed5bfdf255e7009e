/* A module whose hooks write what they did into the session's cache folder. */
#include <hxgrid/hxgrid_task.h>

#include <stdio.h>
#include <string.h>

static void note(HxAgent *agent, uint32_t session_id, const char *text) {
    char path[HXG_MAX_PATH + 16];
    FILE *file;
    if (agent->vtbl->GetSessionCacheDirectory(agent, session_id, path) != HXG_S_OK) return;
    strcat(path, "hooks.txt");
    file = fopen(path, "a");
    if (file == NULL) return;
    fprintf(file, "%s %u\n", text, (unsigned)session_id);
    fclose(file);
}

HXG_EXPORT void HXG_CDECL StartSession(HxAgent *agent, uint32_t session_id) {
    note(agent, session_id, "start");
}

HXG_EXPORT void HXG_CDECL EndSession(HxAgent *agent, uint32_t session_id) {
    note(agent, session_id, "end");
}

HXG_TASK(Run) {
    (void)agent, (void)session_id, (void)in, (void)out;
    return 1;
}
