#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <ctime>
#include <utility>

#include "term.hpp"

namespace spanring::tools {
namespace {

struct Unit {
    std::string_view name;
    double factor;
};

constexpr Unit kDurationUnits[] = {{"ns", 1},  {"us", 1e3}, {"µs", 1e3},   {"ms", 1e6},
                                   {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
constexpr double kKiB = 1024.0;
constexpr Unit kByteUnits[] = {{"", 1},
                               {"B", 1},
                               {"K", kKiB},
                               {"KiB", kKiB},
                               {"M", kKiB* kKiB},
                               {"MiB", kKiB* kKiB},
                               {"G", kKiB* kKiB* kKiB},
                               {"GiB", kKiB* kKiB* kKiB},
                               {"T", kKiB* kKiB* kKiB* kKiB},
                               {"TiB", kKiB* kKiB* kKiB* kKiB}};
constexpr Unit kRateUnits[] = {{"", 1}, {"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}};
// What an int64 of nanoseconds can hold (292 years), with room for a subtraction.
constexpr double kValueMax = 9.2e18;

Error bad(std::string_view what, std::string_view text, std::string_view wanted) {
    return {ErrorCode::kInvalidArgument, fmt::format("'{}' is no {}; give {}", text, what, wanted)};
}

// A number that is not negative, followed by exactly one of `units`; negative result: no such.
template <std::size_t N>
double parse_with_unit(std::string_view text, const Unit (&units)[N]) {
    double number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
    if (error != std::errc{} || !std::isfinite(number) || number < 0) return -1;
    std::string_view name(rest, static_cast<std::size_t>(end - rest));
    while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
    for (const Unit& unit : units) {
        if (name != unit.name) continue;
        const double value = number * unit.factor;
        return value < kValueMax ? value : -1;
    }
    return -1;
}

// Takes exactly `digits` digits off the front.
bool take_number(std::string_view* text, std::size_t digits, int* number) {
    if (text->size() < digits) return false;
    const char* const end = text->data() + digits;
    const auto [rest, error] = std::from_chars(text->data(), end, *number);
    if (error != std::errc{} || rest != end || *number < 0) return false;
    text->remove_prefix(digits);
    return true;
}

bool take_char(std::string_view* text, std::string_view any_of) {
    if (text->empty() || any_of.find(text->front()) == std::string_view::npos) return false;
    text->remove_prefix(1);
    return true;
}

bool take_calendar(std::string_view* text, std::tm* when) {
    int year = 0;
    int month = 0;
    if (!take_number(text, 4, &year) || !take_char(text, "-") || !take_number(text, 2, &month) ||
        !take_char(text, "-") || !take_number(text, 2, &when->tm_mday) || !take_char(text, "Tt ") ||
        !take_number(text, 2, &when->tm_hour) || !take_char(text, ":") ||
        !take_number(text, 2, &when->tm_min) || !take_char(text, ":") ||
        !take_number(text, 2, &when->tm_sec)) {
        return false;
    }
    when->tm_year = year - 1900;
    when->tm_mon = month - 1;
    return month >= 1 && month <= 12 && when->tm_mday >= 1 && when->tm_mday <= 31 &&
           when->tm_hour <= 23 && when->tm_min <= 59 && when->tm_sec <= 60;
}

// ".123456789" (1 to 9 digits) as nanoseconds; nothing there: 0.
bool take_fraction(std::string_view* text, std::int64_t* ns) {
    *ns = 0;
    if (!take_char(text, ".")) return true;
    std::int64_t scale = 100'000'000;
    bool any = false;
    while (!text->empty() && text->front() >= '0' && text->front() <= '9' && scale > 0) {
        *ns += (text->front() - '0') * scale;
        scale /= 10;
        any = true;
        text->remove_prefix(1);
    }
    return any;
}

// "Z" or "+02:00"; nothing there: the local zone, told by `*local`.
bool take_zone(std::string_view* text, std::int64_t* offset_seconds, bool* local) {
    *offset_seconds = 0;
    *local = text->empty();
    if (*local || take_char(text, "Zz")) return true;
    const bool west = text->front() == '-';
    int hours = 0;
    int minutes = 0;
    if (!take_char(text, "+-") || !take_number(text, 2, &hours) || !take_char(text, ":") ||
        !take_number(text, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *offset_seconds = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

bool parse_rfc3339(std::string_view text, std::int64_t* realtime_ns) {
    std::tm when{};
    std::int64_t fraction_ns = 0;
    std::int64_t offset_seconds = 0;
    bool local = false;
    if (!take_calendar(&text, &when) || !take_fraction(&text, &fraction_ns) ||
        !take_zone(&text, &offset_seconds, &local) || !text.empty()) {
        return false;
    }
    // Nanoseconds in 64 bits end in the year 2262.
    if (when.tm_year < 0 || when.tm_year > 361) return false;
    const int day = when.tm_mday;
    const bool leap_second = when.tm_sec == 60;  // may carry into the next day
    when.tm_isdst = -1;
    const std::time_t seconds = local ? mktime(&when) : timegm(&when);
    if (when.tm_mday != day && !leap_second) return false;  // 31 February
    *realtime_ns = (seconds - offset_seconds) * 1'000'000'000 + fraction_ns;
    return true;
}

}  // namespace

Result<std::int64_t> parse_duration(std::string_view text) {
    const double ns = parse_with_unit(text, kDurationUnits);
    if (ns < 0) return bad("duration", text, "a number with ns, us, ms, s, m, h or d, like 1.5ms");
    return static_cast<std::int64_t>(std::llround(ns));
}

Result<std::int64_t> parse_time(std::string_view text, std::int64_t now_ns) {
    std::int64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    if (text.size() >= 16 && error == std::errc{} && rest == end && value > 0) return value;
    if (const auto ago = parse_duration(text)) return now_ns - *ago;
    if (text == "now") return now_ns;
    if (parse_rfc3339(text, &value)) return value;
    return bad("time", text, "how long ago (15m, 2h, 7d) or a date like 2026-11-22T10:04:43Z");
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
    const double bytes = parse_with_unit(text, kByteUnits);
    if (bytes < 0) return bad("size", text, "a number of bytes, or with K, M, G or T, like 64M");
    return static_cast<std::uint64_t>(std::llround(bytes));
}

Result<double> parse_rate(std::string_view text) {
    const double rate = parse_with_unit(text, kRateUnits);
    if (rate < 0) return bad("rate", text, "a number, or with k, M or G, like 1.5M");
    return rate;
}

}  // namespace spanring::tools
