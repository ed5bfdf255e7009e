/* What user.c depends on; compiled in two versions under one name. */
#include <hxgrid/hxg_abi.h>

HXG_EXPORT int dependent_version(void);
HXG_EXPORT int dependent_version(void) { return VERSION; }
