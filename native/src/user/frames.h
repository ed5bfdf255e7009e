/* frames.h: the frames between application and bridge.
 *
 * hxgrid/bridge/frames.py describes them; this file has the same numbers. A frame is a header of
 * four u32 (kind, call, head bytes, payload bytes; lowest byte first), the head, the payload.
 */
#ifndef HXG_FRAMES_H
#define HXG_FRAMES_H

enum {
    HXG_PROTOCOL = 1,
    HXG_HEADER_BYTES = 16,
    HXG_MAX_HEAD_BYTES = 1024 * 1024
};

enum {
    HXG_FRAME_OPEN = 1,
    HXG_FRAME_OFFER = 2,
    HXG_FRAME_RUN = 3,
    HXG_FRAME_CONSUMED = 4,
    HXG_FRAME_GET_SETTINGS = 5,
    HXG_FRAME_SET_SETTINGS = 6,
    HXG_FRAME_GET_SETTING = 7,
    HXG_FRAME_SET_SETTING = 8,
    HXG_FRAME_CANCEL_ALL = 9,
    HXG_FRAME_CANCEL = 10,
    HXG_FRAME_ANSWER = 11,
    HXG_FRAME_BIND_DATA = 12,
    HXG_FRAME_FORGET_DATA = 13,
    HXG_FRAME_STATUS = 14,
    HXG_FRAME_WHY = 15,
    HXG_FRAME_PROGRESS = 16,
    HXG_FRAME_EXPLAIN = 17,
    HXG_FRAME_COMPRESS = 18,
    HXG_FRAME_CLOSE = 19,
    HXG_FRAME_HELLO = 64,
    HXG_FRAME_WINDOW = 65,
    HXG_FRAME_READY = 66,
    HXG_FRAME_REPLY = 67,
    HXG_FRAME_RESULT = 68,
    HXG_FRAME_FAILED = 69,
    HXG_FRAME_WANTED = 70,
    HXG_FRAME_ENDED = 71
};

enum { HXG_OPEN_FLAG_KEEP_LOOKING = 1 };

enum {
    HXG_RUN_FLAG_ONCE = 1,
    HXG_RUN_FLAG_UNPACK = 2
};

enum {
    HXG_ANSWER_NOTHING = 0,
    HXG_ANSWER_BYTES = 1,
    HXG_ANSWER_PATH = 2,
    HXG_ANSWER_BYTES_TO_UNPACK = 3
};

#endif
