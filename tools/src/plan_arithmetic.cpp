#include "plan_arithmetic.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace spanring::tools {
namespace {

constexpr double kHeadroom = 2;               // bursts, and pages that are only partly filled
constexpr std::uint64_t kRingMin = 1u << 20;  // what a process starts with anyway
constexpr std::uint64_t kRingLimit = std::uint64_t{1} << 40;
constexpr double kDaySeconds = 86400;

double sane(double value) noexcept {
    return std::isfinite(value) ? std::clamp(value, 0.0, 1e18) : 0.0;
}

}  // namespace

Plan make_plan(const PlanInput& input) noexcept {
    const double rate = sane(input.rate);
    const double record = sane(input.record_bytes);
    Plan plan;
    plan.in_flight = rate * sane(input.delay_seconds);
    const double pages = static_cast<double>(input.threads) * static_cast<double>(input.page_bytes);
    const double needed = (plan.in_flight * record + pages) * kHeadroom;
    const auto bytes = static_cast<std::uint64_t>(std::clamp(
        std::ceil(needed), static_cast<double>(kRingMin), static_cast<double>(kRingLimit)));
    plan.ring_bytes = std::bit_ceil(bytes);
    plan.directory_bytes =
        plan.ring_bytes * std::clamp<std::uint64_t>(input.processes, 1, 1u << 20);
    const double usable = std::max(0.0, static_cast<double>(plan.ring_bytes) - pages);
    const double written = rate * record;
    plan.bridged_seconds = written > 0 ? usable / written : 0;
    const double stored = rate * static_cast<double>(std::max<std::uint64_t>(input.processes, 1)) *
                          sane(input.stored_bytes);
    plan.disk_bytes = sane(stored * sane(input.retention_seconds));
    plan.disk_bytes_per_day = sane(stored * kDaySeconds);
    return plan;
}

}  // namespace spanring::tools
