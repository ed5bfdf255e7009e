/* Tasks that each do one thing, good or bad, for the tests of the task library. */
#if !defined(_WIN32)
#define _XOPEN_SOURCE 700 /* pthread_create, nanosleep, raise */
#endif
#include <hxgrid/hxgrid_task.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int starts;

HXG_EXPORT void HXG_CDECL StartSession(HxAgent *agent, uint32_t session_id) {
    (void)agent;
    (void)session_id;
    starts++;
}

HXG_TASK(Nothing) {
    (void)agent, (void)session_id, (void)in, (void)out;
    return 1;
}

HXG_TASK(Refuse) {
    (void)agent, (void)session_id, (void)in, (void)out;
    return 0;
}

/* Sizes up to 4 GiB in one go, whatever the input is made of. */
HXG_TASK(Echo) {
    (void)agent, (void)session_id;
    hxg_write(out, hxg_bytes(in), hxg_length(in));
    return 1;
}

/* As many megabytes as the input says, which shrink well. */
HXG_TASK(Megabytes) {
    uint32_t count = 0, index;
    char *megabyte = calloc(1, 1 << 20);
    (void)agent, (void)session_id;
    hxg_read_u32(in, &count);
    for (index = 0; index < count && megabyte != NULL; index++) {
        memset(megabyte, (int)index, 1 << 20);
        hxg_write(out, megabyte, 1 << 20);
    }
    free(megabyte);
    return megabyte != NULL;
}

HXG_TASK(Starts) {
    (void)agent, (void)session_id, (void)in;
    hxg_write_u32(out, (uint32_t)starts);
    return 1;
}

/* True as another language may have it: any bit. */
HXG_TASK(OddTrue) {
    (void)agent, (void)session_id, (void)in, (void)out;
    return 0x80;
}

/* ---- habits of references */

static HxStream *kept_input, *kept_output;

HXG_TASK(KeepReferences) {
    (void)agent, (void)session_id;
    in->vtbl->AddRef(in);
    out->vtbl->AddRef(out);
    kept_input = in;
    kept_output = out;
    hxg_write_u32(out, 7);
    return 1;
}

HXG_TASK(UseKeptReferences) {
    uint32_t number = 0;
    (void)agent, (void)session_id, (void)in;
    kept_input->vtbl->Seek(kept_input, 0);
    hxg_read_u32(kept_input, &number);
    hxg_write_u32(kept_output, 99); /* must not reach anybody */
    hxg_write_u32(out, number);
    hxg_release(kept_input);
    hxg_release(kept_output);
    return 1;
}

HXG_TASK(ReleaseTooOften) {
    int index;
    (void)agent, (void)session_id;
    hxg_write_u32(out, 5);
    for (index = 0; index < 3; index++) {
        hxg_release(in);
        hxg_release(out);
    }
    return 1;
}

/* ---- misuse */

HXG_TASK(WriteToData) {
    HxStream *data = hxg_get_data(agent, session_id, "data");
    (void)in, (void)out;
    if (data == NULL) return 0;
    hxg_write_u32(data, 1);
    hxg_release(data);
    return 1;
}

HXG_TASK(WritePastTheLimit) {
    (void)agent, (void)session_id, (void)in;
    out->vtbl->Seek(out, 0xFFFFFFFEu);
    hxg_write_u32(out, 1);
    return 1;
}

HXG_TASK(WriteToInput) {
    (void)agent, (void)session_id;
    hxg_write(in, "changed!", 8);
    hxg_write(out, hxg_bytes(in), hxg_length(in));
    return 1;
}

/* ---- the agent */

HXG_TASK(Ask) {
    uint32_t wrong = session_id + 12345, version = 0;
    HxStream *nothing = in;
    char path[HXG_MAX_PATH];
    (void)in;
    hxg_write_u32(out, (uint32_t)agent->vtbl->GetVersion(agent, &version));
    hxg_write_u32(out, version);
    hxg_write_u32(out, (uint32_t)agent->vtbl->TestConnection(agent, session_id));
    hxg_write_u32(out, (uint32_t)agent->vtbl->TestConnection(agent, wrong));
    hxg_write_u32(out, (uint32_t)agent->vtbl->GetData(agent, wrong, "data", &nothing));
    hxg_write_u32(out, nothing == NULL);
    hxg_write_u32(out, (uint32_t)agent->vtbl->FreeCachedData(agent, wrong, "data"));
    hxg_write_u32(out, (uint32_t)agent->vtbl->GetSessionCacheDirectory(agent, wrong, path));
    hxg_write_u32(out, agent->vtbl->AddRef(agent));
    hxg_write_u32(out, agent->vtbl->Release(agent));
    return 1;
}

