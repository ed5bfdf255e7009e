/* error.c: the text behind a status, per thread. */
#include "hxg_error.h"

#include <stdarg.h>
#include <stdio.h>

#include "../task/hxg_host.h"
#include "hxg_platform.h"

static HXG_THREAD_LOCAL char last_error[1024];

int32_t hxg_fail(int32_t status, const char *format, ...) {
    va_list values;
    va_start(values, format);
    vsnprintf(last_error, sizeof last_error, format, values);
    va_end(values);
    return status;
}

const char *hxg_last_error(void) { return last_error; }
