/* falls.c: a task that ends its process. */
#include <hxgrid/hxgrid_task.h>

HXG_TASK(Fall) {
    volatile int *nowhere = NULL;
    (void)agent, (void)session_id, (void)in, (void)out;
    *nowhere = 1;
    return 1;
}
