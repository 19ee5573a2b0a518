#include "span_compare.hpp"

#include <algorithm>
#include <string_view>

#include "canonical.hpp"
#include "model.hpp"

namespace spanring::tools::emit {
namespace {

using rapidjson::Value;

/// Long values are cut in messages.
constexpr std::size_t kShownBytesMax = 120;

std::string shown(std::string_view text) {
    if (text.size() <= kShownBytesMax) return std::string(text);
    return std::string(text.substr(0, kShownBytesMax)) + "… (" + std::to_string(text.size()) +
           " bytes)";
}

std::string difference(const char* what, std::string_view expected, std::string_view found) {
    return std::string(what) + " is '" + shown(found) + "', must be '" + shown(expected) + "'";
}

void compare_text(const Value& oracle, const Value& exported, const char* key,
                  SpanComparison& result) {
    const std::string_view expected = text_of(oracle, key);
    if (expected == kAnyId) return;
    if (expected != text_of(exported, key)) {
        result.wrong.push_back(difference(key, expected, text_of(exported, key)));
    }
}

/// Name, kind, status: the value from before the call that set it means that the call was lost.
bool compare_changed(const Value& oracle, const Value& exported, const char* key,
                     const char* before_key, SpanComparison& result) {
    const std::string_view expected = text_of(oracle, key);
    const std::string_view found = text_of(exported, key);
    if (expected == found) return true;
    const std::string_view before = text_of(oracle, before_key);
    if (!before.empty() && before == found) {
        result.missing.push_back(std::string(key) + " '" + shown(expected) + "'");
        return false;
    }
    result.wrong.push_back(difference(key, expected, found));
    return false;
}

void compare_attributes(const Value& oracle, const Value& exported, SpanComparison& result) {
    const Value& expected = member_of(oracle, "attributes");
    const Value& found = member_of(exported, "attributes");
    if (!expected.IsObject() || !found.IsObject()) {
        result.wrong.push_back("attributes are no object");
        return;
    }
    for (const auto& member : expected.GetObject()) {
        const auto same = found.FindMember(member.name);
        const std::string key(member.name.GetString(), member.name.GetStringLength());
        if (same == found.MemberEnd()) {
            result.missing.push_back("attribute " + key);
        } else if (canonical(member.value) != canonical(same->value)) {
            result.wrong.push_back(difference(("attribute " + key).c_str(), canonical(member.value),
                                              canonical(same->value)));
        }
    }
    for (const auto& member : found.GetObject()) {
        if (!expected.HasMember(member.name)) {
            result.wrong.push_back("attribute " + std::string(member.name.GetString()) +
                                   " was never set");
        }
    }
}

/// Text of an event or link without its time: equal items have equal texts.
std::string item_text(const Value& item) {
    std::string out;
    for (const char* key : {"name", "trace_id", "span_id", "trace_state"}) {
        out += std::string(text_of(item, key)) + " ";
    }
    const Value& attributes = member_of(item, "attributes");
    return out + (attributes.IsObject() ? canonical(attributes) : "{}");
}

std::vector<std::string> item_texts(const Value& span, const char* key) {
    std::vector<std::string> out;
    const Value& list = member_of(span, key);
    if (list.IsArray()) {
        for (const auto& item : list.GetArray()) out.push_back(item_text(item));
    }
    return out;
}

/// The export's items must be the oracle's with some left out, in the same order; or in any order
/// if they came from several threads.
void compare_items(const Value& oracle, const Value& exported, const char* key,
                   SpanComparison& result) {
    std::vector<std::string> expected = item_texts(oracle, key);
    std::vector<std::string> found = item_texts(exported, key);
    if (flag_of(oracle, "any_order")) {
        std::sort(expected.begin(), expected.end());
        std::sort(found.begin(), found.end());
    }
    std::size_t next = 0;
    for (const std::string& item : expected) {
        if (next < found.size() && found[next] == item) {
            ++next;
        } else {
            result.missing.push_back(std::string(key) + ": " + shown(item));
        }
    }
    if (next < found.size()) {
        result.wrong.push_back(std::string(key) +
                               ": out of place or never made: " + shown(found[next]));
    }
}

/// Of imported spans: times are data, and absent ones stay absent.
void compare_times(const Value& oracle, const Value& exported, SpanComparison& result) {
    for (const char* key : {"start_ns", "duration_ns"}) {
        const std::string expected = canonical(member_of(oracle, key));
        const std::string found = canonical(member_of(exported, key));
        if (expected != found) result.wrong.push_back(difference(key, expected, found));
    }
    if (flag_of(exported, "unfinished") || flag_of(exported, "end_lost")) {
        result.wrong.push_back("was imported whole, but is unfinished or end_lost");
    }
}

void compare_end(const Value& oracle, const Value& exported, SpanComparison& result) {
    const bool open = flag_of(oracle, "unfinished");
    const bool unfinished = flag_of(exported, "unfinished");
    const bool end_lost = flag_of(exported, "end_lost");
    const Value& duration = member_of(exported, "duration_ns");
    if (open != unfinished && open) result.wrong.push_back("is stored as finished, but was open");
    result.end_missing = !open && (unfinished || end_lost);
    if (unfinished && end_lost) result.wrong.push_back("is both unfinished and end_lost");
    if (unfinished || end_lost) {
        if (!duration.IsNull()) result.wrong.push_back("has a duration without an end");
    } else if (!duration.IsInt64() || duration.GetInt64() < 0) {
        result.wrong.push_back("has no sensible duration: " + canonical(duration));
    }
    if (!member_of(exported, "start_ns").IsInt64()) result.wrong.push_back("has no start");
}

}  // namespace

SpanComparison compare_span(const Value& oracle, const Value& exported) {
    SpanComparison result;
    for (const char* key : {"trace_id", "span_id", "parent_id", "service"}) {
        compare_text(oracle, exported, key, result);
    }
    if (!text_of(oracle, "trace_state").empty() && text_of(exported, "trace_state").empty()) {
        result.missing.push_back("trace_state");
    } else {
        compare_text(oracle, exported, "trace_state", result);
    }
    compare_changed(oracle, exported, "name", "name_before", result);
    compare_changed(oracle, exported, "kind", "kind_before", result);
    if (compare_changed(oracle, exported, "status", "status_before", result)) {
        compare_text(oracle, exported, "status_message", result);
    }
    compare_attributes(oracle, exported, result);
    compare_items(oracle, exported, "events", result);
    compare_items(oracle, exported, "links", result);
    if (oracle.HasMember("start_ns")) {
        compare_times(oracle, exported, result);
    } else {
        compare_end(oracle, exported, result);
    }
    if (flag_of(exported, "truncated")) result.wrong.push_back("is truncated");
    return result;
}

}  // namespace spanring::tools::emit
