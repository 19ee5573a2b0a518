// The judge: compares an export with the oracle, span for span.
//
// Both are read as multisets of spans. Each exported span must stand in the oracle with equal ids,
// parent, service, name, kind, status, attributes, events and links; times are only checked for
// sense. What is missing must be exactly what the library counted as lost, service by service:
// spans, ends (stored as end_lost), details. Threads: one.
#pragma once

#include <cstdint>
#include <istream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spanring/base/result.hpp"

namespace spanring::tools::emit {

/// Numbers of one service, or of all.
struct Balance {
    std::uint64_t missing_spans{0};
    std::uint64_t missing_ends{0};
    std::uint64_t missing_details{0};
    std::uint64_t counted_spans{0};
    std::uint64_t counted_ends{0};
    std::uint64_t counted_details{0};
    [[nodiscard]] bool even() const noexcept {
        return missing_spans == counted_spans && missing_ends == counted_ends &&
               missing_details == counted_details;
    }
};

struct Verdict {
    std::uint64_t oracle_spans{0};
    std::uint64_t exported_spans{0};
    std::uint64_t matched_spans{0};
    Balance total;
    std::uint64_t difference_count{0};
    std::vector<std::string> differences;  ///< the first kDifferencesMax, readable
    [[nodiscard]] bool equal() const noexcept { return difference_count == 0; }
};

inline constexpr std::size_t kDifferencesMax = 20;

class Judge {
public:
    Judge();
    ~Judge();
    Judge(const Judge&) = delete;
    Judge& operator=(const Judge&) = delete;

    /// One line of the oracle: a span or {"losses": {...}}. Errors: kInvalidArgument.
    [[nodiscard]] Result<void> oracle_line(std::string_view line);
    /// One line of the export; all oracle lines must have been given. Errors: kInvalidArgument.
    [[nodiscard]] Result<void> export_line(std::string_view line);
    /// Says what is left over and returns the verdict. Call once, at the end.
    [[nodiscard]] Verdict verdict();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Reads both streams through a Judge. Errors: kInvalidArgument with name and line number.
[[nodiscard]] Result<Verdict> judge(std::istream& oracle, const std::string& oracle_name,
                                    std::istream& exported, const std::string& export_name);

}  // namespace spanring::tools::emit
