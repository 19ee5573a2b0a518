/* The segment: one file per producing process, its identity, tables and thread slots.
 *
 *   +--------+-----------+--------------+-------------+-------+--------+--------+-----------------+
 *   | header | resource  | string index | string data | slots | states | stored | pages ...       |
 *   +--------+-----------+--------------+-------------+-------+--------+--------+-----------------+
 *
 * The file has its final length from the start (it is sparse); only what is declared
 * (`strings_count`, `slots_declared`, `pages_declared`, ...) is reserved and may be touched.
 * Offsets of the regions stand in the header; a reader checks them against the file's length.
 * `ready` is stored last. Attach order of a reader: file length, magic, abi_major, header_bytes,
 * fingerprint, region bounds, ready.
 *
 * C11-clean, only <stdint.h> and <stddef.h>. All integers are little-endian. All-zero means "free /
 * not ready".
 */
#ifndef SPANRING_ABI_SEGMENT_LAYOUT_H
#define SPANRING_ABI_SEGMENT_LAYOUT_H

#include "abi_base.h"

#define SPANRING_SEGMENT_MAGIC UINT64_C(0x3147455347525053) /* "SPRGSEG1" */

/* Changes with every change of a struct of this folder that keeps the major version. */
#define SPANRING_LAYOUT_FINGERPRINT 0x00010003u

#define SPANRING_CLOCK_TSC 1u       /* invariant TSC, trusted by the kernel */
#define SPANRING_CLOCK_MONOTONIC 2u /* CLOCK_MONOTONIC, nanoseconds */

/* What spanring_segment_header.membarrier says: whether the consumer's membarrier reaches all
 * threads (it may take pages, and sleep), and whether the process rings when it sleeps. */
#define SPANRING_MEMBARRIER_NONE 0u   /* not registered: the consumer polls */
#define SPANRING_MEMBARRIER_RINGS 1u  /* registered for GLOBAL_EXPEDITED, rings */
#define SPANRING_MEMBARRIER_SILENT 2u /* registered, but may not write the doorbell: polls */

/* Why something was lost: index into spanring_thread_slot.lost_*. */
#define SPANRING_LOST_RING_FULL 0
#define SPANRING_LOST_SIGNAL \
    1 /* inside a signal handler over an interrupted tracepoint, and it did not fit */
#define SPANRING_LOST_TOO_LARGE 2 /* over the limit of a span or a record */
#define SPANRING_LOST_NO_MEMORY 3 /* tmpfs or the directory's byte cap is full */
#define SPANRING_LOST_REASONS 4

typedef struct spanring_segment_header {
    uint64_t magic;
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t header_bytes;
    uint32_t fingerprint;
    uint64_t segment_bytes; /* length of the file */
    uint8_t instance_id[16];
    uint8_t span_key[16]; /* key of the span-id bijection */
    uint8_t host_key[16]; /* copy of the control page's: key of the trace ids */
    uint8_t boot_id[16];
    uint64_t pid_start_ticks; /* field 22 of /proc/PID/stat, as the producer saw it */
    uint32_t pid;             /* as the producer saw it: may be of another pid namespace */
    uint32_t uid;
    uint64_t created_realtime_ns;
    uint32_t clock_kind;
    uint32_t policy;
    uint64_t resource_offset;
    uint64_t resource_bytes_max;
    uint64_t string_index_offset; /* uint32_t per string: offset of its entry in the string data;
                                     string 0 is the empty one and always there */
    uint64_t string_data_offset;  /* entry: uint32_t bytes, then the bytes */
    uint64_t string_data_bytes_max;
    uint64_t slot_offset;
    uint64_t state_offset;  /* uint64_t per page: see page_layout.h */
    uint64_t stored_offset; /* uint64_t per page, written by the consumer */
    uint64_t page_offset;
    uint32_t strings_max;
    uint32_t slots_max;
    uint32_t pages_max;
    uint32_t page_bytes;
    uint8_t parent_instance_id[16]; /* of the process that forked; zero: none */
    uint8_t process_name[64];       /* zero-terminated */
    uint8_t reserved_0[88];

    uint32_t ready; /* 1, stored last */
    uint8_t reserved_1[124];

    /* Growing tables, written by the producer (release), read by the consumer (acquire). */
    uint32_t resource_bytes;
    uint32_t strings_count;
    uint32_t string_data_bytes;
    uint32_t slots_declared;
    uint32_t pages_declared;
    uint32_t reserved_7;
    uint32_t membarrier; /* SPANRING_MEMBARRIER_... */
    uint8_t reserved_2[100];

    uint64_t claim_next; /* index of the next page to try, modulo pages_declared */
    uint8_t reserved_3[120];

    /* Written by the consumer. */
    uint64_t released_count; /* pages released since the start: a producer with a full ring looks
                                for a change */
    uint32_t revoked;        /* 1: judged dead; a live writer must start a new segment */
    uint32_t reserved_4;
    uint64_t turn_stored;  /* the latest turn of the consumer that has told `stored`; raised before
                              the words of its pages */
    uint64_t turn_settled; /* all that was read in this turn and before is applied and committed:
                              nothing of it is held back for a later turn */
    uint8_t reserved_5[96];

    uint8_t reserved_6[3200];
} spanring_segment_header;

