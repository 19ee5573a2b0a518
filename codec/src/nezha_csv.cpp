#include "spanring/codec/nezha_csv.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace spanring::codec {
namespace {

enum Column : std::size_t { kTrace, kSpan, kParent, kPod, kOperation, kStart, kEnd, kDuration };

constexpr std::array<std::string_view, 8> kHeader = {
    "TraceID",           "SpanID",          "ParentID", "PodName", "OperationName",
    "StartTimeUnixNano", "EndTimeUnixNano", "Duration"};
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool parse_ns(std::string_view text, std::int64_t* ns) {
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), *ns);
    return fault == std::errc() && end == text.data() + text.size() && *ns >= 0;
}

}  // namespace

NezhaCsvReader::NezhaCsvReader(std::istream& in, std::string name)
    : in_(in), name_(std::move(name)) {}

Error NezhaCsvReader::error(const std::string& cause) {
    ended_ = true;
    return Error{ErrorCode::kInvalidArgument, name_ + ":" + std::to_string(line_) + ": " + cause};
}

// Reads one line into text_ without its end; false at the end of the file.
Result<bool> NezhaCsvReader::read_line() {
    text_.clear();
    ++line_;
    std::streambuf* buffer = in_.rdbuf();
    constexpr int kEof = std::char_traits<char>::eof();
    for (int c = buffer->sbumpc(); c != '\n'; c = buffer->sbumpc()) {
        if (c == kEof) return !text_.empty();
        if (text_.size() == kLineBytesMax) {
            return error("line longer than " + std::to_string(kLineBytesMax) + " bytes");
        }
        text_.push_back(static_cast<char>(c));
    }
    if (!text_.empty() && text_.back() == '\r') text_.pop_back();
    return true;
}

// Takes text_ apart as RFC 4180 says, except that no field spans lines.
bool NezhaCsvReader::split_fields() {
    fields_.assign(1, {});
    bool quoted = false;
    for (std::size_t i = 0; i < text_.size(); ++i) {
        const char c = text_[i];
        const bool doubled = quoted && c == '"' && i + 1 < text_.size() && text_[i + 1] == '"';
        if (doubled) {
            fields_.back().push_back('"');
            ++i;
        } else if (c == '"' && (quoted || fields_.back().empty())) {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            fields_.emplace_back();
        } else {
            fields_.back().push_back(c);
        }
    }
    return !quoted;
}

Result<void> NezhaCsvReader::read_header() {
    auto more = read_line();
    if (!more) return std::move(more).error();
    if (text_.starts_with(kByteOrderMark)) text_.erase(0, kByteOrderMark.size());
    const bool matches = *more && split_fields() && fields_.size() == kHeader.size() &&
                         std::equal(kHeader.begin(), kHeader.end(), fields_.begin());
    if (!matches) {
        return error(
            "not a Nezha trace table: the first line must be TraceID,SpanID,ParentID,"
            "PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration");
    }
    has_header_ = true;
    return {};
}

Result<Span> NezhaCsvReader::to_span() {
    if (!split_fields()) return error("a quote is not closed");
    if (fields_.size() != kHeader.size()) {
        return error(std::to_string(fields_.size()) + " fields, expected " +
                     std::to_string(kHeader.size()));
    }
    const auto bad = [&](Column column, const char* what) {
        constexpr std::size_t kShownMax = 64;
        return error(std::string(kHeader[column]) + " is not " + what + ": \"" +
                     fields_[column].substr(0, kShownMax) + "\"");
    };
    Span span;
    if (!from_hex(fields_[kTrace], &span.trace_id)) return bad(kTrace, "16 or 32 hex characters");
    span.trace_id_64 = fields_[kTrace].size() == 16;
    if (!from_hex(fields_[kSpan], &span.span_id)) return bad(kSpan, "16 hex characters");
    const std::string& parent = fields_[kParent];
    if (!parent.empty() && parent != "root" && !from_hex(parent, &span.parent_id)) {
        return bad(kParent, "16 hex characters or root");
    }
    std::int64_t start_ns = 0;
    std::int64_t end_ns = 0;
    if (!parse_ns(fields_[kStart], &start_ns)) return bad(kStart, "a time in ns");
    if (!parse_ns(fields_[kEnd], &end_ns)) return bad(kEnd, "a time in ns");
    span.start_ns = start_ns;
    span.duration_ns = end_ns - start_ns;
    span.name = std::move(fields_[kOperation]);
    auto& resource = resources_[fields_[kPod]];
    if (resource == nullptr) {
        resource = std::make_shared<const Attributes>(
            Attributes{{"service.name", Value(std::move(fields_[kPod]))}});
    }
    span.resource = resource;
    return span;
}

Result<std::optional<Span>> NezhaCsvReader::next() {
    if (ended_) return std::optional<Span>();
    if (!has_header_) {
        auto header = read_header();
        if (!header) return std::move(header).error();
    }
    do {
        auto more = read_line();
        if (!more) return std::move(more).error();
        ended_ = !*more;
    } while (!ended_ && text_.empty());
    if (ended_) return std::optional<Span>();
    auto span = to_span();
    if (!span) return std::move(span).error();
    return std::optional<Span>(*std::move(span));
}

}  // namespace spanring::codec
