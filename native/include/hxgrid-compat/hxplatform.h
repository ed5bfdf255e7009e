/* hxplatform.h: the words of the original's compilers, for every compiler.
 *
 * For sources written for the original; see hxgrid-compat/README.md.
 */
#ifndef HXG_COMPAT_HXPLATFORM_H
#define HXG_COMPAT_HXPLATFORM_H

#include <windows.h>

#include "../hxgrid/hxg_types.h"
#include "InOut.h"

#ifndef DECLARE_INTERFACE_
#define DECLARE_INTERFACE_(name, base) struct name : public base
#endif

#endif
