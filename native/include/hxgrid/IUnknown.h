/* IUnknown.h: the three methods that every interface begins with (C++).
 *
 * Objects are counted: AddRef and Release return the new count, and the last Release destroys.
 * There is no virtual destructor and no run-time type information behind an interface, so neither
 * `delete` nor `dynamic_cast` nor `typeid` may be used on one.
 */
#ifndef HXG_IUNKNOWN_H
#define HXG_IUNKNOWN_H

#include "hxg_types.h"

#if !defined(__cplusplus)
#error "IUnknown.h is C++; C sources include hxgrid/hxgrid_task.h"
#endif

#if !defined(HXG_HAS_WINDOWS_H)
struct HXG_NOVTABLE IUnknown {
    virtual HRESULT HXG_STDCALL QueryInterface(REFIID iid, void **object) = 0;
    virtual ULONG HXG_STDCALL AddRef() = 0;
    virtual ULONG HXG_STDCALL Release() = 0;
};
#endif

/* Opens an interface: its number, its version, its iid, and the methods of IUnknown. */
#ifndef IUNKNOWN_METHODS_PURE
#define IUNKNOWN_METHODS_PURE(id, version)                                                         \
    enum { ID = id, VERSION = version };                                                           \
    static IID iid() {                                                                             \
        const IID value = {static_cast<DWORD>(id), 0, 0, {0, 0, 0, 0, 0, 0, 0, 0}};                \
        return value;                                                                              \
    }                                                                                              \
    virtual HRESULT HXG_STDCALL QueryInterface(REFIID iid, void **object) = 0;                     \
    virtual ULONG HXG_STDCALL AddRef() = 0;                                                        \
    virtual ULONG HXG_STDCALL Release() = 0
#endif

#endif
