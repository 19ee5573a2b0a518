#include "usage.hpp"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace spanring::tools::bench {
namespace {

std::string content(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// The number behind `label` ("VmHWM:") in `text`; 0 if it is not there.
std::uint64_t number_behind(const std::string& text, const std::string& label) {
    const std::size_t at = text.find(label);
    return at == std::string::npos ? 0
                                   : std::strtoull(text.c_str() + at + label.size(), nullptr, 10);
}

std::uint64_t tick_ns() {
    return 1'000'000'000u / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
}

// /proc/PID/stat has it in steps of 10 ms: no measure of an idle process.
std::uint64_t cpu_ns_of(pid_t pid) {
    clockid_t clock;
    timespec used;
    if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return 0;
    return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(used.tv_nsec);
}

}  // namespace

Result<Usage> usage_of(pid_t pid) {
    const std::string folder = fmt::format("/proc/{}", pid);
    const std::uint64_t cpu_ns = cpu_ns_of(pid);
    const std::string status = content(folder + "/status");
    // A zombie has no memory any more.
    if (status.find("VmHWM:") == std::string::npos) {
        return Error{ErrorCode::kNotFound, fmt::format("process {} is gone", pid)};
    }
    return Usage{cpu_ns, number_behind(status, "VmHWM:") * 1024,
                 number_behind(content(folder + "/io"), "\nwrite_bytes:")};
}

std::uint64_t busy_ns_of(int core) {
    // "cpu0 user nice system idle iowait irq softirq steal ...": all but the fourth and fifth. A
    // guest's time stands in user as well.
    const std::string text = content("/proc/stat");
    const std::string label = fmt::format("\ncpu{} ", core);
    const std::size_t at = text.find(label);
    if (at == std::string::npos) return 0;
    std::istringstream fields(text.substr(at + label.size()));
    std::uint64_t busy = 0;
    for (int field = 0; field < 8; ++field) {
        std::uint64_t ticks = 0;
        fields >> ticks;
        if (field != 3 && field != 4) busy += ticks;
    }
    return busy * tick_ns();
}

}  // namespace spanring::tools::bench
