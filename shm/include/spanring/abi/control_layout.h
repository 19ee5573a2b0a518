/* The control page and the doorbell: the two small files that stand once in every ring directory.
 *
 * `control` is created disabled by whoever comes first, is never replaced, and is written by the
 * consumer alone; producers map it read-only and clamp whatever they read from it. `doorbell` is
 * one futex word that every producer may write.
 *
 * C11-clean, only <stdint.h> and <stddef.h>. All integers are little-endian. All-zero means "not
 * ready".
 */
#ifndef SPANRING_ABI_CONTROL_LAYOUT_H
#define SPANRING_ABI_CONTROL_LAYOUT_H

#include "abi_base.h"

#define SPANRING_CONTROL_FILE "control"
#define SPANRING_DOORBELL_FILE "doorbell"
#define SPANRING_CONSUMER_LOCK_FILE "consumer.lock"
#define SPANRING_SEGMENT_SUFFIX ".seg"

#define SPANRING_CONTROL_MAGIC UINT64_C(0x314c544347525053)  /* "SPRGCTL1" */
#define SPANRING_DOORBELL_MAGIC UINT64_C(0x314c4c4247525053) /* "SPRGBLL1" */

/* Bits of spanring_control.flags. The configuration epoch stands in bits 8..31. */
#define SPANRING_FLAG_ENABLED 0x1u
#define SPANRING_FLAG_WAITING 0x2u
#define SPANRING_FLAG_EPOCH_SHIFT 8

/* What a producer may do when its ring is full (spanring_control.policy,
 * spanring_segment_header.policy). */
#define SPANRING_POLICY_DROP 0u
#define SPANRING_POLICY_BLOCK 1u
#define SPANRING_POLICY_OVERWRITE 2u

typedef struct spanring_control {
    uint64_t magic;
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t control_bytes;
    uint32_t ready; /* 1, stored last by the creator */
    uint8_t host_key[16];
    uint8_t boot_id[16];
    uint8_t reserved_0[72];

    /* The line that every tracepoint reads; written by the consumer when its state changes. */
    uint32_t flags;
    uint8_t reserved_1[124];

    /* Configuration; a change bumps the epoch in `flags`. Zero: the producer's default. */
    uint64_t ring_bytes_max;
    uint64_t directory_bytes_max;
    uint32_t page_bytes;
    uint32_t policy_allowed_mask; /* 1 << policy; drop is always allowed */
    uint64_t block_ns_max;

    /* What the consumers of this directory had to do, counted since it was made; for people. */
    uint64_t spans_closed_early; /* open too long among too many: stored as unfinished */
    uint64_t ends_late;          /* of such spans: dropped */
    uint64_t spans_unstorable;   /* rows that could not be encoded: lost */
    uint64_t segments_quarantined;

    /* The straight line by which the consumer converts the CPU's counter since its last anchor, for
     * the next consumer to go on with; for nobody else. */
    uint64_t clock_sequence; /* odd: being written, or its writer died over it; 0: no line */
    uint64_t clock_ticks;
    int64_t clock_mono_ns;      /* at clock_ticks */
    uint64_t clock_ns_per_tick; /* 32.32 fixed point */
    uint64_t clock_first_ticks; /* the oldest reading, for the rate in the long run */
    int64_t clock_first_mono_ns;
    int64_t clock_real_offset_ns; /* wall clock = monotonic clock + this */
    uint8_t reserved_2[8];
} spanring_control;

SPANRING_ABI_STRUCT(spanring_control, 384, 8);
SPANRING_ABI_FIELD(spanring_control, magic, 0);
SPANRING_ABI_FIELD(spanring_control, abi_major, 8);
SPANRING_ABI_FIELD(spanring_control, abi_minor, 12);
SPANRING_ABI_FIELD(spanring_control, control_bytes, 16);
SPANRING_ABI_FIELD(spanring_control, ready, 20);
SPANRING_ABI_FIELD(spanring_control, host_key, 24);
SPANRING_ABI_FIELD(spanring_control, boot_id, 40);
SPANRING_ABI_FIELD(spanring_control, reserved_0, 56);
SPANRING_ABI_FIELD(spanring_control, flags, 128);
SPANRING_ABI_FIELD(spanring_control, reserved_1, 132);
SPANRING_ABI_FIELD(spanring_control, ring_bytes_max, 256);
SPANRING_ABI_FIELD(spanring_control, directory_bytes_max, 264);
SPANRING_ABI_FIELD(spanring_control, page_bytes, 272);
SPANRING_ABI_FIELD(spanring_control, policy_allowed_mask, 276);
SPANRING_ABI_FIELD(spanring_control, block_ns_max, 280);
SPANRING_ABI_FIELD(spanring_control, spans_closed_early, 288);
SPANRING_ABI_FIELD(spanring_control, ends_late, 296);
SPANRING_ABI_FIELD(spanring_control, spans_unstorable, 304);
SPANRING_ABI_FIELD(spanring_control, segments_quarantined, 312);
SPANRING_ABI_FIELD(spanring_control, clock_sequence, 320);
SPANRING_ABI_FIELD(spanring_control, clock_ticks, 328);
SPANRING_ABI_FIELD(spanring_control, clock_mono_ns, 336);
SPANRING_ABI_FIELD(spanring_control, clock_ns_per_tick, 344);
SPANRING_ABI_FIELD(spanring_control, clock_first_ticks, 352);
SPANRING_ABI_FIELD(spanring_control, clock_first_mono_ns, 360);
SPANRING_ABI_FIELD(spanring_control, clock_real_offset_ns, 368);
SPANRING_ABI_FIELD(spanring_control, reserved_2, 376);

typedef struct spanring_doorbell {
    uint64_t magic;
    uint8_t reserved_0[120];
    uint32_t word; /* 1: the consumer sleeps on it; the producer that exchanges it to 0 wakes it */
    uint8_t reserved_1[124];
} spanring_doorbell;

SPANRING_ABI_STRUCT(spanring_doorbell, 256, 8);
SPANRING_ABI_FIELD(spanring_doorbell, magic, 0);
SPANRING_ABI_FIELD(spanring_doorbell, reserved_0, 8);
SPANRING_ABI_FIELD(spanring_doorbell, word, 128);
SPANRING_ABI_FIELD(spanring_doorbell, reserved_1, 132);

#endif
