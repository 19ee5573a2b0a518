#include "inspect_records.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "spanring/abi/record_layout.h"
#include "term.hpp"

namespace spanring::tools {
namespace {

std::uint64_t word_at(std::span<const std::byte> bytes, std::size_t at) noexcept {
    std::uint64_t word = 0;
    if (at + 8 <= bytes.size()) std::memcpy(&word, bytes.data() + at, 8);
    return word;
}

std::string hex_at(std::span<const std::byte> bytes, std::size_t at, std::size_t count) {
    std::string out;
    for (std::size_t i = at; i < at + count && i < bytes.size(); ++i) {
        out += fmt::format("{:02x}", static_cast<unsigned>(bytes[i]));
    }
    return out;
}

std::string key_text(std::uint64_t key) {
    return fmt::format("stream {} ordinal {}", key >> 48, key & ((std::uint64_t{1} << 48) - 1));
}

std::string string_text(std::uint32_t id, const std::vector<std::string>& strings) {
    if (id == SPANRING_ID_INLINE) return "(inline)";
    if (id < strings.size()) return "'" + printable(strings[id]) + "'";
    return fmt::format("(string {})", id);
}

bool timed(unsigned kind) noexcept {
    return kind == SPANRING_REC_BEGIN || kind == SPANRING_REC_END ||
           kind == SPANRING_REC_END_SHARED || kind == SPANRING_REC_EVENT ||
           kind == SPANRING_REC_BEGIN_ASYNC;
}

bool named(unsigned kind) noexcept {
    return kind == SPANRING_REC_BEGIN || kind == SPANRING_REC_BEGIN_ASYNC ||
           kind == SPANRING_REC_EVENT || kind == SPANRING_REC_IMPORT_BEGIN ||
           (kind >= SPANRING_REC_ATTR_BOOL && kind <= SPANRING_REC_EVENT_AT) ||
           kind == SPANRING_REC_RENAME || kind == SPANRING_REC_SCOPE;
}

// What follows the head, by kind.
std::string body_text(unsigned kind, std::uint32_t low, std::span<const std::byte> body) {
    switch (kind) {
        case SPANRING_REC_FOR:
        case SPANRING_REC_LOST_END: return key_text(word_at(body, 0));
        case SPANRING_REC_OPEN:
            return fmt::format("ordinal {}, root ", word_at(body, 0)) + key_text(word_at(body, 8));
        case SPANRING_REC_OPEN_FOREIGN:
            return fmt::format("ordinal {}, trace ", word_at(body, 0)) + hex_at(body, 8, 16);
        case SPANRING_REC_ATTACH_LOCAL:
        case SPANRING_REC_LINK_LOCAL:
            return key_text(word_at(body, 0)) + ", root " + key_text(word_at(body, 8));
        case SPANRING_REC_ATTACH_REMOTE:
        case SPANRING_REC_LINK:
            return "trace " + hex_at(body, 0, 16) + " span " + hex_at(body, 16, 8);
        case SPANRING_REC_IMPORT_BEGIN:
            return fmt::format("trace {} span {} parent {} start {} duration {}",
                               hex_at(body, 0, 16), hex_at(body, 16, 8), hex_at(body, 24, 8),
                               word_at(body, 32), word_at(body, 40));
        case SPANRING_REC_TIME_BASE: return fmt::format("ticks {}", word_at(body, 0));
        case SPANRING_REC_ATTR_BOOL: return low != 0 ? "true" : "false";
        case SPANRING_REC_ATTR_INT:
            return std::to_string(static_cast<std::int64_t>(word_at(body, 0)));
        case SPANRING_REC_ATTR_DOUBLE:
            return fmt::format("{}", std::bit_cast<double>(word_at(body, 0)));
        case SPANRING_REC_NAME:
        case SPANRING_REC_ATTR_STRING:
        case SPANRING_REC_ATTR_JSON:
        case SPANRING_REC_STATUS:
        case SPANRING_REC_TRACESTATE: {
            const std::size_t count = std::min<std::size_t>(low, body.size());
            const std::string text(reinterpret_cast<const char*>(body.data()), count);
            return "\"" + cut_to_width(printable(text), 80) + "\"";
        }
        default: return body.empty() ? std::string() : fmt::format("({} bytes)", body.size());
    }
}

const char* target_text(unsigned target) noexcept {
    return target == SPANRING_TARGET_ITEM       ? " of item"
           : target == SPANRING_TARGET_RESOURCE ? " of resource"
                                                : "";
}

}  // namespace

std::string_view record_name(unsigned kind) noexcept {
    static constexpr std::string_view kStructure[] = {
        "NONE",        "BEGIN",        "END",         "END_SHARED", "EVENT",        "BEGIN_ASYNC",
        "TIME_BASE",   "FOR",          "SNAPSHOT",    "OPEN",       "ATTACH_LOCAL", "ATTACH_REMOTE",
        "ATTACH_NONE", "DETACH",       "NAME",        "CONTINUE",   "LOST_END",     "IMPORT_BEGIN",
        "IMPORT_END",  "IMPORT_ABORT", "OPEN_FOREIGN"};
    static constexpr std::string_view kAttributes[] = {
        "ATTR_BOOL", "ATTR_INT",        "ATTR_DOUBLE",    "ATTR_STRING",       "ATTR_BYTES",
        "ATTR_JSON", "ATTR_BOOL_ARRAY", "ATTR_INT_ARRAY", "ATTR_DOUBLE_ARRAY", "ATTR_STRING_ARRAY"};
    static constexpr std::string_view kDetails[] = {"EVENT_AT",   "LINK",      "STATUS", "KIND",
                                                    "TRACESTATE", "RENAME",    "SCOPE",  "DROPPED",
                                                    "FLAGS",      "LINK_LOCAL"};
    if (kind < std::size(kStructure)) return kStructure[kind];
    if (kind >= SPANRING_REC_ATTR_BOOL && kind - SPANRING_REC_ATTR_BOOL < std::size(kAttributes)) {
        return kAttributes[kind - SPANRING_REC_ATTR_BOOL];
    }
    if (kind >= SPANRING_REC_EVENT_AT && kind - SPANRING_REC_EVENT_AT < std::size(kDetails)) {
        return kDetails[kind - SPANRING_REC_EVENT_AT];
    }
    return "?";
}

std::string dump_records(std::span<const std::byte> bytes, std::size_t offset,
                         const std::vector<std::string>& strings) {
    std::string out;
    for (std::size_t at = 0; at + 8 <= bytes.size();) {
        const std::uint64_t head = word_at(bytes, at);
        const std::uint32_t length = spanring_record_bytes(head);
        if (length == 0 || at + length > bytes.size()) {
            return out +
                   fmt::format("    {:6}  malformed record, head {:016x}\n", offset + at, head);
        }
        const std::uint32_t whole_kind = spanring_record_kind(head);
        const unsigned target = whole_kind & SPANRING_TARGET_MASK;
        const unsigned kind = target == 0 ? whole_kind : whole_kind & SPANRING_REC_DETAIL_MASK;
        const std::uint32_t id = spanring_record_id(head);
        const std::uint32_t low = spanring_record_low(head);
        std::string text = fmt::format("{}{}", record_name(kind), target_text(target));
        if (timed(kind)) text += fmt::format("  +{} ticks", low);
        if (named(kind)) {
            text += "  " + string_text(id, strings);
        } else if (kind == SPANRING_REC_END || kind == SPANRING_REC_END_SHARED) {
            text += fmt::format("  ordinal {}", id);
        } else if (kind == SPANRING_REC_SNAPSHOT) {
            text += fmt::format("  {} entries above {}, depth {}", id, low >> 16, low & 0xffff);
        } else if (id != 0) {
            text += fmt::format("  {}", id);
        }
        const std::string body = body_text(kind, low, bytes.subspan(at + 8, length - 8));
        out += fmt::format("    {:6}  {}{}{}\n", offset + at, text, body.empty() ? "" : "  ", body);
        at += length;
    }
    return out;
}

}  // namespace spanring::tools
