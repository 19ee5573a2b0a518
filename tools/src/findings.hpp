// What `doctor` found out: one line each.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace spanring::tools {

struct Finding {
    enum class Level : std::uint8_t { kOk, kWarn, kFail };
    Level level{Level::kOk};
    std::string check;   ///< what was looked at
    std::string found;   ///< what is so
    std::string advice;  ///< what to do; empty when ok
    [[nodiscard]] const char* level_name() const noexcept {
        return level == Level::kOk ? "ok" : level == Level::kWarn ? "warn" : "fail";
    }
};

class Findings {
public:
    void ok(std::string check, std::string found) {
        all_.push_back({Finding::Level::kOk, std::move(check), std::move(found), ""});
    }
    void warn(std::string check, std::string found, std::string advice) {
        all_.push_back(
            {Finding::Level::kWarn, std::move(check), std::move(found), std::move(advice)});
    }
    void fail(std::string check, std::string found, std::string advice) {
        all_.push_back(
            {Finding::Level::kFail, std::move(check), std::move(found), std::move(advice)});
    }
    [[nodiscard]] const std::vector<Finding>& all() const noexcept { return all_; }
    [[nodiscard]] std::size_t failures() const noexcept {
        std::size_t count = 0;
        for (const Finding& finding : all_) count += finding.level == Finding::Level::kFail ? 1 : 0;
        return count;
    }

private:
    std::vector<Finding> all_;
};

}  // namespace spanring::tools
