#include "doctor_process.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string_view>

#include "spanring/shm/process_identity.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using Environment = std::map<std::string, std::string>;

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// As it was at exec: a program may have changed its environment since.
Environment environment_of(std::uint32_t pid) {
    Environment environment;
    const std::string text = read_file(fmt::format("/proc/{}/environ", pid));
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\0', at), text.size());
        const std::string entry = text.substr(at, end - at);
        const std::size_t equals = entry.find('=');
        if (equals != std::string::npos) {
            environment[entry.substr(0, equals)] = entry.substr(equals + 1);
        }
        at = end + 1;
    }
    return environment;
}

bool same_folder(const std::string& a, const std::string& b) {
    std::error_code failed;
    const bool same = std::filesystem::equivalent(a, b, failed);
    return failed ? a == b : same;
}

void check_environment(const Environment& environment, const std::string& directory,
                       Findings* findings) {
    const auto find = [&](const char* name) {
        const auto at = environment.find(name);
        return at == environment.end() ? std::string() : at->second;
    };
    const std::string wanted = find("SPANRING_DIR");
    if (!wanted.empty() && !directory.empty() && !same_folder(wanted, directory)) {
        findings->fail("its directory", "its SPANRING_DIR is " + wanted + ", not " + directory,
                       "start program and consumer with the same SPANRING_DIR");
    }
    const std::string disabled = find("SPANRING_DISABLED");
    if (!disabled.empty() && disabled != "0" && disabled != "false") {
        findings->fail("its tracer", "SPANRING_DISABLED is set for it",
                       "start it without SPANRING_DISABLED");
    }
    const std::string parent = find("TRACEPARENT");
    if (parent.size() >= 55 && ((parent[54] - '0') & 1) == 0) {
        findings->warn("its parent", "its TRACEPARENT is not sampled: it records nothing below it",
                       "start it without TRACEPARENT, or with flags 01");
    }
}

bool check_segment(std::uint32_t pid, const RingsView& rings, Findings* findings) {
    bool any = false;
    for (const ProducerView& producer : rings.producers) {
        if (producer.pid != pid) continue;
        any = true;
        const std::string facts =
            fmt::format("{}: {} threads, ring {} of {} used, {} tracepoints wait", producer.process,
                        producer.threads, format_bytes(producer.ring_used_bytes),
                        format_bytes(producer.ring_bytes), producer.pending_tracepoints);
        if (producer.alive) {
            findings->ok("its segment", facts);
        } else {
            findings->warn("its segment", facts + "; the process has ended",
                           "a consumer drains and removes it: `spanring up`");
        }
        if (producer.lost.total() != 0) {
            findings->warn("its losses", format_count(producer.lost.total()) + " lost",
                           "see the reasons above");
        }
    }
    return any;
}

/// What the process's tracer shows of itself; empty: nothing to complain about, or not to be seen.
std::string reason_of(std::uint32_t pid) {
    const std::string maps = read_file(fmt::format("/proc/{}/maps", pid));
    const std::string front = std::string("/memfd:") + shm::kReasonPrefix;
    const std::size_t at = maps.find(front);
    if (at == std::string::npos) return {};
    std::string reason = maps.substr(at + front.size());
    reason.resize(std::min(reason.find('\n'), reason.size()));
    constexpr std::string_view kDeleted = " (deleted)";  // the kernel's word for memory of no file
    if (reason.ends_with(kDeleted)) reason.resize(reason.size() - kDeleted.size());
    return reason;
}

/// A tracer without a descriptor cannot even say so.
void check_descriptors(std::uint32_t pid, Findings* findings) {
    rlimit limit{};
    if (::prlimit(static_cast<pid_t>(pid), RLIMIT_NOFILE, nullptr, &limit) != 0) return;
    const std::uint64_t most = limit.rlim_cur;
    std::uint64_t open = 0;
    std::error_code failed;
    const std::filesystem::directory_iterator all(fmt::format("/proc/{}/fd", pid), failed);
    if (failed) return;
    for (const auto& entry : all) {
        // Those above it were opened before the limit was set.
        if (std::strtoull(entry.path().filename().c_str(), nullptr, 10) < most) ++open;
    }
    if (open < most) return;
    findings->fail("its descriptors",
                   fmt::format("all {} that it may have are open: it can make no ring", most),
                   "raise its limit (`ulimit -n`), or look for what it forgets to close");
}

}  // namespace

void examine_process(std::uint32_t pid, const RingsView& rings, Findings* findings) {
    const std::string name_of = fmt::format("/proc/{}/comm", pid);
    std::string name = read_file(name_of);
    while (!name.empty() && name.back() == '\n') name.pop_back();
    const bool visible = !name.empty();
    if (visible) {
        findings->ok("process", fmt::format("{} is {}", pid, name));
        check_environment(environment_of(pid), rings.directory, findings);
    }
    const bool has_segment = check_segment(pid, rings, findings);
    if (!visible && !has_segment) {
        findings->fail("process", fmt::format("no process {} is visible here", pid),
                       "look for it with `ps`; in a container its pid is another one");
    } else if (!visible) {
        findings->ok("process",
                     fmt::format("{} is not visible here (ended, or in a container)", pid));
    }
    if (visible && !has_segment) check_descriptors(pid, findings);
    const std::string why = reason_of(pid);
    if (!why.empty()) {
        findings->fail("its tracer", "it says: " + why,
                       "remove the cause; it tries again by itself");
    } else if (visible && !has_segment) {
        findings->fail("its segment", "it has none: it has not reached a tracepoint",
                       "is it instrumented and linked with spanring, not built with SPANRING_OFF? "
                       "Has it run an instrumented line since the consumer started?");
    }
}

}  // namespace spanring::tools
