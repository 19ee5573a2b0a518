// The consumer's log: what an operator needs, never a line per span. Goes to a rotating file and,
// in the foreground, to standard error. Repeated trouble is said once in an interval, with how
// often it happened. Threads: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "spanring/base/clock.hpp"
#include "spanring/base/result.hpp"
#include "spanring/consumer/config.hpp"

namespace spanring::consumer {

class Log {
public:
    enum class Level : std::uint8_t { kDebug, kInfo, kWarn, kError };

    /// Errors: the file cannot be opened (with its path).
    [[nodiscard]] static Result<std::unique_ptr<Log>> open(const Config& config, bool to_stderr);
    ~Log();

    void write(Level level, const std::string& line);
    void debug(const std::string& line) { write(Level::kDebug, line); }
    void info(const std::string& line) { write(Level::kInfo, line); }
    void warn(const std::string& line) { write(Level::kWarn, line); }
    void error(const std::string& line) { write(Level::kError, line); }
    /// As warn, but at most once in 10 s for each `topic`.
    void warn_sometimes(const std::string& topic, const std::string& line);
    void flush();

private:
    struct Impl;
    struct Repeated {
        SteadyClock::time_point last;
        std::uint64_t suppressed{0};
    };
    explicit Log(std::unique_ptr<Impl> impl);

    static constexpr std::chrono::seconds kRepeatInterval{10};
    static constexpr std::size_t kTopicsMax = 4096;

    std::unique_ptr<Impl> impl_;
    std::mutex mutex_;
    std::map<std::string, Repeated> repeated_;
};

}  // namespace spanring::consumer
