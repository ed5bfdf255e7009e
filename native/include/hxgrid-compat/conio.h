/* conio.h: one key from the terminal, on systems that have no such header.
 *
 * For sources written for the original; see hxgrid-compat/README.md.
 */
#if defined(_WIN32)

#if defined(__GNUC__)
#include_next <conio.h>
#else
#include <../ucrt/conio.h>
#endif

#else

#ifndef HXG_COMPAT_CONIO_H
#define HXG_COMPAT_CONIO_H

#include <poll.h>
#include <termios.h>
#include <unistd.h>

/* The next key, without waiting for the end of the line and without showing it; -1 at the end of the
   input. */
static inline int _getch(void) {
    struct termios before, raw;
    unsigned char key;
    ssize_t count;
    int is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (is_terminal) {
        raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    count = read(STDIN_FILENO, &key, 1);
    if (is_terminal) tcsetattr(STDIN_FILENO, TCSANOW, &before);
    return count == 1 ? key : -1;
}

/* Whether _getch would find a key at once. */
static inline int _kbhit(void) {
    struct termios before, raw;
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    int is_terminal = tcgetattr(STDIN_FILENO, &before) == 0, is_there;
    if (is_terminal) {
        raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    is_there = poll(&input, 1, 0) == 1 && (input.revents & POLLIN) != 0;
    if (is_terminal) tcsetattr(STDIN_FILENO, TCSANOW, &before);
    return is_there;
}

#endif
#endif
