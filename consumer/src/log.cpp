#include "log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <vector>

namespace spanring::consumer {

struct Log::Impl {
    std::unique_ptr<spdlog::logger> logger;
};

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::open(const Config& config, bool to_stderr) {
    std::vector<spdlog::sink_ptr> sinks;
    try {
        if (!config.log_file.empty()) {
            sinks.push_back(std::make_shared<spdlog::sinks::rotating_file_sink_mt>(
                config.log_file, config.log_bytes_max, config.log_files));
        }
        if (to_stderr) sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    } catch (const spdlog::spdlog_ex& e) {
        return Error{ErrorCode::kPermission, "log file " + config.log_file + ": " + e.what()};
    }
    auto impl = std::make_unique<Impl>();
    impl->logger = std::make_unique<spdlog::logger>("spanringd", sinks.begin(), sinks.end());
    impl->logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    impl->logger->set_level(spdlog::level::from_str(config.log_level));
    impl->logger->flush_on(spdlog::level::info);
    // A log that cannot be written (disk full) must not become words on somebody's terminal.
    impl->logger->set_error_handler([](const std::string&) {});
    return std::unique_ptr<Log>(new Log(std::move(impl)));
}

void Log::write(Level level, const std::string& line) {
    switch (level) {
        case Level::kDebug: impl_->logger->debug(line); break;
        case Level::kInfo: impl_->logger->info(line); break;
        case Level::kWarn: impl_->logger->warn(line); break;
        case Level::kError: impl_->logger->error(line); break;
    }
}

void Log::warn_sometimes(const std::string& topic, const std::string& line) {
    const auto now = SteadyClock::now();
    std::uint64_t suppressed = 0;
    {
        const std::lock_guard lock(mutex_);
        if (repeated_.size() > kTopicsMax) repeated_.clear();
        const auto [at, is_new] = repeated_.try_emplace(topic, Repeated{now, 0});
        if (!is_new && now - at->second.last < kRepeatInterval) {
            ++at->second.suppressed;
            return;
        }
        suppressed = std::exchange(at->second.suppressed, 0);
        at->second.last = now;
    }
    warn(suppressed == 0 ? line : line + " (and " + std::to_string(suppressed) + " times before)");
}

void Log::flush() {
    impl_->logger->flush();
}

}  // namespace spanring::consumer
