#include <fmt/format.h>

#include <array>
#include <cmath>
#include <ctime>

#include "term.hpp"

namespace spanring::tools {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

// Three significant digits: enough to compare, few enough to read.
std::string three_digits(double value, std::string_view unit) {
    const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f} {}", value, decimals, unit);
}

std::string two_units(std::int64_t seconds, std::int64_t large, const char* large_name,
                      std::int64_t small, const char* small_name) {
    return fmt::format("{} {} {:02} {}", seconds / large, large_name, seconds % large / small,
                       small_name);
}

}  // namespace

std::string format_duration(std::int64_t ns) {
    if (ns < 0) return "-" + format_duration(ns == INT64_MIN ? INT64_MAX : -ns);
    const auto value = static_cast<double>(ns);
    if (ns < 1000) return fmt::format("{} ns", ns);
    // The next unit takes over where rounding would show "1000".
    if (value < 999.5e3) return three_digits(value / 1e3, "µs");
    if (value < 999.5e6) return three_digits(value / 1e6, "ms");
    if (ns < 60 * kSecondNs) return three_digits(value / 1e9, "s");
    const std::int64_t seconds = ns / kSecondNs;
    if (seconds < 3600) return two_units(seconds, 60, "m", 1, "s");
    if (seconds < 86400) return two_units(seconds, 3600, "h", 60, "m");
    return two_units(seconds, 86400, "d", 3600, "h");
}

std::string format_bytes(std::uint64_t bytes) {
    static constexpr std::array<const char*, 5> kUnits{"KiB", "MiB", "GiB", "TiB", "PiB"};
    if (bytes < 1024) return fmt::format("{} B", bytes);
    double value = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string format_count(std::uint64_t count) {
    std::string digits = std::to_string(count);
    for (std::size_t at = digits.size(); at > 3;) {
        at -= 3;
        digits.insert(at, 1, ',');
    }
    return digits;
}

std::string format_rate(double per_second) {
    if (!std::isfinite(per_second)) return "–";
    if (per_second < 9.95) return fmt::format("{:.1f}", per_second);
    if (per_second < 999.5) return fmt::format("{:.0f}", per_second);
    if (per_second < 999.5e3) return three_digits(per_second / 1e3, "k");
    if (per_second < 999.5e6) return three_digits(per_second / 1e6, "M");
    return three_digits(per_second / 1e9, "G");
}

namespace {

// Whole seconds and the rest, the rest never negative (times before 1970 included).
std::pair<std::time_t, std::int64_t> split_seconds(std::int64_t realtime_ns) {
    std::int64_t seconds = realtime_ns / kSecondNs;
    std::int64_t rest = realtime_ns % kSecondNs;
    if (rest < 0) {
        rest += kSecondNs;
        --seconds;
    }
    return {static_cast<std::time_t>(seconds), rest};
}

std::string calendar(const std::tm& when, char separator) {
    return fmt::format("{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}", when.tm_year + 1900, when.tm_mon + 1,
                       when.tm_mday, separator, when.tm_hour, when.tm_min, when.tm_sec);
}

}  // namespace

std::string format_time(std::int64_t realtime_ns) {
    const auto [seconds, rest] = split_seconds(realtime_ns);
    std::tm when{};
    localtime_r(&seconds, &when);
    return calendar(when, ' ') + fmt::format(".{:03}", rest / 1'000'000);
}

std::string format_rfc3339(std::int64_t realtime_ns) {
    const auto [seconds, rest] = split_seconds(realtime_ns);
    std::tm when{};
    gmtime_r(&seconds, &when);
    return calendar(when, 'T') + fmt::format(".{:09}Z", rest);
}

std::int64_t realtime_now_ns() noexcept {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * kSecondNs + now.tv_nsec;
}

}  // namespace spanring::tools
