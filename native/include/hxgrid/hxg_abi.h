/* hxg_abi.h: how functions are called and exported, the same for C and C++.
 *
 * Interface methods are stdcall and everything else is cdecl. That matters on 32-bit Windows only:
 * there a wrong one destroys the stack. Elsewhere there is one convention and both are empty.
 */
#ifndef HXG_ABI_H
#define HXG_ABI_H

#if defined(_WIN32)
#define HXG_STDCALL __stdcall
#define HXG_CDECL __cdecl
#define HXG_EXPORT __declspec(dllexport)
#define HXG_IMPORT __declspec(dllimport)
#else
#define HXG_STDCALL
#define HXG_CDECL
#define HXG_EXPORT __attribute__((visibility("default")))
#define HXG_IMPORT
#endif

/* A class without code of its own needs no table of its own; only MSVC has to be told. */
#if defined(_MSC_VER)
#define HXG_NOVTABLE __declspec(novtable)
#else
#define HXG_NOVTABLE
#endif

/* Fails to compile when `condition` does not hold. `name` must be unused so far. */
#if defined(__cplusplus) && (__cplusplus >= 201103L || (defined(_MSC_VER) && _MSC_VER >= 1600))
#define HXG_STATIC_ASSERT(condition, name) static_assert(condition, #name)
#else
#define HXG_STATIC_ASSERT(condition, name) typedef char hxg_assert_##name[(condition) ? 1 : -1]
#endif

#endif
