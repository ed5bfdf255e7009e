/* IGridUser.h: for sources written for the original; see hxgrid-compat/README.md. */
#ifndef HXG_COMPAT_IGRIDUSER_H
#define HXG_COMPAT_IGRIDUSER_H

#include "hxplatform.h"

#include "../hxgrid/IGridUser.h"

#endif
