#include "usage.hpp"

#include <fmt/format.h>
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

// Fields 14 and 15 of proc(5)'s stat. The second may hold blanks, so they count from its ')'.
std::uint64_t cpu_ns_of(const std::string& stat) {
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) return 0;
    std::istringstream fields(stat.substr(name_end + 1));
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    std::uint64_t user = 0;
    std::uint64_t system = 0;
    fields >> user >> system;
    return (user + system) * tick_ns();
}

}  // namespace

Result<Usage> usage_of(pid_t pid) {
    const std::string folder = fmt::format("/proc/{}", pid);
    const std::string stat = content(folder + "/stat");
    const std::string status = content(folder + "/status");
    // A zombie has no memory any more.
    if (stat.empty() || status.find("VmHWM:") == std::string::npos) {
        return Error{ErrorCode::kNotFound, fmt::format("process {} is gone", pid)};
    }
    return Usage{cpu_ns_of(stat), number_behind(status, "VmHWM:") * 1024,
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
