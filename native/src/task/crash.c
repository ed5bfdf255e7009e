/* crash.c: the last words of a process that task code ends, the same on every system. */
#include "hxg_internal.h"

#include <stdlib.h>

static uint8_t *crash_page;
static uint32_t is_recorded;

int hxg_crash_claim_page(void *page) {
    if (crash_page != NULL) return 0;
    crash_page = page;
    return 1;
}

void hxg_crash_record(uint32_t kind, uint32_t code, uint64_t address) {
    const hxg_cell *cell = hxg_current();
    hxg_crash *crash = (hxg_crash *)(void *)(crash_page + HXG_PAGE_CRASH_AT);
    uint32_t expected = 0;
    if (!hxg_swap_u32(&is_recorded, &expected, 1)) return;
    crash->code = code;
    crash->address = address;
    if (cell != NULL) {
        crash->serial = cell->stamp->serial;
        crash->function = cell->stamp->function;
        crash->phase = cell->stamp->phase;
    }
    hxg_store_u32(&crash->kind, kind);
}
