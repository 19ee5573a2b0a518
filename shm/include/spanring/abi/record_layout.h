/* Tracepoint records: what stands in the pages of a ring, and, for the details of a span, in
 * batches too.
 *
 * Every record starts with one 64-bit head and is a multiple of 8 bytes long:
 *
 *      63..32 low        31..8 id         7..0 kind
 *
 * `id` is a string number of the segment (name or key), or what the kind says. `low` is the time as
 * a delta in clock ticks to the page's base time (kinds marked t), a payload length in bytes (kinds
 * marked n; the payload follows, zero-padded to 8), or what the kind says. Two high bits of the
 * kind of a detail record choose what it belongs to:
 *
 *      0x00 the span      0x40 the item (event or link) that the stream named last      0x80 the
 * resource of the imported span
 *
 * A stream (thread) keeps a stack of open spans and attached contexts; reader and writer hold the
 * same one. The *current span* is its top if that is a span. A detail record without a target
 * belongs to the current span, or to the open import. All records of one tracepoint are published
 * by one store of `committed`, so a reader never sees half of one (imports and payloads that exceed
 * a page excepted: they say where they end).
 *
 * C11-clean, only <stdint.h> and <stddef.h>. All integers are little-endian; ids of traces and
 * spans are bytes in the order of their hex form. All-zero means "nothing here".
 */
#ifndef SPANRING_ABI_RECORD_LAYOUT_H
#define SPANRING_ABI_RECORD_LAYOUT_H

#include "abi_base.h"

#define SPANRING_ID_NONE 0u          /* no string: the empty string */
#define SPANRING_ID_INLINE 0xffffffu /* the string stands in the NAME record before */
#define SPANRING_STRINGS_MAX 0xfffffeu
#define SPANRING_SPAN_BYTES_MAX (1u << 20) /* details of one span; more is cut and counted */

/* ---- structure ---- */
#define SPANRING_REC_NONE 0x00u
/* A span begins: takes the stream's next ordinal, parent = top of the stack, is pushed. id = name.
 * t */
#define SPANRING_REC_BEGIN 0x01u
/* The span whose ordinal has these low 24 bits (id), the nearest such to the top, ends and leaves
 * the stack. t */
#define SPANRING_REC_END 0x02u
/* As END, for a span whose context was handed to another thread: details from there may still be on
 * their way. t */
#define SPANRING_REC_END_SHARED 0x03u
/* An event of the current span (or of the span that FOR names), which becomes the stream's item. id
 * = name. t */
#define SPANRING_REC_EVENT 0x04u
/* As BEGIN, but not pushed: the span is named by its key from now on (FOR), from any thread. t */
#define SPANRING_REC_BEGIN_ASYNC 0x05u
/* New base time for the rest of the page. + u64 ticks */
#define SPANRING_REC_TIME_BASE 0x06u
/* The next record but TIME_BASE (EVENT, END or a detail) is for this span of the instance, on
 * whatever stream it began. id = SPANRING_FOR_ORDERED: other threads may write for the span, too,
 * so this operation and theirs are applied in the order of their times (t). id = 0: only the stream
 * that began the span has written for it. + u64 span key */
#define SPANRING_REC_FOR 0x07u
#define SPANRING_FOR_ORDERED 1u
/* First record of a page whose thread has a stack: id = entries that follow, low = depth of the
 * stack (16 bits) and, << 16, how many of its outermost entries stay as the reader has them. If the
 * entries that follow do not reach the depth, the stream's next page tells the rest; else what the
 * reader has above them is gone. Entries, outermost first: OPEN, OPEN_FOREIGN, ATTACH_LOCAL,
 * ATTACH_REMOTE, ATTACH_NONE. */
#define SPANRING_REC_SNAPSHOT 0x08u
/* Snapshot entry: a span of this stream. id = SPANRING_OPEN_*. + u64 ordinal, u64 span key of its
 * trace's first span */
#define SPANRING_REC_OPEN 0x09u
/* Push a context: a span of this instance. + u64 span key, u64 span key of its trace's first span.
 * A span whose trace is foreign is attached by ATTACH_REMOTE, with the span id derived from its
 * key: no reader has to remember it. */
#define SPANRING_REC_ATTACH_LOCAL 0x0au
/* Push a context: a span of another process, or of a trace that began in one. id =
 * SPANRING_REMOTE_*, low = W3C flags. + u8 trace id[16], u8 span id[8] */
#define SPANRING_REC_ATTACH_REMOTE 0x0bu
/* Push an empty context: the next span is a root. */
#define SPANRING_REC_ATTACH_NONE 0x0cu
/* Pop the nearest context, and whatever was left above it. low = SPANRING_DETACH_BELOW: take out
 * nothing but the context directly below the span whose ordinal has the low 24 bits `id`. */
