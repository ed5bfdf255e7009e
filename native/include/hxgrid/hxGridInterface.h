/* hxGridInterface.h: everything of hxGrid that C++ sources see. */
#ifndef HXG_HXGRIDINTERFACE_H
#define HXG_HXGRIDINTERFACE_H

#include "IAgent.h"
#include "IGridUser.h"

/* Both give one reference to the caller. CreateGridUserObject gives NULL unless `version` is
   IGridUser::VERSION. They live in the library that applications link, not in task modules. */
extern "C" IGridUser *HXG_CDECL CreateGridUserObject(DWORD version);
extern "C" VITALENGINE::IGenericStream *HXG_CDECL CreateGenericStream();

#endif
