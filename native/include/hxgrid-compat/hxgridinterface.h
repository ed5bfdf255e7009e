/* For sources written for the original; see hxgrid-compat/README.md. There are two spellings of this
   file, which are the same to Windows: keep them equal. */
#ifndef HXG_COMPAT_HXGRIDINTERFACE_H
#define HXG_COMPAT_HXGRIDINTERFACE_H

#include "hxplatform.h"

#include "../hxgrid/hxGridInterface.h"

#endif