#define SPANRING_REC_DETACH 0x0du
/* The string of the next record whose id is SPANRING_ID_INLINE. n */
#define SPANRING_REC_NAME 0x0eu
/* More bytes of the last record with a payload on this stream (also across pages). id = 1: the last
 * piece. n */
#define SPANRING_REC_CONTINUE 0x0fu
/* The end of this span was lost: store it as end_lost. + u64 span key */
#define SPANRING_REC_LOST_END 0x10u
/* A finished span with ids and times of its own; details follow until IMPORT_END. id = name, low =
 * SPANRING_IMPORT_*.
 * + u8 trace id[16], u8 span id[8], u8 parent id[8], u64 start realtime ns, u64 duration ns */
#define SPANRING_REC_IMPORT_BEGIN 0x11u
#define SPANRING_REC_IMPORT_END 0x12u
/* The import that began did not fit: forget it (it is counted as a lost span). */
#define SPANRING_REC_IMPORT_ABORT 0x13u
/* Snapshot entry: as OPEN, of a trace that began elsewhere. id = SPANRING_OPEN_*, low = W3C flags.
 * + u64 ordinal, u8 trace id[16] */
#define SPANRING_REC_OPEN_FOREIGN 0x14u

/* ---- details: in rings and in batches ---- */
#define SPANRING_REC_DETAIL_MASK 0x3fu
#define SPANRING_REC_DETAIL_FIRST 0x20u
#define SPANRING_TARGET_MASK 0xc0u
#define SPANRING_TARGET_SPAN 0x00u
#define SPANRING_TARGET_ITEM 0x40u
#define SPANRING_TARGET_RESOURCE 0x80u

/* Attributes: id = key. */
#define SPANRING_REC_ATTR_BOOL 0x20u         /* low = 0 or 1 */
#define SPANRING_REC_ATTR_INT 0x21u          /* + i64 */
#define SPANRING_REC_ATTR_DOUBLE 0x22u       /* + f64 */
#define SPANRING_REC_ATTR_STRING 0x23u       /* n */
#define SPANRING_REC_ATTR_BYTES 0x24u        /* n */
#define SPANRING_REC_ATTR_JSON 0x25u         /* n: a nested value (map, mixed array) as JSON text */
#define SPANRING_REC_ATTR_BOOL_ARRAY 0x26u   /* n: one byte each */
#define SPANRING_REC_ATTR_INT_ARRAY 0x27u    /* n: i64 each */
#define SPANRING_REC_ATTR_DOUBLE_ARRAY 0x28u /* n: f64 each */
#define SPANRING_REC_ATTR_STRING_ARRAY 0x29u /* n: u32 bytes and the bytes each, unpadded */
/* An event with a time of its own, which becomes the item. id = name. + u64 realtime ns */
#define SPANRING_REC_EVENT_AT 0x30u
/* A link, which becomes the item. id = SPANRING_REMOTE_*, low = W3C flags. + u8 trace id[16], u8
 * span id[8] */
#define SPANRING_REC_LINK 0x31u
/* id = SPANRING_STATUS_*; payload = message. n */
#define SPANRING_REC_STATUS 0x32u
/* id = SPANRING_KIND_*. */
#define SPANRING_REC_KIND 0x33u
/* W3C tracestate: of the span, or (item) of the link. n */
#define SPANRING_REC_TRACESTATE 0x34u
/* id = the span's new name. */
#define SPANRING_REC_RENAME 0x35u
/* Instrumentation scope: id = its name, low = string number of its version. */
#define SPANRING_REC_SCOPE 0x36u
/* What the source had dropped already: id = 0. low = attributes. + u32 events, u32 links */
#define SPANRING_REC_DROPPED 0x37u
/* low = W3C trace flags of the span. */
#define SPANRING_REC_FLAGS 0x38u
/* A link to a span of this instance, in rings only (batches hold LINK). + u64 span key, u64 key of
 * its trace's first span; a span of a foreign trace is linked by LINK */
#define SPANRING_REC_LINK_LOCAL 0x39u

#define SPANRING_OPEN_LOST \
    0x1u /* its begin was lost: there is no such span, but it is its children's parent */
#define SPANRING_OPEN_SHARED 0x2u   /* its context was handed on */
#define SPANRING_OPEN_TRACE_64 0x4u /* OPEN_FOREIGN: the trace id came as 64 bits */

#define SPANRING_DETACH_BELOW 0x1u

#define SPANRING_REMOTE_TRACE_64                                     \
    0x1u /* the trace id came as 64 bits: the first 8 bytes are zero \
          */

#define SPANRING_IMPORT_TRACE_64 0x1u
#define SPANRING_IMPORT_NO_START 0x2u
#define SPANRING_IMPORT_NO_DURATION 0x4u
#define SPANRING_IMPORT_NO_PARENT 0x8u

