/* A task that needs another library, by its bare name. */
#include <hxgrid/hxgrid_task.h>

int dependent_version(void);

HXG_TASK(Version) {
    (void)agent, (void)session_id, (void)in;
    hxg_write_u32(out, (uint32_t)dependent_version());
    return 1;
}
