/* error.c: the text behind a status, per thread. */
#include "hxg_error.h"

#include <stdarg.h>
#include <stdio.h>

#include "../task/hxg_host.h"
#include "hxg_platform.h"

int32_t hxg_fail(int32_t status, const char *format, ...) {
    char *text = hxg_thread_text();
    va_list values;
    va_start(values, format);
    if (text != NULL) vsnprintf(text, HXG_THREAD_TEXT_BYTES, format, values);
    va_end(values);
    return status;
}

const char *hxg_last_error(void) {
    const char *text = hxg_thread_text();
    return text != NULL ? text : "";
}
