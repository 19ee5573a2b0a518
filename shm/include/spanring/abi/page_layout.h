/* A page of the ring and its two words.
 *
 *   state word (states[page])          free -> writing(owner) -> full -> free
 *      63..32 generation   31..8 owner stream   7..0 state
 *   stored word (stored[page])         written by the consumer after the commit
 *      63..32 generation   31..0 bytes of the page, header included, whose content is in the
 * database
 *
 *   page   +------------------+----------------+---------------------------------+
 *          | header, 64 bytes | committed, 64  | records ...                     |
 *          +------------------+----------------+---------------------------------+
 *
 * A thread claims a page with one CAS (free -> writing, generation + 1), writes the header,
 * `generation` last, then records, and publishes them by storing `committed`. A `committed` or
 * `generation` of another generation than the state word's reads as empty: killed between the CAS
 * and the header. Every page decodes on its own.
 *
 * C11-clean, only <stdint.h> and <stddef.h>. All integers are little-endian. All-zero means "free /
 * not ready".
 */
#ifndef SPANRING_ABI_PAGE_LAYOUT_H
#define SPANRING_ABI_PAGE_LAYOUT_H

#include "abi_base.h"

#define SPANRING_PAGE_FREE 0u
#define SPANRING_PAGE_WRITING 1u
#define SPANRING_PAGE_FULL 2u

#define SPANRING_PAGE_BYTES_DEFAULT 8192u
#define SPANRING_PAGE_BYTES_MIN 1024u
#define SPANRING_PAGE_BYTES_MAX 65536u
#define SPANRING_PAGE_DATA 128u /* offset of the first record */

typedef struct spanring_page_header {
    uint32_t generation; /* stored last of the header */
    uint32_t stream;
    uint64_t sequence;      /* counts the pages of this stream, from 0, without gaps */
    uint64_t base_ticks;    /* clock of the segment; record times are deltas to it */
    uint64_t first_ordinal; /* of the next begin; more than the reader expects: begins were lost */
    uint8_t reserved_0[32];

    uint64_t committed; /* generation << 32 | bytes of the page, header included, that are valid */
    uint8_t reserved_1[56];
} spanring_page_header;

SPANRING_ABI_STRUCT(spanring_page_header, 128, 8);
SPANRING_ABI_FIELD(spanring_page_header, generation, 0);
SPANRING_ABI_FIELD(spanring_page_header, stream, 4);
SPANRING_ABI_FIELD(spanring_page_header, sequence, 8);
SPANRING_ABI_FIELD(spanring_page_header, base_ticks, 16);
SPANRING_ABI_FIELD(spanring_page_header, first_ordinal, 24);
SPANRING_ABI_FIELD(spanring_page_header, reserved_0, 32);
SPANRING_ABI_FIELD(spanring_page_header, committed, 64);
SPANRING_ABI_FIELD(spanring_page_header, reserved_1, 72);

static inline uint64_t spanring_page_state(uint32_t generation, uint32_t stream, uint32_t state) {
    return ((uint64_t)generation << 32) | ((uint64_t)(stream & 0xffffffu) << 8) | (state & 0xffu);
}
static inline uint32_t spanring_page_state_of(uint64_t word) {
    return (uint32_t)(word & 0xffu);
}
static inline uint32_t spanring_page_owner_of(uint64_t word) {
    return (uint32_t)(word >> 8) & 0xffffffu;
}
static inline uint32_t spanring_page_generation_of(uint64_t word) {
    return (uint32_t)(word >> 32);
}
static inline uint64_t spanring_page_mark(uint32_t generation, uint32_t bytes) {
    return ((uint64_t)generation << 32) | bytes;
}
static inline uint32_t spanring_page_mark_bytes(uint64_t word) {
    return (uint32_t)word;
}

#endif
