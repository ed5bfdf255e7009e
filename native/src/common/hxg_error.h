/* hxg_error.h: the text behind a status, per thread. */
#ifndef HXG_ERROR_H
#define HXG_ERROR_H

#include <stdint.h>

/* Keeps the text and returns the status. */
int32_t hxg_fail(int32_t status, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

#endif
