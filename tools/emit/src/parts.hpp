// The oracle's parts: every thread and every forked child writes a file of its own; at the end
// they become one.
//
// Threads: the main thread of the command.
#pragma once

#include <cstdint>
#include <string>

#include "spanring/base/result.hpp"

namespace spanring::tools::emit {

/// A fresh directory beside the oracle, "ORACLE.parts"; removed by the destructor.
class OracleParts {
public:
    /// Errors: kIo, kPermission, kNoSpace, ...: it cannot be made.
    [[nodiscard]] static Result<OracleParts> make(const std::string& oracle);
    OracleParts(OracleParts&& other) noexcept;
    OracleParts& operator=(OracleParts&&) = delete;
    ~OracleParts();

    [[nodiscard]] const std::string& directory() const noexcept { return directory_; }
    /// Writes all parts into the oracle, one after the other. Returns the number of lines.
    [[nodiscard]] Result<std::uint64_t> merge() const;

private:
    explicit OracleParts(std::string oracle);
    std::string oracle_;
    std::string directory_;
};

}  // namespace spanring::tools::emit
