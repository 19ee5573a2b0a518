/* How a frame lies in a window's log: the header and the sections. docs/format/frame.md says it in
 * words. All integers little-endian; every part is padded with zeros to 8 bytes, so a frame starts
 * at a multiple of 8 and a reader that lost its way looks for the magic only there.
 *
 *   | header 80 | meta: sections (positions, open spans, deferred) | data: sections (batches) |
 *
 * Meta and data have a checksum each, so that recovery and positions can be read without the
 * batches, which are nearly all of the bytes.
 */
#ifndef SPANRING_STORE_FRAME_LAYOUT_H
#define SPANRING_STORE_FRAME_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "frames are little-endian"
#endif

/* As PNG's signature: 0x89 is no text, CR LF shows a transfer that converted line ends. */
#define SPANRING_FRAME_MAGIC "\x89SPRFR\r\n"
#define SPANRING_FRAME_VERSION 1u
#define SPANRING_FRAME_ALIGNMENT 8u
/* 64 full batches of 8,192 spans with 1 KiB each; a longer one is no frame of ours. */
#define SPANRING_FRAME_BYTES_MAX (512u << 20)

#define SPANRING_FRAME_SNAPSHOT 0x1u
/* Made by compaction: has a SPANRING_SECTION_MERGED and no state of the drain. All frames of a
 * window are, or none. */
#define SPANRING_FRAME_MERGED 0x2u

typedef struct spanring_frame_header {
    uint8_t magic[8];
    uint16_t version;
    uint16_t flags;        /* SPANRING_FRAME_SNAPSHOT, SPANRING_FRAME_MERGED */
    uint32_t header_bytes; /* 80 */
    uint64_t number;
    int64_t committed_ns;
    uint64_t spans;       /* rows of the batches */
    int64_t start_ns_min; /* of those rows that have a start; 0, 0 if none has */
    int64_t start_ns_max;
    uint32_t meta_bytes;
    uint32_t meta_crc;
    uint32_t data_bytes;
    uint32_t data_crc;
    uint32_t reserved_zero;
    uint32_t header_crc; /* CRC-32C of the 76 bytes before */
} spanring_frame_header;

/* Payload and zeros to a multiple of 8 follow. */
typedef struct spanring_section_header {
    uint32_t kind;
    uint32_t bytes; /* of the payload, without the padding */
} spanring_section_header;

#define SPANRING_SECTION_INSTANCES 1u
#define SPANRING_SECTION_OPEN_SPANS 2u /* any number of them, as of batches */
#define SPANRING_SECTION_DEFERRED 3u
#define SPANRING_SECTION_MERGED 4u /* varint first, varint last number that it stands for */
#define SPANRING_SECTION_BATCH 16u
/* A reader skips a section that it does not know if this bit is set, and refuses the frame else. */
#define SPANRING_SECTION_OPTIONAL 0x80000000u

#ifdef __cplusplus
#define SPANRING_FRAME_ASSERT(x) static_assert(x, #x)
#else
#define SPANRING_FRAME_ASSERT(x) _Static_assert(x, #x)
#endif
SPANRING_FRAME_ASSERT(sizeof(spanring_frame_header) == 80);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, magic) == 0);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, version) == 8);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, flags) == 10);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, header_bytes) == 12);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, number) == 16);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, committed_ns) == 24);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, spans) == 32);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, start_ns_min) == 40);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, start_ns_max) == 48);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, meta_bytes) == 56);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, meta_crc) == 60);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, data_bytes) == 64);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, data_crc) == 68);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, reserved_zero) == 72);
SPANRING_FRAME_ASSERT(offsetof(spanring_frame_header, header_crc) == 76);
SPANRING_FRAME_ASSERT(sizeof(spanring_section_header) == 8);
SPANRING_FRAME_ASSERT(offsetof(spanring_section_header, kind) == 0);
SPANRING_FRAME_ASSERT(offsetof(spanring_section_header, bytes) == 4);

#endif