SPANRING_ABI_STRUCT(spanring_segment_header, 4096, 8);
SPANRING_ABI_FIELD(spanring_segment_header, magic, 0);
SPANRING_ABI_FIELD(spanring_segment_header, abi_major, 8);
SPANRING_ABI_FIELD(spanring_segment_header, abi_minor, 12);
SPANRING_ABI_FIELD(spanring_segment_header, header_bytes, 16);
SPANRING_ABI_FIELD(spanring_segment_header, fingerprint, 20);
SPANRING_ABI_FIELD(spanring_segment_header, segment_bytes, 24);
SPANRING_ABI_FIELD(spanring_segment_header, instance_id, 32);
SPANRING_ABI_FIELD(spanring_segment_header, span_key, 48);
SPANRING_ABI_FIELD(spanring_segment_header, host_key, 64);
SPANRING_ABI_FIELD(spanring_segment_header, boot_id, 80);
SPANRING_ABI_FIELD(spanring_segment_header, pid_start_ticks, 96);
SPANRING_ABI_FIELD(spanring_segment_header, pid, 104);
SPANRING_ABI_FIELD(spanring_segment_header, uid, 108);
SPANRING_ABI_FIELD(spanring_segment_header, created_realtime_ns, 112);
SPANRING_ABI_FIELD(spanring_segment_header, clock_kind, 120);
SPANRING_ABI_FIELD(spanring_segment_header, policy, 124);
SPANRING_ABI_FIELD(spanring_segment_header, resource_offset, 128);
SPANRING_ABI_FIELD(spanring_segment_header, resource_bytes_max, 136);
SPANRING_ABI_FIELD(spanring_segment_header, string_index_offset, 144);
SPANRING_ABI_FIELD(spanring_segment_header, string_data_offset, 152);
SPANRING_ABI_FIELD(spanring_segment_header, string_data_bytes_max, 160);
SPANRING_ABI_FIELD(spanring_segment_header, slot_offset, 168);
SPANRING_ABI_FIELD(spanring_segment_header, state_offset, 176);
SPANRING_ABI_FIELD(spanring_segment_header, stored_offset, 184);
SPANRING_ABI_FIELD(spanring_segment_header, page_offset, 192);
SPANRING_ABI_FIELD(spanring_segment_header, strings_max, 200);
SPANRING_ABI_FIELD(spanring_segment_header, slots_max, 204);
SPANRING_ABI_FIELD(spanring_segment_header, pages_max, 208);
SPANRING_ABI_FIELD(spanring_segment_header, page_bytes, 212);
SPANRING_ABI_FIELD(spanring_segment_header, parent_instance_id, 216);
SPANRING_ABI_FIELD(spanring_segment_header, process_name, 232);
SPANRING_ABI_FIELD(spanring_segment_header, reserved_0, 296);
SPANRING_ABI_FIELD(spanring_segment_header, ready, 384);
SPANRING_ABI_FIELD(spanring_segment_header, reserved_1, 388);
SPANRING_ABI_FIELD(spanring_segment_header, resource_bytes, 512);
SPANRING_ABI_FIELD(spanring_segment_header, strings_count, 516);
SPANRING_ABI_FIELD(spanring_segment_header, string_data_bytes, 520);
SPANRING_ABI_FIELD(spanring_segment_header, slots_declared, 524);
SPANRING_ABI_FIELD(spanring_segment_header, pages_declared, 528);
SPANRING_ABI_FIELD(spanring_segment_header, reserved_7, 532);
SPANRING_ABI_FIELD(spanring_segment_header, membarrier, 536);
SPANRING_ABI_FIELD(spanring_segment_header, reserved_2, 540);
SPANRING_ABI_FIELD(spanring_segment_header, claim_next, 640);
SPANRING_ABI_FIELD(spanring_segment_header, reserved_3, 648);
SPANRING_ABI_FIELD(spanring_segment_header, released_count, 768);
SPANRING_ABI_FIELD(spanring_segment_header, revoked, 776);
SPANRING_ABI_FIELD(spanring_segment_header, reserved_4, 780);
SPANRING_ABI_FIELD(spanring_segment_header, turn_stored, 784);
SPANRING_ABI_FIELD(spanring_segment_header, turn_settled, 792);
SPANRING_ABI_FIELD(spanring_segment_header, reserved_5, 800);
SPANRING_ABI_FIELD(spanring_segment_header, reserved_6, 896);

