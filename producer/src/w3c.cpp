#include "w3c.hpp"

#include <algorithm>

namespace spanring::w3c {
namespace {

using detail::BaggageMember;

bool is_lower_hex(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

int nibble(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool is_lower_or_digit(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

/// Takes what is in front of `separator` off; all of it if there is none.
std::string_view take(std::string_view& text, char separator) noexcept {
    const std::size_t at = text.find(separator);
    const std::string_view part = text.substr(0, at);
    text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
    return part;
}

bool is_key_rest(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return is_lower_or_digit(c) || c == '_' || c == '-' || c == '*' || c == '/';
    });
}

/// simple-key, or tenant@system (Trace Context 3.3.1.3.1).
bool is_state_key(std::string_view key) noexcept {
    const std::size_t at = key.find('@');
    const std::string_view first = key.substr(0, at);
    if (first.empty() || !is_lower_or_digit(first[0]) || !is_key_rest(first)) return false;
    if (at == std::string_view::npos) {
        return first.size() <= 256 && !(first[0] >= '0' && first[0] <= '9');
    }
    const std::string_view system = key.substr(at + 1);
    return first.size() <= 241 && !system.empty() && system.size() <= 14 && system[0] >= 'a' &&
           system[0] <= 'z' && is_key_rest(system);
}

/// Printable ASCII without comma and equals sign, not ending in a space.
bool is_state_value(std::string_view value) noexcept {
    return !value.empty() && value.size() <= 256 && value.back() != ' ' &&
           std::all_of(value.begin(), value.end(),
                       [](char c) { return c >= 0x20 && c <= 0x7e && c != ',' && c != '='; });
}

bool is_baggage_octet(char c) noexcept {
    return c == 0x21 || (c >= 0x23 && c <= 0x2b) || (c >= 0x2d && c <= 0x3a) ||
           (c >= 0x3c && c <= 0x5b) || (c >= 0x5d && c <= 0x7e);
}

std::size_t joined_bytes(const std::vector<std::string_view>& members) noexcept {
    std::size_t sum = members.empty() ? 0 : members.size() - 1;
    for (const std::string_view member : members) sum += member.size();
    return sum;
}

/// Whole members are taken away, long ones first, then the oldest (the last).
void shorten(std::vector<std::string_view>& members) {
    if (joined_bytes(members) > kTraceStateBytesMax) {
        std::erase_if(members, [](std::string_view member) {
            return member.size() > kTraceStateMemberBytesLong;
        });
    }
    while (joined_bytes(members) > kTraceStateBytesMax) members.pop_back();
}

void percent_encode(std::string_view text, std::string& out) {
    constexpr char kHex[] = "0123456789ABCDEF";
    for (const char c : text) {
        if (is_baggage_octet(c) && c != '%') {
            out.push_back(c);
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out.push_back('%');
            out.push_back(kHex[byte >> 4]);
            out.push_back(kHex[byte & 15]);
        }
    }
}

/// Properties are kept as they came; they must be what a header may carry.
bool are_properties(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return is_baggage_octet(c) || c == ';' || c == ' ' || c == '\t';
    });
}

bool parse_member(std::string_view text, BaggageMember* member) {
    std::string_view rest = text;
    const std::string_view pair = take(rest, ';');
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return false;
    const std::string_view key = trim(pair.substr(0, equals));
    const std::string_view value = trim(pair.substr(equals + 1));
    if (!is_token(key) || !std::all_of(value.begin(), value.end(), is_baggage_octet) ||
        !are_properties(rest)) {
        return false;
    }
    member->key = key;
    member->properties = trim(rest);
    return percent_decode(value, &member->value);
}

}  // namespace

bool is_token(std::string_view text) noexcept {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') ||
               kMarks.find(c) != std::string_view::npos;
    });
}

bool percent_decode(std::string_view text, std::string* out) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded.push_back(text[i]);
            continue;
        }
        const int high = i + 2 < text.size() ? nibble(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? nibble(text[i + 2]) : -1;
        if (high < 0 || low < 0) return false;
        decoded.push_back(static_cast<char>(high << 4 | low));
        i += 2;
    }
    *out = std::move(decoded);
    return true;
}

bool parse_traceparent(std::string_view text, TraceParent* out) noexcept {
    text = trim(text);
    // version-traceid-parentid-flags: 2 + 32 + 16 + 2 digits and three dashes.
    constexpr std::size_t kBytes = 55;
    if (text.size() < kBytes || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
    const std::string_view version = text.substr(0, 2);
    if (!is_lower_hex(version) || version == "ff") return false;
    // Version 00 ends here; a later one may go on after a dash.
    if (text.size() > kBytes && (version == "00" || text[kBytes] != '-')) return false;
    const std::string_view trace = text.substr(3, 32);
    const std::string_view span = text.substr(36, 16);
    const std::string_view flags = text.substr(53, 2);
    if (!is_lower_hex(trace) || !is_lower_hex(span) || !is_lower_hex(flags)) return false;
    TraceParent read;
    if (!from_hex(trace, &read.trace) || !from_hex(span, &read.span)) return false;
    if (!read.trace.valid() || !read.span.valid()) return false;
    read.flags = static_cast<std::uint8_t>(nibble(flags[0]) << 4 | nibble(flags[1]));
    // Of a later version only the sampled bit means what we know (2.2.5).
    if (version != "00") read.flags &= 1;
    *out = read;
    return true;
}

std::string format_traceparent(const TraceParent& parent) {
    // sampled and random; we must set no other bit (3.2.2.5).
    const int flags = parent.flags & 3;
    return "00-" + to_hex(parent.trace) + "-" + to_hex(parent.span) + "-0" +
           static_cast<char>('0' + flags);
}

std::string clean_trace_state(std::string_view text) {
    std::vector<std::string_view> members;
    while (!text.empty()) {
        const std::string_view member = trim(take(text, ','));
        if (member.empty()) continue;
        const std::size_t equals = member.find('=');
        if (equals == std::string_view::npos || !is_state_key(member.substr(0, equals)) ||
            !is_state_value(member.substr(equals + 1))) {
            return {};
        }
        for (const std::string_view other : members) {
            if (other.substr(0, other.find('=')) == member.substr(0, equals)) return {};
        }
        members.push_back(member);
        if (members.size() > kTraceStateMembersMax) return {};
    }
    shorten(members);
    std::string joined;
    for (const std::string_view member : members) {
        if (!joined.empty()) joined.push_back(',');
        joined.append(member);
    }
    return joined;
}

std::vector<BaggageMember> parse_baggage(std::string_view text) {
    std::vector<BaggageMember> members;
    std::size_t bytes = 0;
    while (!text.empty() && members.size() < kBaggageMembersMax) {
        const std::string_view part = trim(take(text, ','));
        BaggageMember member;
        if (part.empty() || !parse_member(part, &member)) continue;
        bytes += part.size() + (members.empty() ? 0 : 1);
        if (bytes > kBaggageBytesMax) break;
        // The last of a key wins (Baggage 3.2.1.1 leaves it to us).
        std::erase_if(members, [&](const auto& other) { return other.key == member.key; });
        members.push_back(std::move(member));
    }
    return members;
}

std::string format_baggage(const std::vector<BaggageMember>& members) {
    std::string out;
    for (const BaggageMember& member : members) {
        if (!out.empty()) out.push_back(',');
        out.append(member.key).push_back('=');
        percent_encode(member.value, out);
        if (!member.properties.empty()) out.append(";").append(member.properties);
    }
    return out;
}

}  // namespace spanring::w3c
