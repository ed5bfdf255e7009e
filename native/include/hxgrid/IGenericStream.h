/* IGenericStream.h: bytes with a position (C++).
 *
 * Positions and lengths have 32 bits. No method reports an error; what a task did wrong with a
 * stream (no memory left, past 4 GiB, written although read-only) fails its attempt after it has
 * returned. A stream belongs to one thread at a time; only AddRef and Release may be called from
 * any thread.
 */
#ifndef HXG_IGENERICSTREAM_H
#define HXG_IGENERICSTREAM_H

#include "IUnknown.h"

namespace VITALENGINE {

struct HXG_NOVTABLE IGenericStream : public IUnknown {
    IUNKNOWN_METHODS_PURE(0x762EFFFE, 0x00010000);

    /* Returns the version itself, not a result code. */
    virtual DWORD HXG_STDCALL GetVersion() = 0;

    /* The first byte, and the byte at the position. Both are good until the next call that can
       change the length: Write, Clear, FastClear, GrowToPos, SetLength, Compact. */
    virtual BYTE *HXG_STDCALL GetBasePointer() = 0;
    virtual BYTE *HXG_STDCALL GetCurPointer() = 0;

    /* True for what IAgent::GetData gives out: it is shared, so it must not be changed. */
    virtual bool HXG_STDCALL isReadOnly() = 0;
    virtual DWORD HXG_STDCALL GetLength() = 0;

    /* Writes at the position, which moves behind it; extends the stream if need be. A gap between
       the old end and the position is filled with zeros. */
    virtual void HXG_STDCALL Write(const void *data, DWORD count) = 0;
    /* Reads what there is, at most `count` bytes, and says how many; 0 at the end and beyond. */
    virtual DWORD HXG_STDCALL Read(void *data, DWORD count) = 0;
    /* Any position is allowed, past the end too. */
    virtual void HXG_STDCALL Seek(DWORD pos) = 0;
    virtual DWORD HXG_STDCALL GetPos() = 0;

    /* Length and position become 0. Clear gives the memory back, FastClear keeps it. */
    virtual void HXG_STDCALL Clear() = 0;
    virtual void HXG_STDCALL FastClear() = 0;
    /* Makes the length that of the position (-1) or `DestSize`, shorter too; the position stays. */
    virtual void HXG_STDCALL GrowToPos(int DestSize = -1) = 0;
    virtual void HXG_STDCALL Skip(DWORD count) = 0;
    /* Cuts off or extends, with zeros; a position beyond the new end moves there. */
    virtual void HXG_STDCALL SetLength(DWORD newLength) = 0;
    /* Gives back memory that the length does not need. */
    virtual void HXG_STDCALL Compact() = 0;
};

/* Published by the original; no function takes it. */
struct TGENERICSTREAMCREATIONPARAMETERS {
    void *data;
    DWORD length;
};

}  // namespace VITALENGINE

#endif
