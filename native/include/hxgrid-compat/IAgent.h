/* IAgent.h: for sources written for the original; see hxgrid-compat/README.md. */
#ifndef HXG_COMPAT_IAGENT_H
#define HXG_COMPAT_IAGENT_H

#include "hxplatform.h"

#include "../hxgrid/IAgent.h"

#endif
