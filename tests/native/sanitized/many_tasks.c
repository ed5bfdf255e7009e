/* Many small tasks through the task library from one C program, for sanitizers and valgrind.
 *
 *     many_tasks MODULE DATA_FILE FOLDER COUNT
 *
 * It does what the host process does, checks every output, and leaves nothing behind.
 */
#define _GNU_SOURCE

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../native/src/task/hxg_host.h"

enum { THREADS = 4, BATCH = 100, BUFFER_BYTES = 1 << 20, SESSION = 4711 };
enum { ECHO = 1, NOTHING, REFUSE, DATA, KEEP, RELEASE, STORM, MISSING };

static hxg_host *host;
static uint64_t page[HXG_PAGE_BYTES / 8];
static uint8_t *buffer;
static const char *data_file;
static uint32_t ended, is_closed, questions;

static void must(int condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "many_tasks: %s: %s\n", what, hxg_last_error());
    exit(1);
}

enum { RECORD_BYTES = 44 }; /* of a batch, see hxg_host_take_batch */

static void check(uint64_t serial, uint32_t outcome, const uint8_t *output, uint64_t size) {
    switch (serial % 10) {
        case REFUSE: must(outcome == HXG_OUTCOME_FAILED, "Refuse"); break;
        case MISSING: must(outcome == HXG_OUTCOME_UNUSABLE, "Missing"); break;
        case ECHO:
            must(outcome == HXG_OUTCOME_DONE && size == serial % 200, "Echo");
            while (size-- != 0) must(output[size] == (uint8_t)serial, "Echo's bytes");
            break;
        default: must(outcome == HXG_OUTCOME_DONE, "a task"); break;
    }
    ended++;
}

static int take_batch(void) {
    size_t used, index;
    uint32_t count;
    const uint8_t *payload;
    must(hxg_host_take_batch(host, buffer, BUFFER_BYTES, 1000, &used) == HXG_OK, "take_batch");
    if (used == 0) return 0;
    memcpy(&count, buffer, 4);
    payload = buffer + 4 + (size_t)count * RECORD_BYTES;
    for (index = 0; index < count; index++) {
        const uint8_t *record = buffer + 4 + index * RECORD_BYTES;
        uint64_t serial, size;
        memcpy(&serial, record, 8);
        memcpy(&size, record + 10, 8);
        check(serial, record[8], payload, size);
        payload += size;
    }
    must(payload == buffer + used, "the sizes of a batch");
    return 1;
}

static int take_event(void) {
    hxg_event event;
    const uint8_t *bytes = NULL;
    uint64_t size = 0;
    must(hxg_host_take_event(host, &event) == HXG_OK, "take_event");
    switch (event.kind) {
        case HXG_EVENT_NONE: return 0;
        case HXG_EVENT_CLOSED: is_closed = 1; break;
        case HXG_EVENT_DATA_WANTED:
            questions++;
            must(hxg_host_answer_data(host, event.request, data_file, NULL) == HXG_OK, "answer");
            break;
        case HXG_EVENT_RESULT:
            if (event.stream != NULL) hxg_stream_bytes(event.stream, &bytes, &size);
            check(event.serial, event.outcome, bytes, size);
            hxg_stream_release(event.stream);
            break;
        default: break;
    }
    return 1;
}

static void wait_for(const uint32_t *value, uint32_t wanted, int socket) {
    struct pollfd input = {0, POLLIN, 0};
    char bytes[64];
    input.fd = socket;
    while (*value < wanted) {
        must(poll(&input, 1, 60000) == 1, "nothing for a minute");
        must(read(socket, bytes, sizeof bytes) > 0, "read");
        while (take_batch()) {
        }
        while (take_event()) {
        }
    }
}

static void offer(const char *module) {
    static const char *const names[] = {"Echo", "Nothing", "Refuse", "Data", "KeepReferences",
                                        "ReleaseTooOften", "DataStorm", "NotThere"};
    uint32_t index;
    for (index = 0; index < 8; index++) {
        must(hxg_host_offer(host, index + 1, SESSION, &module, 1, names[index]) == HXG_OK, "offer");
    }
    must(hxg_host_offer(host, 9, SESSION, &module, 0, "x") == HXG_E_ARGUMENT, "no files");
}

static uint32_t function_of(uint64_t serial) {
    uint32_t function = (uint32_t)(serial % 10);
    if (function == KEEP) return NOTHING;                      /* it leaks by intent */
    if (function == STORM) return serial % 1000 == STORM ? STORM : DATA;
    return function == 0 || function == 9 ? NOTHING : function;
}

static void put(uint64_t serial) {
    uint8_t input[256];
    uint32_t function = function_of(serial);
    uint64_t size = serial % 200;
    memset(input, (int)(serial & 0xFF), sizeof input);
    if (function == DATA) size = strlen(strcpy((char *)input, "some data"));
    must(hxg_host_run(host, serial, function, input, size) == HXG_OK, "run");
}

int main(int argc, char **argv) {
    int sockets[2];
    uint64_t serial, wanted_back[2] = {UINT64_MAX, 0}, taken[2];
    size_t taken_count;
    hxg_host_options options;
    uint32_t count, is_over = 1;
    if (argc != 5) return 2;
    data_file = argv[2];
    count = (uint32_t)atoi(argv[4]);
    buffer = malloc(BUFFER_BYTES);
    must(buffer != NULL && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "sockets");
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.thread_count = THREADS;
    options.page = page;
    options.wake_socket = sockets[1];
    options.small_bytes = 100;
    must(hxg_host_watch_crashes(page) == HXG_OK, "watch_crashes");
    must(hxg_host_create(&options, &host) == HXG_OK, "create");
    must(hxg_host_open_session(host, SESSION, argv[3]) == HXG_OK, "open_session");
    offer(argv[1]);
    for (serial = 1; serial <= count; serial++) {
        put(serial);
        if (serial % BATCH != 0) continue;
        must(hxg_host_take_back(host, wanted_back, 2, taken, &taken_count) == HXG_OK, "take_back");
        must(taken_count == 0, "nothing to take back");
        wait_for(&ended, (uint32_t)serial, sockets[0]);
        must(hxg_host_set_threads(host, 1 + (uint32_t)(serial / BATCH) % THREADS) == HXG_OK, "threads");
    }
    wait_for(&ended, count, sockets[0]);
    must(hxg_host_free(host) == HXG_E_BUSY, "free too early");
    must(hxg_host_close(host) == HXG_OK, "close");
    wait_for(&is_closed, is_over, sockets[0]);
    must(hxg_host_free(host) == HXG_OK, "free");
    must(questions > 0, "global data");
    free(buffer);
    close(sockets[0]);
    close(sockets[1]);
    printf("%u tasks, %u questions for data\n", (unsigned)ended, (unsigned)questions);
    return 0;
}