#define SPANRING_KIND_UNSET 0u
#define SPANRING_KIND_INTERNAL 1u
#define SPANRING_KIND_SERVER 2u
#define SPANRING_KIND_CLIENT 3u
#define SPANRING_KIND_PRODUCER 4u
#define SPANRING_KIND_CONSUMER 5u

#define SPANRING_STATUS_UNSET 0u
#define SPANRING_STATUS_OK 1u
#define SPANRING_STATUS_ERROR 2u

static inline uint64_t spanring_record_head(uint32_t kind, uint32_t id, uint32_t low) {
    return ((uint64_t)low << 32) | ((uint64_t)(id & 0xffffffu) << 8) | (kind & 0xffu);
}
static inline uint32_t spanring_record_kind(uint64_t head) {
    return (uint32_t)(head & 0xffu);
}
static inline uint32_t spanring_record_id(uint64_t head) {
    return (uint32_t)(head >> 8) & 0xffffffu;
}
static inline uint32_t spanring_record_low(uint64_t head) {
    return (uint32_t)(head >> 32);
}

/* Returns whether a record of this kind (target bits taken off) is followed by `low` bytes of
 * payload. */
static inline int spanring_record_has_payload(uint32_t kind) {
    switch (kind) {
        case SPANRING_REC_NAME:
        case SPANRING_REC_CONTINUE:
        case SPANRING_REC_ATTR_STRING:
        case SPANRING_REC_ATTR_BYTES:
        case SPANRING_REC_ATTR_JSON:
        case SPANRING_REC_ATTR_BOOL_ARRAY:
        case SPANRING_REC_ATTR_INT_ARRAY:
        case SPANRING_REC_ATTR_DOUBLE_ARRAY:
        case SPANRING_REC_ATTR_STRING_ARRAY:
        case SPANRING_REC_STATUS:
        case SPANRING_REC_TRACESTATE: return 1;
        default: return 0;
    }
}

/* Returns the length in bytes of the record with this head, a multiple of 8, or 0 if there is no
 * such record. Never more than SPANRING_SPAN_BYTES_MAX + 8. */
static inline uint32_t spanring_record_bytes(uint64_t head) {
    uint32_t kind = spanring_record_kind(head);
    if ((kind & SPANRING_TARGET_MASK) != 0) {
        if ((kind & SPANRING_TARGET_MASK) == SPANRING_TARGET_MASK) return 0;
        kind &= SPANRING_REC_DETAIL_MASK;
        if (kind < SPANRING_REC_DETAIL_FIRST) return 0;
    }
    if (spanring_record_has_payload(kind)) {
        const uint32_t payload = spanring_record_low(head);
        return payload > SPANRING_SPAN_BYTES_MAX - 8 ? 0 : 8 + ((payload + 7u) & ~7u);
    }
    switch (kind) {
        case SPANRING_REC_BEGIN:
        case SPANRING_REC_END:
        case SPANRING_REC_END_SHARED:
        case SPANRING_REC_EVENT:
        case SPANRING_REC_BEGIN_ASYNC:
        case SPANRING_REC_SNAPSHOT:
        case SPANRING_REC_ATTACH_NONE:
        case SPANRING_REC_DETACH:
        case SPANRING_REC_IMPORT_END:
        case SPANRING_REC_IMPORT_ABORT:
        case SPANRING_REC_ATTR_BOOL:
        case SPANRING_REC_KIND:
        case SPANRING_REC_RENAME:
        case SPANRING_REC_SCOPE:
        case SPANRING_REC_FLAGS: return 8;
        case SPANRING_REC_TIME_BASE:
        case SPANRING_REC_FOR:
        case SPANRING_REC_LOST_END:
        case SPANRING_REC_ATTR_INT:
        case SPANRING_REC_ATTR_DOUBLE:
        case SPANRING_REC_EVENT_AT:
        case SPANRING_REC_DROPPED: return 16;
        case SPANRING_REC_OPEN:
        case SPANRING_REC_ATTACH_LOCAL:
        case SPANRING_REC_LINK_LOCAL: return 24;
        case SPANRING_REC_OPEN_FOREIGN:
        case SPANRING_REC_ATTACH_REMOTE:
        case SPANRING_REC_LINK: return 32;
        case SPANRING_REC_IMPORT_BEGIN: return 56;
        default: return 0;
    }
}

/* Returns whether this record is a tracepoint of its own (what G counts): a begin, end, event,
 * import or detail; structure is not. */
static inline int spanring_record_is_tracepoint(uint32_t kind) {
    kind &= SPANRING_REC_DETAIL_MASK;
    return (kind >= SPANRING_REC_BEGIN && kind <= SPANRING_REC_BEGIN_ASYNC) ||
           kind == SPANRING_REC_IMPORT_BEGIN || kind >= SPANRING_REC_DETAIL_FIRST;
}

#endif
