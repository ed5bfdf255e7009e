/* hxg_types.h: the names for numbers that the interfaces are written in.
 *
 * On Windows they come from windows.h, so that sources may include it before or after this file.
 * With HXG_NO_WINDOWS_H, and on every other system, they are defined here, with the same sizes;
 * off Windows that makes DWORD 32 bits wide everywhere, although `unsigned long` may have 64.
 */
#ifndef HXG_TYPES_H
#define HXG_TYPES_H

#include <stddef.h>
#include <stdint.h>

#include "hxg_abi.h"

#if !defined(__cplusplus)
#include <stdbool.h>
#endif

#if defined(_WIN32) && (!defined(HXG_NO_WINDOWS_H) || defined(_WINDOWS_))

#define HXG_HAS_WINDOWS_H 1
#include <windows.h>
/* windows.h leaves IUnknown out when WIN32_LEAN_AND_MEAN is defined. */
#include <unknwn.h>

#else

#if defined(_WIN32)
/* The very types of windows.h, which may still be included later. */
typedef unsigned long DWORD;
typedef unsigned long ULONG;
typedef long HRESULT;
typedef long LONG;
typedef struct _RTL_CRITICAL_SECTION CRITICAL_SECTION;
#else
#include <pthread.h>
typedef uint32_t DWORD;
typedef uint32_t ULONG;
typedef int32_t HRESULT;
typedef int32_t LONG;
/* A recursive mutex; begins with it, so that code which knows only the mutex can use it too. */
typedef struct HxCriticalSection {
    pthread_mutex_t mutex;
} CRITICAL_SECTION;
#endif

typedef unsigned int UINT;
typedef int BOOL;
typedef uint16_t WORD;
typedef uint8_t BYTE;

typedef struct _GUID {
    DWORD Data1;
    WORD Data2;
    WORD Data3;
    BYTE Data4[8];
} GUID;
typedef GUID IID;
#if defined(__cplusplus)
typedef const IID &REFIID;
#else
typedef const IID *REFIID;
#endif

#ifndef S_OK
#define S_OK ((HRESULT)0)
#define S_FALSE ((HRESULT)1)
#endif
#ifndef E_NOINTERFACE
#define E_NOINTERFACE ((HRESULT)0x80004002u)
#endif
#ifndef SUCCEEDED
/* Both S_OK and S_FALSE succeed: compare with S_OK to tell yes from no. */
#define SUCCEEDED(hr) ((HRESULT)(hr) >= 0)
#define FAILED(hr) ((HRESULT)(hr) < 0)
#endif
#ifndef MAX_PATH
#define MAX_PATH 260
#endif

#endif

HXG_STATIC_ASSERT(sizeof(DWORD) == 4 && sizeof(ULONG) == 4 && sizeof(UINT) == 4, words_of_32_bits);
HXG_STATIC_ASSERT(sizeof(HRESULT) == 4 && sizeof(LONG) == 4, results_of_32_bits);
HXG_STATIC_ASSERT(sizeof(WORD) == 2 && sizeof(BYTE) == 1, words_and_bytes);
HXG_STATIC_ASSERT(sizeof(bool) == 1, bool_of_one_byte);
HXG_STATIC_ASSERT(sizeof(GUID) == 16, guid_of_16_bytes);

#endif
