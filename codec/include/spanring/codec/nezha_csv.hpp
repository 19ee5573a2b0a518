// Reader of the trace tables of the Nezha data set: CSV with the columns
//
//   TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration
//
// ParentID "root" or empty: a root. The pod becomes service.name; Duration (rounded to µs) is not
// read: the duration is end - start, in ns. Streams: one line in memory at a time. Threads: one.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spanring/base/result.hpp"
#include "spanring/codec/span.hpp"

namespace spanring::codec {

class NezhaCsvReader {
public:
    /// Lines longer than this are refused: the longest real one has 210 bytes.
    static constexpr std::size_t kLineBytesMax = 64 * 1024;

    /// `in` must outlive the reader. `name` stands in errors: a file's path.
    NezhaCsvReader(std::istream& in, std::string name);

    /// Returns the next span, or nothing at the end. Fields may be quoted; empty lines are skipped.
    /// Errors: kInvalidArgument, "NAME:LINE: cause"; the reader then stays at its end.
    [[nodiscard]] Result<std::optional<Span>> next();
    /// Number of the line that `next` read last, from 1 (the header).
    [[nodiscard]] std::uint64_t line() const noexcept { return line_; }

private:
    [[nodiscard]] Result<bool> read_line();
    [[nodiscard]] bool split_fields();
    [[nodiscard]] Result<void> read_header();
    [[nodiscard]] Result<Span> to_span();
    [[nodiscard]] Error error(const std::string& cause);

    std::istream& in_;
    std::string name_;
    std::uint64_t line_{0};
    bool has_header_{false};
    bool ended_{false};
    std::string text_;
    std::vector<std::string> fields_;
    std::map<std::string, std::shared_ptr<const Attributes>, std::less<>> resources_;  // by pod
};

}  // namespace spanring::codec
