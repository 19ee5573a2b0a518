// A recording: spans that another system once wrote down, compact enough to hold them all.
//
// Parsed once by the parent; the producing children inherit it by fork and only read. A span
// without details costs 72 bytes; only those with attributes, events, links, ... keep the whole
// codec::Span. Threads: built by one, then read-only.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "spanring/base/result.hpp"
#include "spanring/codec/span.hpp"
#include "spanring/import.hpp"

namespace spanring::tools::replay {

/// Rows that a recording may have: 10 million are 720 MB, which a replaying machine can spare.
inline constexpr std::size_t kRowsMax = 10'000'000;

struct Row {
    static constexpr std::uint32_t kPlain = 0xffffffff;

    TraceId trace_id;
    SpanId span_id;
    SpanId parent_id;
    std::int64_t start_ns{0};
    std::int64_t duration_ns{0};
    std::uint32_t name{0};
    std::uint32_t service{0};
    std::uint32_t whole{kPlain};  ///< index of the codec::Span with its details
    bool trace_id_64{false};
    bool has_start{false};
    bool has_duration{false};
};

class Recording {
public:
    /// Errors: kNoSpace if there are more rows than kRowsMax.
    [[nodiscard]] Result<void> add(const codec::Span& span);
    /// Sorts each service's rows by start, rows without a start first: the order of replay.
    void finish();

    [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
    [[nodiscard]] const std::vector<std::string>& services() const noexcept { return services_; }
    /// The rows of one service. Only after `finish`.
    [[nodiscard]] std::span<const Row> rows_of(std::uint32_t service) const noexcept;
    /// Earliest start of all, or 0 if no row has one. Only after `finish`.
    [[nodiscard]] std::int64_t first_start_ns() const noexcept { return first_start_ns_; }
    [[nodiscard]] const std::string& name_of(const Row& row) const noexcept {
        return names_[row.name];
    }
    /// The details of the row, or null if it has none.
    [[nodiscard]] const codec::Span* whole_of(const Row& row) const noexcept {
        return row.whole == Row::kPlain ? nullptr : &wholes_[row.whole];
    }

private:
    static std::uint32_t number_of(const std::string& text, std::vector<std::string>& list,
                                   std::unordered_map<std::string, std::uint32_t>& numbers);

    std::vector<Row> rows_;
    std::vector<codec::Span> wholes_;
    std::vector<std::string> names_;
    std::vector<std::string> services_;
    std::unordered_map<std::string, std::uint32_t> name_numbers_;
    std::unordered_map<std::string, std::uint32_t> service_numbers_;
    std::vector<std::size_t> service_begin_;  ///< by service, and one more
    std::int64_t first_start_ns_{0};
};

enum class Format : std::uint8_t { kGuess, kNezhaCsv, kZipkin };

/// Reads a file of one of the formats. Errors: kInvalidArgument with file, line and cause; kIo,
/// kNotFound, kPermission.
[[nodiscard]] Result<Recording> read_recording(const std::string& path, Format format);
/// Says what the beginning of a file looks like; kGuess: like none of the formats.
[[nodiscard]] Format guess_format(std::string_view beginning) noexcept;

}  // namespace spanring::tools::replay
