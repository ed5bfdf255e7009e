/* check.h: what the callers check, and how they say that it does not hold. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold; last error: %s\n", __FILE__, __LINE__,       \
                    #condition, hxg_last_error());                                                 \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#endif
