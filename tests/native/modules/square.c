/* The task `square` of tests/programs/apps/tasks.py in C: squares a number and says where. */
#define _XOPEN_SOURCE 700 /* nanosleep */
#include <hxgrid/hxgrid_task.h>

#include <stdio.h>
#include <time.h>
#include <unistd.h>

HXG_TASK(square) {
    uint32_t number = 0, milliseconds = 0;
    char text[160];
    int length;
    hxg_read_u32(in, &number);
    hxg_read_u32(in, &milliseconds);
    for (; milliseconds != 0; milliseconds--) {
        struct timespec time = {0, 1000000};
        if (!hxg_go_on(agent, session_id)) return 0;
        nanosleep(&time, NULL);
    }
    length = snprintf(text, sizeof text,
                      "{\"number\": %lu, \"square\": %llu, \"pid\": %ld, \"address\": \"\"}",
                      (unsigned long)number, (unsigned long long)number * number, (long)getpid());
    out->vtbl->Write(out, text, (uint32_t)length);
    return 1;
}
