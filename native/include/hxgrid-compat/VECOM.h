/* VECOM.h: for sources written for the original; see hxgrid-compat/README.md. */
#ifndef HXG_COMPAT_VECOM_H
#define HXG_COMPAT_VECOM_H

#include "hxplatform.h"

#include "../hxgrid/IUnknown.h"

#endif
