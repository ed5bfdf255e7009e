/* bridge_posix.c: bridge.h for Linux, macOS and the BSDs.
 *
 * The pipe is a pair of sockets: writing to a socket whose other end has gone can be asked not to
 * raise SIGPIPE, which would end the application.
 */
#if !defined(_WIN32)

#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "bridge.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/hxg_platform.h"

#if defined(__APPLE__)
#include <mach-o/dyld.h>
#endif

#if !defined(MSG_NOSIGNAL)
#define MSG_NOSIGNAL 0
#endif

extern char **environ;

const char hxg_bridge_name[] = "hxgrid-bridge";
const char hxg_programs_below[] = "/bin";
const char hxg_path_separator = '/';

int hxg_is_program(const char *path) { return access(path, X_OK) == 0; }

int hxg_library_path(char *path, size_t room) {
    Dl_info info;
    if (dladdr((const void *)hxg_bridge_name, &info) == 0 || info.dli_fname == NULL) return 0;
    return snprintf(path, room, "%s", info.dli_fname) < (int)room;
}

int hxg_find_on_path(char *path) {
    const char *folders = getenv("PATH"), *end;
    for (; folders != NULL && *folders != '\0'; folders = *end == ':' ? end + 1 : end) {
        int length;
        end = strchr(folders, ':');
        if (end == NULL) end = folders + strlen(folders);
        length = (int)(end - folders);
        if (length > 0
            && snprintf(path, HXG_PATH_BYTES, "%.*s/%s", length, folders, hxg_bridge_name)
                   < HXG_PATH_BYTES
            && hxg_is_program(path)) {
            return 1;
        }
    }
    return 0;
}

/* Descriptors 0 to 2 may be closed in the application; a pair made there would get in its own way. */
static int lift(int *descriptor) {
    int lifted;
    if (*descriptor > 2) return 1;
    lifted = fcntl(*descriptor, F_DUPFD_CLOEXEC, 3);
    close(*descriptor);
    *descriptor = lifted;
    return lifted >= 0;
}

static int make_pair(int *pair) {
#if defined(SOCK_CLOEXEC)
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return 0;
#else
    int one = 1;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 0;
    fcntl(pair[0], F_SETFD, FD_CLOEXEC);
    fcntl(pair[1], F_SETFD, FD_CLOEXEC);
    setsockopt(pair[0], SOL_SOCKET, SO_NOSIGPIPE, &one, sizeof one);
#endif
    return lift(&pair[0]) && lift(&pair[1]);
}

static int spawn(pid_t *process, const char *path, int end) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    char *arguments[2];
    int error;
    arguments[0] = (char *)(uintptr_t)path;
    arguments[1] = NULL;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    sigaddset(&usual, SIGTERM);
    sigaddset(&usual, SIGCHLD);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, end, 0);
    posix_spawn_file_actions_adddup2(&actions, end, 1);
    /* A thread of the application may have blocked signals, which would be inherited. */
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    error = posix_spawn(process, path, &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int hxg_bridge_start(hxg_bridge *bridge, const char *path, char *why, size_t room) {
    int pair[2], error, wanted = 1024 * 1024;
    pid_t process;
    if (!make_pair(pair)) {
        snprintf(why, room, "no pipe can be made: %s", strerror(errno));
        return 0;
    }
    /* As much as the system lets us; less costs speed only. */
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
    error = spawn(&process, path, pair[1]);
    close(pair[1]);
    if (error != 0) {
        close(pair[0]);
        snprintf(why, room, "%s cannot be started: %s", path, strerror(error));
        return 0;
    }
    bridge->from = bridge->to = pair[0];
    bridge->process = process;
    bridge->is_reaped = 0;
    return 1;
}

size_t hxg_bridge_read(hxg_bridge *bridge, void *buffer, size_t room) {
    ssize_t count;
    do {
        count = recv((int)bridge->from, buffer, room, 0);
    } while (count < 0 && errno == EINTR);
    return count > 0 ? (size_t)count : 0;
}

int hxg_bridge_write(hxg_bridge *bridge, const hxg_piece *pieces, size_t count) {
    struct iovec vectors[4];
    struct msghdr message;
    size_t index, from = 0;
    if (count > sizeof vectors / sizeof *vectors) return 0;
    for (index = 0; index < count; index++) {
        vectors[index].iov_base = (void *)(uintptr_t)pieces[index].data;
        vectors[index].iov_len = pieces[index].bytes;
    }
    while (from < count) {
        ssize_t sent;
        memset(&message, 0, sizeof message);
        message.msg_iov = vectors + from;
        message.msg_iovlen = (int)(count - from);
        sent = sendmsg((int)bridge->to, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return 0;
        for (; from < count && (size_t)sent >= vectors[from].iov_len; from++) {
            sent -= (ssize_t)vectors[from].iov_len;
        }
        if (from < count) {
            vectors[from].iov_base = (char *)vectors[from].iov_base + sent;
            vectors[from].iov_len -= (size_t)sent;
        }
    }
    return 1;
}

void hxg_bridge_hang_up(hxg_bridge *bridge) { shutdown((int)bridge->to, SHUT_RDWR); }

int hxg_bridge_wait(hxg_bridge *bridge, unsigned milliseconds) {
    double until = hxg_now() + milliseconds / 1000.0;
    while (!bridge->is_reaped) {
        pid_t found = waitpid((pid_t)bridge->process, NULL, WNOHANG);
        /* ECHILD: the application waits for all children, and has had this one. */
        if (found == bridge->process || (found < 0 && errno == ECHILD)) bridge->is_reaped = 1;
        else if (hxg_now() >= until) return 0;
        else hxg_sleep_ms(2);
    }
    return 1;
}

void hxg_bridge_free(hxg_bridge *bridge) { close((int)bridge->to); }

void hxg_program_folder(char *path, size_t room) {
    path[0] = '\0';
#if defined(__APPLE__)
    {
        uint32_t size = (uint32_t)room;
        if (_NSGetExecutablePath(path, &size) != 0) path[0] = '\0';
    }
#else
    {
        ssize_t length = readlink("/proc/self/exe", path, room - 1);
        path[length > 0 ? length : 0] = '\0';
    }
#endif
    if (!hxg_cut_to_folder(path)) path[0] = '\0';
}

uint32_t hxg_process_number(void) { return (uint32_t)getpid(); }

void hxg_debug_output(const char *text) { fprintf(stderr, "hxgrid: %s\n", text); }

#else
typedef int hxg_bridge_not_for_this_system; /* a file must hold something */
#endif