/* A thread's place in the segment. Its index is the *stream*; a later thread that takes the slot
 * over continues the ordinals, so (stream, ordinal) names one span of the instance for ever. */
typedef struct spanring_thread_slot {
    /* Written by the owning thread. */
    uint32_t nesting; /* 1 while a tracepoint is being written */
    uint32_t state;   /* SPANRING_SLOT_* */
    uint32_t tid;
    uint32_t reserved_0;
    uint64_t next_ordinal;  /* as of the last page turn, loss or exit */
    uint64_t next_sequence; /* pages claimed so far */
    uint64_t
        lost_spans[SPANRING_LOST_REASONS]; /* begins that were not written: the span is missing */
    uint64_t lost_ends[SPANRING_LOST_REASONS];    /* ends that were not written: the span is stored
                                                     with end_lost */
    uint64_t lost_details[SPANRING_LOST_REASONS]; /* attributes, events, links, ... of a stored span
                                                     that are missing */

    /* Written by the consumer; cleared by the owner. */
    uint32_t revoked;
    uint8_t reserved_1[124];
} spanring_thread_slot;

#define SPANRING_SLOT_FREE 0u
#define SPANRING_SLOT_USED 1u

SPANRING_ABI_STRUCT(spanring_thread_slot, 256, 8);
SPANRING_ABI_FIELD(spanring_thread_slot, nesting, 0);
SPANRING_ABI_FIELD(spanring_thread_slot, state, 4);
SPANRING_ABI_FIELD(spanring_thread_slot, tid, 8);
SPANRING_ABI_FIELD(spanring_thread_slot, reserved_0, 12);
SPANRING_ABI_FIELD(spanring_thread_slot, next_ordinal, 16);
SPANRING_ABI_FIELD(spanring_thread_slot, next_sequence, 24);
SPANRING_ABI_FIELD(spanring_thread_slot, lost_spans, 32);
SPANRING_ABI_FIELD(spanring_thread_slot, lost_ends, 64);
SPANRING_ABI_FIELD(spanring_thread_slot, lost_details, 96);
SPANRING_ABI_FIELD(spanring_thread_slot, revoked, 128);
SPANRING_ABI_FIELD(spanring_thread_slot, reserved_1, 132);

#endif
