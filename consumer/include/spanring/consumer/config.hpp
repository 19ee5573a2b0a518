// Configuration of spanringd: defaults, the TOML file, and how the two and the command line meet.
// Every key is documented in consumer/spanringd.toml and docs/guides/operate.md. Threads: pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "spanring/base/result.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/store/database.hpp"

namespace spanring::consumer {

/// What one user or process may have served; what is over it waits, and is shown.
struct QuotaLimits {
    /// Half of all that a consumer serves (kSegmentsMax): nobody can take all the places.
    std::uint64_t user_segments_max{8192};
    /// 1,000 processes (HAZARDS row 23) with full rings of the default size. 0: no bound.
    std::uint64_t user_bytes_max{std::uint64_t{16} << 30};
    /// Eight that it may hold after replacements, and as many that are being reaped.
    std::uint64_t process_segments_max{16};
};

struct Config {
    std::string directory;  ///< of the rings; empty: default_ring_directory()
    std::string database;   ///< empty: default_database_path()

    /// [drain]
    std::chrono::microseconds max_delay{1000};
    unsigned workers{1};

    /// [rings]: what producers are told
    shm::ControlSettings rings{
        .directory_bytes_max = shm::kDirectoryBytesMaxDefault,
        .policy_allowed_mask = 1u << SPANRING_POLICY_DROP | 1u << SPANRING_POLICY_BLOCK,
        .block_ns_max = 10'000'000'000};

    /// [store]
    store::WriterOptions store;

    /// [log]
    std::string log_file;  ///< empty: standard error only
    std::string log_level{"info"};
    std::uint64_t log_bytes_max{10u << 20};
    unsigned log_files{5};

    /// [limits]
    QuotaLimits quota;

    /// [security]
    std::string user;   ///< a name or number to become, if started as root; empty: nobody else
    std::string group;  ///< as well; empty: the user's own
    bool seccomp{true};
};

/// Reads the file over the defaults.
/// Errors: kNotFound, kPermission; kInvalidArgument: "FILE:LINE: ..." for a syntax error, an
/// unknown key, a value of the wrong type or out of its range.
[[nodiscard]] Result<Config> read_config(const std::string& path);
/// The same for text; `name` stands for the file in messages.
[[nodiscard]] Result<Config> parse_config(const std::string& text, const std::string& name);

/// Reads "64MiB", "1GiB", "8192": binary units, no fractions. Nothing if it is none.
[[nodiscard]] std::optional<std::uint64_t> parse_bytes(const std::string& text);
/// Reads "500us", "1ms", "2s", "5m", "1h", "7d". Nothing if it is none.
[[nodiscard]] std::optional<std::chrono::nanoseconds> parse_duration(const std::string& text);

}  // namespace spanring::consumer
