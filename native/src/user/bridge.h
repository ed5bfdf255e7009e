/* bridge.h: the bridge process and the pipes to it; find.c, bridge_posix.c, bridge_windows.c. */
#ifndef HXG_BRIDGE_H
#define HXG_BRIDGE_H

#include <stddef.h>
#include <stdint.h>

typedef struct hxg_bridge {
    intptr_t from;      /* what the bridge writes */
    intptr_t to;        /* what it reads; may be the same */
    intptr_t process;
    uint8_t is_reaped;
} hxg_bridge;

typedef struct hxg_piece {
    const void *data;
    size_t bytes;
} hxg_piece;

enum { HXG_PATH_BYTES = 4096 };

/* Writes the path of the program that is to be started. 0, and a text that says what to install, if
   there is none. */
int hxg_bridge_find(const char *wanted, char *path, char *why, size_t room);

/* What the search wants to know of the system. */
extern const char hxg_bridge_name[];    /* of the program's file */
extern const char hxg_programs_below[]; /* where in a Python environment its programs are */
extern const char hxg_path_separator;
int hxg_is_program(const char *path);
int hxg_library_path(char *path, size_t room); /* of the library that this is part of; 0: unknown */
int hxg_find_on_path(char *path);

/* Takes the last part off a path; 0 if it has but one. */
int hxg_cut_to_folder(char *path);

/* Starts it. 0 and why, if the system refuses. */
int hxg_bridge_start(hxg_bridge *bridge, const char *path, char *why, size_t room);

/* Reads what there is, at most `room` bytes; 0 at the end, whatever its cause. */
size_t hxg_bridge_read(hxg_bridge *bridge, void *buffer, size_t room);

/* Writes all pieces; 0 if the other side has gone. One thread at a time. */
int hxg_bridge_write(hxg_bridge *bridge, const hxg_piece *pieces, size_t count);

/* Ends the line at once, from any thread: a read that waits returns 0. */
void hxg_bridge_hang_up(hxg_bridge *bridge);

/* Whether the process has ended, waiting for that a while. */
int hxg_bridge_wait(hxg_bridge *bridge, unsigned milliseconds);

/* Closes what is open. No other thread may use it any more. */
void hxg_bridge_free(hxg_bridge *bridge);

/* Writes the folder of the application's program, "" if unknown; and the number of this process. */
void hxg_program_folder(char *path, size_t room);
uint32_t hxg_process_number(void);

/* Shows a text where those look who search a fault. */
void hxg_debug_output(const char *text);

#endif
