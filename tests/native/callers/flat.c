/* flat.c: a caller in C; `flat SCENE` plays one scene through hxgrid.h. */
#include <hxgrid/hxgrid.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static hxg_session *session;

static void open_session(void) { CHECK(hxg_open(&session, NULL) == HXG_OK); }

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* ---- what ended */

typedef struct tally {
    pthread_mutex_t lock;
    unsigned good, failed, cancelled, broken, other;
    unsigned long long bytes;
    char why[400], details[4000];
    hxg_status wait_status;
} tally;

static void tally_init(tally *all) {
    memset(all, 0, sizeof *all);
    pthread_mutex_init(&all->lock, NULL);
}

static void HXG_CDECL count(const hxg_result *result, void *user_data) {
    tally *all = user_data;
    pthread_mutex_lock(&all->lock);
    all->bytes += result->bytes;
    switch (result->status) {
        case HXG_OK: all->good++; break;
        case HXG_E_FAILED: all->failed++; break;
        case HXG_E_CANCELLED: all->cancelled++; break;
        case HXG_E_BROKEN: all->broken++; break;
        default: all->other++;
    }
    if (result->status != HXG_OK) {
        snprintf(all->why, sizeof all->why, "%s", result->why);
        snprintf(all->details, sizeof all->details, "%s", result->details);
    }
    pthread_mutex_unlock(&all->lock);
}

static uint32_t run(const char *function, const char *text, tally *all) {
    uint32_t task = 0;
    CHECK(hxg_run(&task, session, "tasks.py", function, text, strlen(text), NULL, count, all)
          == HXG_OK);
    CHECK(task != 0);
    return task;
}

/* ---- scenes */

static void play_many(void) {
    char *large = calloc(1, 3000000);
    tally all;
    int index;
    tally_init(&all);
    open_session();
    CHECK(hxg_wait_all(session, 0) == HXG_OK);
    for (index = 0; index < 3000; index++) run("echo", "0123456789", &all);
    for (index = 0; index < 10; index++) {
        CHECK(hxg_run(NULL, session, "tasks.py", "echo", large, 3000000, NULL, count, &all)
              == HXG_OK);
    }
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_OK);
    CHECK(all.good == 3010 && all.bytes == 30030000);
    CHECK(hxg_close(session, 0) == HXG_OK);
    free(large);
}

static void play_failure(void) {
    hxg_failure *failure;
    uint32_t task;
    tally all;
    tally_init(&all);
    open_session();
    CHECK(hxg_set_setting(session, "max_attempts", "1") == HXG_OK);
    task = run("fail", "", &all);
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_E_FAILED);
    CHECK(all.failed == 1 && strstr(all.why, "the reason") != NULL);
    CHECK(strstr(all.details, "a word of the task") != NULL);
    CHECK(hxg_take_failure(&failure, session) == HXG_OK && failure != NULL);
    CHECK(failure->task == task && failure->status == HXG_E_FAILED);
    CHECK(strstr(failure->why, "the reason") != NULL);
    hxg_failure_free(failure);
    CHECK(hxg_take_failure(&failure, session) == HXG_OK && failure == NULL);
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_OK);
    CHECK(hxg_run(NULL, session, "gone.py", "echo", NULL, 0, NULL, count, &all) == HXG_E_MODULE);
    CHECK(strstr(hxg_last_error(), "gone.py") != NULL);
    CHECK(hxg_close(session, 0) == HXG_OK);
}

static void play_cancel(void) {
    tally all;
    uint32_t one;
    double fraction = 0, began;
    char text[300] = "";
    tally_init(&all);
    open_session();
    one = run("endless", "", &all);
    CHECK(hxg_wait_all(session, 50) == HXG_E_TIMEOUT);
    while (fraction == 0) {
        CHECK(hxg_progress(&fraction, text, sizeof text, session, one) == HXG_OK);
    }
    CHECK(fraction == 0.25 && strcmp(text, "a quarter") == 0);
    CHECK(hxg_why(text, sizeof text, session, one) == HXG_OK && text[0] != '\0');
    CHECK(hxg_cancel(session, one) == HXG_OK);
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_OK && all.cancelled == 1);
    for (one = 0; one < 100; one++) run("endless", "", &all);
    began = now();
    CHECK(hxg_cancel_all(session) == HXG_OK);
    CHECK(all.cancelled == 101);
    CHECK(now() - began < 5.0);
    run("echo", "still usable", &all);
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_OK && all.good == 1);
    for (one = 0; one < 10; one++) run("endless", "", &all);
    began = now();
    CHECK(hxg_close(session, 1) == HXG_OK);
    printf("closed in %.3f s\n", now() - began);
    CHECK(all.cancelled == 111);
}

