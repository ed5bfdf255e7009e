/* bridge_windows.c: bridge.h for Windows. */
#if defined(_WIN32)

#if !defined(_WIN32_WINNT)
#define _WIN32_WINNT 0x0601
#endif

#include "bridge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/hxg_platform.h"

const char hxg_bridge_name[] = "hxgrid-bridge.exe";
const char hxg_programs_below[] = "\\Scripts";
const char hxg_path_separator = '\\';

int hxg_is_program(const char *path) {
    DWORD attributes = GetFileAttributesA(path);
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) == 0;
}

int hxg_library_path(char *path, size_t room) {
    HMODULE self;
    DWORD length, flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS
                          | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    if (!GetModuleHandleExA(flags, hxg_bridge_name, &self)) return 0;
    length = GetModuleFileNameA(self, path, (DWORD)room);
    return length != 0 && length < room;
}

int hxg_find_on_path(char *path) {
    DWORD length = SearchPathA(NULL, hxg_bridge_name, NULL, HXG_PATH_BYTES, path, NULL);
    return length != 0 && length < HXG_PATH_BYTES;
}

/* A handle that only the one child may inherit is made inheritable, and listed for it. */
static HANDLE error_output(void) {
    HANDLE made = INVALID_HANDLE_VALUE, process = GetCurrentProcess();
    HANDLE given = GetStdHandle(STD_ERROR_HANDLE);
    SECURITY_ATTRIBUTES security = {sizeof security, NULL, TRUE};
    if (given != NULL && given != INVALID_HANDLE_VALUE
        && DuplicateHandle(process, given, process, &made, 0, TRUE, DUPLICATE_SAME_ACCESS)) {
        return made;
    }
    return CreateFileA("NUL", GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, &security,
                       OPEN_EXISTING, 0, NULL);
}

static int spawn(const char *path, HANDLE in, HANDLE out, HANDLE *process) {
    STARTUPINFOEXA start;
    PROCESS_INFORMATION made;
    HANDLE handles[3];
    char line[HXG_PATH_BYTES + 3];
    SIZE_T size = 0;
    int is_made = 0;
    memset(&start, 0, sizeof start);
    start.StartupInfo.cb = sizeof start;
    start.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    start.StartupInfo.hStdInput = handles[0] = in;
    start.StartupInfo.hStdOutput = handles[1] = out;
    start.StartupInfo.hStdError = handles[2] = error_output();
    snprintf(line, sizeof line, "\"%s\"", path);
    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    start.lpAttributeList = malloc(size);
    if (start.lpAttributeList != NULL
        && InitializeProcThreadAttributeList(start.lpAttributeList, 1, 0, &size)) {
        is_made = UpdateProcThreadAttribute(start.lpAttributeList, 0,
                                            PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles,
                                            sizeof handles, NULL, NULL)
                  && CreateProcessA(path, line, NULL, NULL, TRUE,
                                    CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP
                                        | EXTENDED_STARTUPINFO_PRESENT,
                                    NULL, NULL, &start.StartupInfo, &made);
        DeleteProcThreadAttributeList(start.lpAttributeList);
    }
    free(start.lpAttributeList);
    if (handles[2] != INVALID_HANDLE_VALUE) CloseHandle(handles[2]);
    if (!is_made) return 0;
    CloseHandle(made.hThread);
    *process = made.hProcess;
    return 1;
}

int hxg_bridge_start(hxg_bridge *bridge, const char *path, char *why, size_t room) {
    HANDLE their_in, our_out, our_in, their_out, process;
    SECURITY_ATTRIBUTES security = {sizeof security, NULL, TRUE};
    int is_started;
    if (!CreatePipe(&their_in, &our_out, &security, 1024 * 1024)) {
        snprintf(why, room, "no pipe can be made: error %lu", GetLastError());
        return 0;
    }
    if (!CreatePipe(&our_in, &their_out, &security, 1024 * 1024)) {
        snprintf(why, room, "no pipe can be made: error %lu", GetLastError());
        CloseHandle(their_in);
        CloseHandle(our_out);
        return 0;
    }
    SetHandleInformation(our_out, HANDLE_FLAG_INHERIT, 0);
    SetHandleInformation(our_in, HANDLE_FLAG_INHERIT, 0);
    is_started = spawn(path, their_in, their_out, &process);
    if (!is_started) {
        snprintf(why, room, "%s cannot be started: error %lu", path, GetLastError());
        CloseHandle(our_in);
        CloseHandle(our_out);
    }
    CloseHandle(their_in);
    CloseHandle(their_out);
    if (!is_started) return 0;
    bridge->from = (intptr_t)our_in;
    bridge->to = (intptr_t)our_out;
    bridge->process = (intptr_t)process;
    bridge->is_reaped = 0;
    return 1;
}

size_t hxg_bridge_read(hxg_bridge *bridge, void *buffer, size_t room) {
    DWORD count = 0, wanted = room > 0x100000 ? 0x100000 : (DWORD)room;
    return ReadFile((HANDLE)bridge->from, buffer, wanted, &count, NULL) ? count : 0;
}

int hxg_bridge_write(hxg_bridge *bridge, const hxg_piece *pieces, size_t count) {
    size_t index;
    for (index = 0; index < count; index++) {
        const char *at = pieces[index].data;
        size_t left = pieces[index].bytes;
        while (left > 0) {
            DWORD written = 0, wanted = left > 0x100000 ? 0x100000 : (DWORD)left;
            if (!WriteFile((HANDLE)bridge->to, at, wanted, &written, NULL)) return 0;
            at += written;
            left -= written;
        }
    }
    return 1;
}

void hxg_bridge_hang_up(hxg_bridge *bridge) {
    /* Its end of the pipe goes with it, and then the read that waits at ours returns. */
    TerminateProcess((HANDLE)bridge->process, 1);
}

int hxg_bridge_wait(hxg_bridge *bridge, unsigned milliseconds) {
    if (WaitForSingleObject((HANDLE)bridge->process, milliseconds) == WAIT_OBJECT_0) {
        bridge->is_reaped = 1;
    }
    return bridge->is_reaped;
}

void hxg_bridge_free(hxg_bridge *bridge) {
    CloseHandle((HANDLE)bridge->to);
    CloseHandle((HANDLE)bridge->from);
    CloseHandle((HANDLE)bridge->process);
}

void hxg_program_folder(char *path, size_t room) {
    DWORD length = GetModuleFileNameA(NULL, path, (DWORD)room);
    if (length == 0 || length >= room || !hxg_cut_to_folder(path)) path[0] = '\0';
}

uint32_t hxg_process_number(void) { return GetCurrentProcessId(); }

void hxg_debug_output(const char *text) {
    char line[2048];
    snprintf(line, sizeof line, "hxgrid: %s\n", text);
    OutputDebugStringA(line);
    fputs(line, stderr);
}

#else
typedef int hxg_bridge_not_for_this_system; /* a file must hold something */
#endif
