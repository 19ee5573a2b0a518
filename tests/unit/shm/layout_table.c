/* C11: that this compiles is a test, too. */
#include "layout_table.h"

#include "spanring/abi/control_layout.h"
#include "spanring/abi/page_layout.h"
#include "spanring/abi/record_layout.h"
#include "spanring/abi/segment_layout.h"

static unsigned g_uncovered;
static size_t g_end;

static void begin(FILE* out, const char* name, size_t bytes) {
    fprintf(out, "### `%s`: %zu bytes\n\n| offset | bytes | field |\n| ---: | ---: | --- |\n", name,
            bytes);
    g_end = 0;
}

static void field(FILE* out, const char* name, size_t offset, size_t bytes) {
    if (offset != g_end) g_uncovered += (unsigned)(offset - g_end);
    g_end = offset + bytes;
    fprintf(out, "| %zu | %zu | `%s` |\n", offset, bytes, name);
}

static void end(FILE* out, size_t bytes) {
    if (bytes != g_end) g_uncovered += (unsigned)(bytes - g_end);
    fputc('\n', out);
}

#define FIELD(type, name) field(out, #name, offsetof(type, name), sizeof(((type*)0)->name))

static void print_spanring_control(FILE* out) {
    begin(out, "spanring_control", sizeof(spanring_control));
    FIELD(spanring_control, magic);
    FIELD(spanring_control, abi_major);
    FIELD(spanring_control, abi_minor);
    FIELD(spanring_control, control_bytes);
    FIELD(spanring_control, ready);
    FIELD(spanring_control, host_key);
    FIELD(spanring_control, boot_id);
    FIELD(spanring_control, reserved_0);
    FIELD(spanring_control, flags);
    FIELD(spanring_control, reserved_1);
    FIELD(spanring_control, ring_bytes_max);
    FIELD(spanring_control, directory_bytes_max);
    FIELD(spanring_control, page_bytes);
    FIELD(spanring_control, policy_allowed_mask);
    FIELD(spanring_control, block_ns_max);
    FIELD(spanring_control, spans_closed_early);
    FIELD(spanring_control, ends_late);
    FIELD(spanring_control, spans_unstorable);
    FIELD(spanring_control, segments_quarantined);
    FIELD(spanring_control, clock_sequence);
    FIELD(spanring_control, clock_ticks);
    FIELD(spanring_control, clock_mono_ns);
    FIELD(spanring_control, clock_ns_per_tick);
    FIELD(spanring_control, clock_first_ticks);
    FIELD(spanring_control, clock_first_mono_ns);
    FIELD(spanring_control, clock_real_offset_ns);
    FIELD(spanring_control, reserved_2);
    end(out, sizeof(spanring_control));
}

static void print_spanring_doorbell(FILE* out) {
    begin(out, "spanring_doorbell", sizeof(spanring_doorbell));
    FIELD(spanring_doorbell, magic);
    FIELD(spanring_doorbell, reserved_0);
    FIELD(spanring_doorbell, word);
    FIELD(spanring_doorbell, reserved_1);
    end(out, sizeof(spanring_doorbell));
}

static void print_spanring_segment_header(FILE* out) {
    begin(out, "spanring_segment_header", sizeof(spanring_segment_header));
    FIELD(spanring_segment_header, magic);
    FIELD(spanring_segment_header, abi_major);
    FIELD(spanring_segment_header, abi_minor);
    FIELD(spanring_segment_header, header_bytes);
    FIELD(spanring_segment_header, fingerprint);
    FIELD(spanring_segment_header, segment_bytes);
    FIELD(spanring_segment_header, instance_id);
    FIELD(spanring_segment_header, span_key);
    FIELD(spanring_segment_header, host_key);
    FIELD(spanring_segment_header, boot_id);
    FIELD(spanring_segment_header, pid_start_ticks);
    FIELD(spanring_segment_header, pid);
    FIELD(spanring_segment_header, uid);
    FIELD(spanring_segment_header, created_realtime_ns);
    FIELD(spanring_segment_header, clock_kind);
    FIELD(spanring_segment_header, policy);
    FIELD(spanring_segment_header, resource_offset);
    FIELD(spanring_segment_header, resource_bytes_max);
    FIELD(spanring_segment_header, string_index_offset);
    FIELD(spanring_segment_header, string_data_offset);
    FIELD(spanring_segment_header, string_data_bytes_max);
    FIELD(spanring_segment_header, slot_offset);
    FIELD(spanring_segment_header, state_offset);
    FIELD(spanring_segment_header, stored_offset);
    FIELD(spanring_segment_header, page_offset);
    FIELD(spanring_segment_header, strings_max);
    FIELD(spanring_segment_header, slots_max);
    FIELD(spanring_segment_header, pages_max);
    FIELD(spanring_segment_header, page_bytes);
    FIELD(spanring_segment_header, parent_instance_id);
    FIELD(spanring_segment_header, process_name);
    FIELD(spanring_segment_header, reserved_0);
    FIELD(spanring_segment_header, ready);
    FIELD(spanring_segment_header, reserved_1);
    FIELD(spanring_segment_header, resource_bytes);
    FIELD(spanring_segment_header, strings_count);
    FIELD(spanring_segment_header, string_data_bytes);
    FIELD(spanring_segment_header, slots_declared);
    FIELD(spanring_segment_header, pages_declared);
    FIELD(spanring_segment_header, reserved_7);
    FIELD(spanring_segment_header, membarrier);
    FIELD(spanring_segment_header, reserved_2);
    FIELD(spanring_segment_header, claim_next);
    FIELD(spanring_segment_header, reserved_3);
    FIELD(spanring_segment_header, released_count);
    FIELD(spanring_segment_header, revoked);
    FIELD(spanring_segment_header, reserved_4);
    FIELD(spanring_segment_header, turn_stored);
    FIELD(spanring_segment_header, turn_settled);
    FIELD(spanring_segment_header, reserved_5);
    FIELD(spanring_segment_header, reserved_6);
    end(out, sizeof(spanring_segment_header));
}

