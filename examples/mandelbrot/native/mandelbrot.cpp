// The functions of mandelbrot.h: the arithmetic that a request wants, and nothing thrown.
#include "mandelbrot.h"

#include <cstdio>
#include <vector>

#include "request.h"

using namespace mandelbrot;

namespace {

// An answer is asked for at least this often, in steps; a step with long numbers takes longer.
const u64 PATIENCE = 8192;
const u64 PATIENCE_EXACT = 256;

const char *kept(const std::exception &error) {
    static thread_local char text[200];
    std::snprintf(text, sizeof text, "%s", error.what());
    return text;
}

void compute(const Request &request, const std::uint8_t *reference, u64 reference_bytes,
             Answer &answer, mb_go_on go_on, void *user_data) {
    const Patience patience(go_on, user_data,
                            request.arithmetic == EXACT ? PATIENCE_EXACT : PATIENCE);
    if (request.arithmetic == PLAIN) {
        compute_plain(request, answer, patience);
    } else if (request.arithmetic == PERTURBED) {
        compute_perturbed(request, reference, reference_bytes, answer, patience);
    } else {
        compute_exact(request, answer, patience);
    }
}

}  // namespace

const char *mb_answer_bytes(const uint8_t *request, uint64_t request_bytes, uint64_t *bytes) {
    try {
        *bytes = parse(request, request_bytes).answer_bytes();
        return nullptr;
    } catch (const std::exception &error) {
        return kept(error);
    }
}

const char *mb_compute(const uint8_t *bytes, uint64_t request_bytes, const uint8_t *reference,
                       uint64_t reference_bytes, uint8_t *out, uint64_t answer_bytes, mb_go_on go_on,
                       void *user_data, int32_t *is_stopped) {
    *is_stopped = 0;
    try {
        const Request request = parse(bytes, request_bytes);
        if (answer_bytes != request.answer_bytes()) return "the answer has not the size it needs";
        Answer answer(request, out);
        compute(request, reference, reference_bytes, answer, go_on, user_data);
    } catch (const Stopped &) {
        *is_stopped = 1;
    } catch (const std::exception &error) {
        return kept(error);
    }
    return nullptr;
}

int32_t mb_has_exact(void) {
#if defined(MB_WITH_GMP)
    return 1;
#else
    return 0;
#endif
}
