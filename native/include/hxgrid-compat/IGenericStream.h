/* IGenericStream.h: for sources written for the original; see hxgrid-compat/README.md. */
#ifndef HXG_COMPAT_IGENERICSTREAM_H
#define HXG_COMPAT_IGENERICSTREAM_H

#include "hxplatform.h"

#include "../hxgrid/IGenericStream.h"

#endif
