/* native_caller.c: `native_caller TASK_FILE`: reads "COUNT BYTES" lines, runs so many tasks, and prints
 * the seconds. First it prints the seconds from the start to the first accepted task, and the KiB
 * that it holds in memory then. */
#include <hxgrid/hxgrid.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned long long received;

static void HXG_CDECL take(const hxg_result *result, void *user_data) {
    (void)user_data;
    received += result->bytes;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static long resident_kib(void) {
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
    if (file != NULL) fclose(file);
    return resident * 4;
}

static int fail(void) {
    fprintf(stderr, "%s\n", hxg_last_error());
    return 1;
}

int main(int argc, char **argv) {
    hxg_open_options options = HXG_OPEN_OPTIONS_INIT;
    long before = resident_kib(), count, bytes, index;
    hxg_session *session;
    double began = now();
    char *data;
    if (argc != 2) return 2;
    options.flags = HXG_OPEN_KEEP_LOOKING;
    if (hxg_open(&session, &options) != HXG_OK
        || hxg_run(NULL, session, argv[1], "echo", NULL, 0, NULL, NULL, NULL) != HXG_OK) {
        return fail();
    }
    printf("%.6f\n", now() - began);
    if (hxg_wait_all(session, HXG_FOREVER) != HXG_OK) return fail();
    printf("%ld\n", resident_kib() - before);
    fflush(stdout);
    while (scanf("%ld %ld", &count, &bytes) == 2) {
        data = calloc(1, (size_t)bytes);
        for (index = 0; index < bytes; index++) data[index] = (char)rand();
        received = 0;
        began = now();
        for (index = 0; index < count; index++) {
            if (hxg_run(NULL, session, argv[1], "echo", data, (uint64_t)bytes, NULL, take, NULL)
                != HXG_OK) {
                return fail();
            }
        }
        if (hxg_wait_all(session, HXG_FOREVER) != HXG_OK) return fail();
        if (received != (unsigned long long)count * (unsigned long long)bytes) return 3;
        printf("%.6f\n", now() - began);
        fflush(stdout);
        free(data);
    }
    return hxg_close(session, 0) == HXG_OK ? 0 : fail();
}