static void print_spanring_thread_slot(FILE* out) {
    begin(out, "spanring_thread_slot", sizeof(spanring_thread_slot));
    FIELD(spanring_thread_slot, nesting);
    FIELD(spanring_thread_slot, state);
    FIELD(spanring_thread_slot, tid);
    FIELD(spanring_thread_slot, reserved_0);
    FIELD(spanring_thread_slot, next_ordinal);
    FIELD(spanring_thread_slot, next_sequence);
    FIELD(spanring_thread_slot, lost_spans);
    FIELD(spanring_thread_slot, lost_ends);
    FIELD(spanring_thread_slot, lost_details);
    FIELD(spanring_thread_slot, revoked);
    FIELD(spanring_thread_slot, reserved_1);
    end(out, sizeof(spanring_thread_slot));
}

static void print_spanring_page_header(FILE* out) {
    begin(out, "spanring_page_header", sizeof(spanring_page_header));
    FIELD(spanring_page_header, generation);
    FIELD(spanring_page_header, stream);
    FIELD(spanring_page_header, sequence);
    FIELD(spanring_page_header, base_ticks);
    FIELD(spanring_page_header, first_ordinal);
    FIELD(spanring_page_header, reserved_0);
    FIELD(spanring_page_header, committed);
    FIELD(spanring_page_header, reserved_1);
    end(out, sizeof(spanring_page_header));
}

unsigned spanring_print_structs(FILE* out) {
    g_uncovered = 0;
    print_spanring_control(out);
    print_spanring_doorbell(out);
    print_spanring_segment_header(out);
    print_spanring_thread_slot(out);
    print_spanring_page_header(out);
    return g_uncovered;
}

static void kind(FILE* out, const char* name, unsigned value) {
    const uint32_t bytes = spanring_record_bytes(spanring_record_head(value, 0, 0));
    const int payload = spanring_record_has_payload(value);
    fprintf(out, "| 0x%02x | `%s` | %u%s | %s |\n", value, name, bytes, payload ? " + n" : "",
            spanring_record_is_tracepoint(value) ? "yes" : "");
}

#define KIND(name) kind(out, #name, SPANRING_REC_##name)

void spanring_print_records(FILE* out) {
    fputs("| kind | name | bytes | tracepoint |\n| --- | --- | --- | --- |\n", out);
    KIND(BEGIN);
    KIND(END);
    KIND(END_SHARED);
    KIND(EVENT);
    KIND(BEGIN_ASYNC);
    KIND(TIME_BASE);
    KIND(FOR);
    KIND(SNAPSHOT);
    KIND(OPEN);
    KIND(ATTACH_LOCAL);
    KIND(ATTACH_REMOTE);
    KIND(ATTACH_NONE);
    KIND(DETACH);
    KIND(NAME);
    KIND(CONTINUE);
    KIND(LOST_END);
    KIND(IMPORT_BEGIN);
    KIND(IMPORT_END);
    KIND(IMPORT_ABORT);
    KIND(OPEN_FOREIGN);
    KIND(ATTR_BOOL);
    KIND(ATTR_INT);
    KIND(ATTR_DOUBLE);
    KIND(ATTR_STRING);
    KIND(ATTR_BYTES);
    KIND(ATTR_JSON);
    KIND(ATTR_BOOL_ARRAY);
    KIND(ATTR_INT_ARRAY);
    KIND(ATTR_DOUBLE_ARRAY);
    KIND(ATTR_STRING_ARRAY);
    KIND(EVENT_AT);
    KIND(LINK);
    KIND(STATUS);
    KIND(KIND);
    KIND(TRACESTATE);
    KIND(RENAME);
    KIND(SCOPE);
    KIND(DROPPED);
    KIND(FLAGS);
    KIND(LINK_LOCAL);
}