static unsigned asked;
static const char *given; /* for every name but two */

static void HXG_CDECL give(hxg_question *question, const char *name, void *user_data) {
    CHECK(user_data == &asked);
    asked++;
    if (strcmp(name, "file") == 0) CHECK(hxg_answer_file(question, "tasks.py") == HXG_OK);
    else if (strcmp(name, "none") != 0) CHECK(hxg_answer(question, given, strlen(given)) == HXG_OK);
}

static void play_data(void) {
    tally all;
    int index;
    tally_init(&all);
    open_session();
    CHECK(hxg_set_setting(session, "max_attempts", "1") == HXG_OK);
    given = "geometry";
    CHECK(hxg_bind_data(session, give, &asked, 0) == HXG_OK);
    for (index = 0; index < 20; index++) run("data", "geometry", &all);
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_OK);
    CHECK(all.good == 20 && all.bytes == 160 && asked == 1);
    given = "more of it";
    CHECK(hxg_forget_data(session, "geometry") == HXG_OK);
    for (index = 0; index < 20; index++) run("data", "geometry", &all);
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_OK);
    CHECK(all.good == 40 && all.bytes == 360 && asked == 2);
    run("data", "file", &all);
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_OK && all.bytes > 860);
    run("data", "none", &all);
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_E_FAILED);
    CHECK(strstr(all.why, "no data of this name") != NULL);
    CHECK(hxg_close(session, 0) == HXG_OK);
}

static void play_settings(void) {
    hxg_connection connection = HXG_CONNECTION_INIT;
    char text[200];
    tally all;
    open_session();
    CHECK(hxg_get_setting(text, sizeof text, session, "send_ahead") == HXG_OK);
    CHECK(strcmp(text, "auto") == 0);
    CHECK(hxg_set_setting(session, "send_ahead", "3") == HXG_OK);
    CHECK(hxg_get_setting(text, sizeof text, session, "send_ahead") == HXG_OK);
    CHECK(strcmp(text, "3") == 0);
    CHECK(hxg_set_setting(session, "max_attempts", "0") == HXG_E_CONFIG);
    CHECK(hxg_get_setting(text, sizeof text, session, "no_such") == HXG_E_CONFIG);
    CHECK(hxg_get_setting(text, sizeof text, session, "secret_key") == HXG_E_CONFIG);
    tally_init(&all);
    run("echo", "so that an agent is there", &all);
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_OK);
    CHECK(hxg_get_connection(&connection, session) == HXG_OK);
    CHECK(connection.agents == 1 && connection.slots >= 1);
    CHECK(hxg_explain(text, sizeof text, session) == HXG_OK);
    CHECK(hxg_run(NULL, NULL, "a", "b", NULL, 0, NULL, NULL, NULL) == HXG_E_ARGUMENT);
    CHECK(hxg_close(session, 0) == HXG_OK && hxg_close(NULL, 0) == HXG_OK);
}

/* A callback that queues the next task, although the queue is full. */
static void HXG_CDECL chain(const hxg_result *result, void *user_data) {
    tally *all = user_data;
    count(result, user_data);
    all->wait_status = hxg_wait_all(session, HXG_FOREVER);
    if (all->good < 200) {
        CHECK(hxg_run(NULL, session, "tasks.py", "echo", NULL, 0, NULL, chain, all) == HXG_OK);
    }
}

static void play_full(void) {
    hxg_run_options at_once = HXG_RUN_OPTIONS_INIT;
    tally all;
    tally_init(&all);
    at_once.flags = HXG_RUN_NOT_BLOCKING;
    open_session();
    CHECK(hxg_set_setting(session, "max_queued_tasks", "2") == HXG_OK);
    run("endless", "", &all);
    run("endless", "", &all);
    CHECK(hxg_run(NULL, session, "tasks.py", "endless", NULL, 0, &at_once, count, &all)
          == HXG_E_FULL);
    CHECK(hxg_cancel_all(session) == HXG_OK && all.cancelled == 2);
    CHECK(hxg_run(NULL, session, "tasks.py", "echo", NULL, 0, NULL, chain, &all) == HXG_OK);
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_OK);
    CHECK(all.good == 200 && all.wait_status == HXG_E_CALLBACK);
    CHECK(hxg_close(session, 0) == HXG_OK);
}

static void *submit_some(void *user_data) {
    int index;
    for (index = 0; index < 500; index++) run("echo", "abc", user_data);
    return NULL;
}

