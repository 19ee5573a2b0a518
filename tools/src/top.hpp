// What `spanring top` shows: gathered in one place, painted in another. Threads: one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "meter.hpp"
#include "rings.hpp"
#include "term.hpp"

namespace spanring::tools {

struct TopView {
    RingsView rings;
    Measurement measured;
    std::uint64_t lost{0};
    double in_flight{0};  ///< R, counted in the rings, mean of the interval's samples
    std::uint64_t in_flight_samples{0};
    std::uint64_t database_bytes{0};
    std::uint64_t database_bytes_max{0};
    std::uint64_t disk_free_bytes{0};

    /// R as G × D says it: from timestamps, not from the rings.
    [[nodiscard]] double in_flight_computed() const noexcept;
    [[nodiscard]] double bytes_per_day() const noexcept;
    /// Until the database's limit or the disk's end; absent: nothing is written.
    [[nodiscard]] std::optional<double> days_left() const noexcept;
};

[[nodiscard]] std::string top_json(const TopView& view);
[[nodiscard]] std::string top_text(const TopView& view, const Terminal& terminal);

}  // namespace spanring::tools
