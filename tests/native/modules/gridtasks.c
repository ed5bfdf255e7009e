/* Tasks for tests on a real grid: they meet, wait, ignore everybody, or take their process down. */
#define _XOPEN_SOURCE 700 /* nanosleep, kill */
#include <hxgrid/hxgrid_task.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void nap(void) {
    struct timespec time = {0, 1000000};
    nanosleep(&time, NULL);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* The input of tasks that take a time: u32 milliseconds, and the file to make when it begins. */
static double limit_of(HxStream *in) {
    uint32_t milliseconds = 0;
    char path[1024] = "";
    FILE *file;
    hxg_read_u32(in, &milliseconds);
    if (in->vtbl->Read(in, path, sizeof path - 1) != 0 && (file = fopen(path, "w")) != NULL) {
        fclose(file);
    }
    return now() + milliseconds * 1e-3;
}

/* Gives the number of its process, after as many milliseconds as the input says. */
HXG_TASK(Linger) {
    double end = limit_of(in);
    while (now() < end) {
        if (!hxg_go_on(agent, session_id)) return 0;
        nap();
    }
    hxg_write_u32(out, (uint32_t)getpid());
    return 1;
}

/* Makes the file that the input names, and runs until somebody removes it. */
HXG_TASK(WhileThere) {
    char path[1024] = "";
    FILE *file;
    in->vtbl->Skip(in, 4);
    in->vtbl->Read(in, path, sizeof path - 1);
    if ((file = fopen(path, "w")) == NULL) return 0;
    fclose(file);
    while (access(path, F_OK) == 0) {
        if (!hxg_go_on(agent, session_id)) return 0;
        nap();
    }
    hxg_write_u32(out, (uint32_t)getpid());
    return 1;
}

/* The same as Linger, without asking whether it should go on. */
HXG_TASK(Deaf) {
    double end = limit_of(in);
    (void)agent, (void)session_id;
    while (now() < end) nap();
    hxg_write_u32(out, (uint32_t)getpid());
    return 1;
}

/* Gives its input back; the version is the compiler's argument. */
HXG_TASK(Version) {
    (void)agent, (void)session_id, (void)in;
    hxg_write_u32(out, VERSION);
    return 1;
}

/* Dies without a last word, after as many milliseconds as the input says. */
HXG_TASK(Vanish) {
    double end = limit_of(in);
    (void)agent, (void)session_id, (void)out;
    while (now() < end) nap();
    kill(getpid(), SIGKILL);
    return 1;
}

/* Uses 32 megabytes more with each step, and waits only where the computer of the tests would suffer
   from more. */
HXG_TASK(Grow) {
    const size_t bytes = 32 << 20, most = 128;
    size_t count;
    (void)in, (void)out;
    for (count = 0; count < most; count++) {
        char *more = malloc(bytes);
        if (more != NULL) memset(more, 1, bytes);
        if (!hxg_go_on(agent, session_id)) return 0;
    }
    while (hxg_go_on(agent, session_id)) nap();
    return 0;
}

#define THREADS 8
#define TIMES 1000000

static void *count_references(void *raw) {
    HxStream *stream = raw;
    int index;
    for (index = 0; index < TIMES; index++) stream->vtbl->AddRef(stream);
    for (index = 0; index < TIMES; index++) stream->vtbl->Release(stream);
    return NULL;
}

/* Counts references in eight threads: of its input, its output or global data, as the input says; gives
   what the count is afterwards. */
HXG_TASK(CountReferences) {
    HxStream *data = hxg_get_data(agent, session_id, "thing");
    HxStream *streams[3], *stream;
    pthread_t threads[THREADS];
    uint32_t which = 0;
    int index;
    if (data == NULL || !hxg_read_u32(in, &which) || which > 2) return 0;
    streams[0] = in;
    streams[1] = out;
    streams[2] = data;
    stream = streams[which];
    for (index = 0; index < THREADS; index++) {
        if (pthread_create(&threads[index], NULL, count_references, stream) != 0) return 0;
    }
    for (index = 0; index < THREADS; index++) pthread_join(threads[index], NULL);
    stream->vtbl->AddRef(stream);
    hxg_write_u32(out, stream->vtbl->Release(stream));
    hxg_release(data);
    return 1;
}

/* Says something and fails. */
HXG_TASK(Complain) {
    (void)agent, (void)session_id, (void)in, (void)out;
    printf("this went wrong\n");
    return 0;
}

/* Touches all of the global data "big"; gives nanoseconds that GetData took, and the sum. */
HXG_TASK(ReadAll) {
    double from = now(), took;
    HxStream *data = hxg_get_data(agent, session_id, "big");
    uint64_t sum = 0;
    uint32_t index;
    (void)in;
    if (data == NULL) return 0;
    took = now() - from;
    for (index = 0; index < hxg_length(data); index += 512) sum += hxg_bytes(data)[index];
    hxg_write(out, &took, sizeof took);
    hxg_write(out, &sum, sizeof sum);
    hxg_release(data);
    return 1;
}

/* 0 if GetData gave S_OK, 1 for S_FALSE; then 1 if the stream was NULL. */
HXG_TASK(HasData) {
    HxStream *data = in;
    (void)in;
    hxg_write_u32(out, (uint32_t)agent->vtbl->GetData(agent, session_id, "thing", &data));
    hxg_write_u32(out, data == NULL);
    hxg_release(data);
    return 1;
}

/* A function whose name needs care. */
HXG_EXPORT uint8_t HXG_CDECL odd(HxAgent *agent, uint32_t session_id, HxStream *in, HxStream *out)
    __asm__("gr\xc3\xb6\xc3\x9f" "e$x");
HXG_EXPORT uint8_t HXG_CDECL odd(HxAgent *agent, uint32_t session_id, HxStream *in,
                                 HxStream *out) {
    (void)agent, (void)session_id, (void)in;
    hxg_write_u32(out, 34);
    return 1;
}
