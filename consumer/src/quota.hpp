// Quota: how many rings, and how much memory in them, one user may have served, and how many rings
// one process. It decides about rings that are not served yet; those that are stay.
//
// Threads: the drain thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "spanring/base/result.hpp"
#include "spanring/consumer/config.hpp"
#include "spanring/shm/mapping/segment_reader.hpp"

namespace spanring::consumer {

class Quota {
public:
    explicit Quota(const QuotaLimits& limits) : limits_(limits) {}

    /// Returns why the user may not have one more ring, of `bytes`, served; empty: he may.
    [[nodiscard]] std::string user_refuses(std::uint32_t uid, std::uint64_t bytes) const;
    /// Returns why the process may not have one more; empty: it may.
    [[nodiscard]] std::string process_refuses(const shm::SegmentIdentity& who) const;

    void took(const shm::SegmentIdentity& who);
    void gave_back(const shm::SegmentIdentity& who);
    /// Memory of the user's rings that are served, as of the last look.
    void set_bytes(std::map<std::uint32_t, std::uint64_t> by_uid) { bytes_ = std::move(by_uid); }
    void add_bytes(std::uint32_t uid, std::uint64_t bytes) { bytes_[uid] += bytes; }
    [[nodiscard]] bool bounds_bytes() const noexcept { return limits_.user_bytes_max != 0; }

private:
    /// User, pid and start time: what a process cannot share with another one (of its namespace).
    using Process = std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>;
    static Process process_of(const shm::SegmentIdentity& who) {
        return {who.uid, who.pid, who.pid_start_ticks};
    }

    QuotaLimits limits_;
    std::map<std::uint32_t, std::size_t> users_;
    std::map<Process, std::size_t> processes_;
    std::map<std::uint32_t, std::uint64_t> bytes_;
};

}  // namespace spanring::consumer
