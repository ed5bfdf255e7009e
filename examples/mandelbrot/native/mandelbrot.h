/* mandelbrot.h: what the library does, for Python and for tests.
 *
 * mb_compute is the whole task without the grid: bytes of a request in, bytes of an answer out, both
 * as mb_task.py describes them. Functions return NULL, or a sentence that says what is wrong (a
 * constant, not to be freed). They may be called from several threads at once.
 */
#ifndef MANDELBROT_H
#define MANDELBROT_H

#include <stdint.h>

#if defined(_WIN32)
#define MB_API __declspec(dllexport)
#else
#define MB_API __attribute__((visibility("default")))
#endif

#if defined(__cplusplus)
extern "C" {
#endif

/* cdef: begin */
/* Asked now and then; 0 ends the work. */
typedef int32_t (*mb_go_on)(void *user_data);

/* How many bytes the answer to a request has. */
MB_API const char *mb_answer_bytes(const uint8_t *request, uint64_t request_bytes, uint64_t *bytes);

/* Answers a request. `reference` is what the request names, or NULL if it names nothing.
   `*is_stopped` is set if go_on said so; the answer is worth nothing then. */
MB_API const char *mb_compute(const uint8_t *request, uint64_t request_bytes,
                              const uint8_t *reference, uint64_t reference_bytes, uint8_t *answer,
                              uint64_t answer_bytes, mb_go_on go_on, void *user_data,
                              int32_t *is_stopped);

/* Whether long numbers can be computed with: the library was built with GMP. */
MB_API int32_t mb_has_exact(void);
/* cdef: end */

#if defined(__cplusplus)
}
#endif

#endif