HXG_TASK(CacheDirectory) {
    char path[HXG_MAX_PATH];
    (void)in;
    hxg_write_u32(out, (uint32_t)agent->vtbl->GetSessionCacheDirectory(agent, session_id, path));
    hxg_write_string(out, path);
    return 1;
}

/* Gives the first four bytes of global data named by the input, or fails. */
HXG_TASK(Data) {
    char name[64] = "";
    HxStream *data;
    uint32_t length = hxg_length(in);
    if (length >= sizeof name) return 0;
    memcpy(name, hxg_bytes(in), length);
    data = hxg_get_data(agent, session_id, name);
    if (data == NULL) return 0;
    hxg_write_u32(out, hxg_length(data));
    hxg_write(out, hxg_bytes(data), hxg_length(data) < 4 ? hxg_length(data) : 4);
    hxg_write_u32(out, data->vtbl->isReadOnly(data));
    hxg_release(data);
    return 1;
}

/* GetData and FreeCachedData against each other, while streams over the data are read. */
HXG_TASK(DataStorm) {
    uint32_t round, sum = 0;
    (void)in;
    for (round = 0; round < 300; round++) {
        HxStream *data = hxg_get_data(agent, session_id, "data");
        if (data == NULL) return 0;
        sum += hxg_bytes(data)[hxg_length(data) - 1];
        if (round % 3 == 0) agent->vtbl->FreeCachedData(agent, session_id, round % 2 ? "data" : NULL);
        sum += hxg_bytes(data)[0];
        hxg_release(data);
    }
    hxg_write_u32(out, sum);
    return 1;
}

/* Naps between the questions: many of these at a time must not starve the test itself. */
HXG_TASK(RunUntilStopped) {
    const struct timespec nap = {0, 1000000};
    (void)in, (void)out;
    while (hxg_go_on(agent, session_id)) nanosleep(&nap, NULL);
    return 0;
}

/* Spins for the milliseconds given, asking nobody. */
HXG_TASK(Spin) {
    uint32_t milliseconds = 0;
    struct timespec from, now;
    (void)agent, (void)session_id, (void)out;
    hxg_read_u32(in, &milliseconds);
    clock_gettime(CLOCK_MONOTONIC, &from);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - from.tv_sec) * 1000L + (now.tv_nsec - from.tv_nsec) / 1000000L
             < (long)milliseconds);
    return 1;
}

/* Nanoseconds per TestConnection, over a million calls. */
HXG_TASK(TimeQuestions) {
    struct timespec from, to;
    uint32_t index;
    double spent;
    (void)in;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (index = 0; index < 1000000; index++) {
        if (!hxg_go_on(agent, session_id)) return 0;
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    spent = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    spent /= 1e6;
    hxg_write(out, &spent, sizeof spent);
    return 1;
}

#if !defined(_WIN32)
#include <pthread.h>

static long guarded;

HXG_TASK(Guarded) {
    void *section = NULL;
    int round;
    (void)session_id, (void)in, (void)out;
    agent->vtbl->GetGlobalCriticalSection(agent, &section);
    for (round = 0; round < 20000; round++) {
        hxg_enter(section);
        hxg_enter(section); /* it may be entered again */
        guarded++;
        hxg_leave(section);
        hxg_leave(section);
    }
    hxg_enter(section);
    hxg_write_u32(out, (uint32_t)guarded);
    hxg_leave(section);
    return 1;
}

typedef struct question {
    HxAgent *agent;
    uint32_t session_id;
    int32_t answer;
} question;

static void *ask_elsewhere(void *raw) {
    question *what = raw;
    what->answer = what->agent->vtbl->TestConnection(what->agent, what->session_id);
    return NULL;
}

/* Lets a thread of its own ask, after it has been cancelled. */
HXG_TASK(AskFromOwnThread) {
    question what = {agent, session_id, -1};
    pthread_t thread;
    (void)in;
    while (hxg_go_on(agent, session_id)) {
    }
    pthread_create(&thread, NULL, ask_elsewhere, &what);
    pthread_join(thread, NULL);
    hxg_write_u32(out, (uint32_t)what.answer);
    return 1;
}
#endif

/* ---- ends of the process */

HXG_TASK(Segfault) {
    (void)agent, (void)session_id, (void)in, (void)out;
    *(volatile int *)(uintptr_t)8 = 1;
    return 1;
}

HXG_TASK(Abort) {
    (void)agent, (void)session_id, (void)in, (void)out;
    abort();
}

HXG_TASK(Exit) {
    (void)agent, (void)session_id, (void)in, (void)out;
    exit(3);
}

static volatile int bottom = -1; /* never reached, which the compiler must not know */

static int overflow(int depth) {
    volatile char room[4096];
    room[0] = (char)depth;
    return depth == bottom ? 0 : overflow(depth + 1) + room[0];
}

HXG_TASK(Overflow) {
    (void)agent, (void)session_id, (void)in, (void)out;
    return overflow(0) != 0;
}