static void play_threads(void) {
    pthread_t threads[8];
    tally all;
    int index;
    tally_init(&all);
    open_session();
    CHECK(hxg_set_setting(session, "finalize_threads", "4") == HXG_OK);
    for (index = 0; index < 8; index++) {
        CHECK(pthread_create(&threads[index], NULL, submit_some, &all) == 0);
    }
    for (index = 0; index < 8; index++) pthread_join(threads[index], NULL);
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_OK);
    CHECK(all.good == 4000 && all.bytes == 12000);
    CHECK(hxg_close(session, 0) == HXG_OK);
}

/* Reads the bridge's number from standard input when tasks are under way, and kills it. */
static void play_death(void) {
    tally all;
    int bridge = 0, index;
    tally_init(&all);
    open_session();
    for (index = 0; index < 20; index++) run("endless", "", &all);
    printf("ready\n");
    fflush(stdout);
    CHECK(scanf("%d", &bridge) == 1 && kill(bridge, SIGKILL) == 0);
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_E_BROKEN);
    CHECK(all.broken == 20);
    CHECK(hxg_run(NULL, session, "tasks.py", "echo", NULL, 0, NULL, NULL, NULL) == HXG_E_BROKEN);
    CHECK(hxg_explain(all.why, sizeof all.why, session) == HXG_E_BROKEN);
    CHECK(hxg_cancel_all(session) == HXG_E_BROKEN);
    CHECK(hxg_close(session, 0) == HXG_OK);
    open_session();
    run("echo", "again", &all);
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_OK && all.good == 1);
    CHECK(hxg_close(session, 0) == HXG_OK);
}

/* Never closes: how it ends is the test's business. */
static void leave(int number) { (void)number; }

static void play_abandon(void) {
    tally all;
    tally_init(&all);
    open_session();
    run("endless", "", &all);
    signal(SIGUSR1, leave);
    printf("ready\n");
    fflush(stdout);
    pause();
    exit(0); /* without closing anything */
}

/* A thing that is no bridge. */
static void play_nonsense(void) {
    hxg_status status = hxg_open(&session, NULL);
    CHECK(session == NULL);
    printf("%d %s\n", (int)status, hxg_last_error());
}

/* A bridge that says anything at all. */
static void play_fuzzed(void) {
    hxg_connection connection = HXG_CONNECTION_INIT;
    char text[100];
    tally all;
    hxg_status status = hxg_open(&session, NULL);
    tally_init(&all);
    if (status == HXG_OK) {
        hxg_run(NULL, session, "tasks.py", "echo", "abc", 3, NULL, count, &all);
        hxg_get_connection(&connection, session);
        hxg_why(text, sizeof text, session, 1);
        status = hxg_wait_all(session, 20000);
        CHECK(hxg_close(session, 1) == HXG_OK);
    }
    printf("%d\n", (int)status);
}

/* Ten numbered tasks of a module that the test names. */
static void play_numbered(void) {
    const char *module = getenv("CALLER_MODULE");
    uint32_t position;
    tally all;
    tally_init(&all);
    open_session();
    for (position = 1; position <= 82; position += 9) {
        CHECK(hxg_run(NULL, session, module, "RunTask", &position, sizeof position, NULL, count,
                      &all)
              == HXG_OK);
    }
    CHECK(hxg_wait_all(session, HXG_FOREVER) == HXG_OK);
    CHECK(all.good == 10 && all.bytes == 130);
    CHECK(hxg_close(session, 0) == HXG_OK);
}

static void play_traffic(void) {
    tally all;
    int round, index, rounds = 200;
    tally_init(&all);
    for (round = 0; round < rounds; round++) {
        open_session();
        for (index = 0; index < 20; index++) run("echo", "abc", &all);
        CHECK(hxg_close(session, 1) == HXG_OK);
    }
    CHECK(all.good + all.cancelled == 20u * (unsigned)rounds);
}

static const struct scene {
    const char *name;
    void (*play)(void);
} scenes[] = {
    {"many", play_many},         {"failure", play_failure}, {"cancel", play_cancel},
    {"data", play_data},         {"settings", play_settings}, {"full", play_full},
    {"threads", play_threads},   {"death", play_death},     {"abandon", play_abandon},
    {"nonsense", play_nonsense}, {"traffic", play_traffic},
    {"fuzzed", play_fuzzed},     {"numbered", play_numbered},
};

int main(int argc, char **argv) {
    size_t index;
    for (index = 0; index < sizeof scenes / sizeof *scenes; index++) {
        if (argc == 2 && strcmp(argv[1], scenes[index].name) == 0) {
            scenes[index].play();
            return 0;
        }
    }
    fprintf(stderr, "there is no such scene\n");
    return 2;
}
