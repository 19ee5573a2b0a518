#include "parts.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

namespace spanring::tools::emit {

namespace fs = std::filesystem;

OracleParts::OracleParts(std::string oracle)
    : oracle_(std::move(oracle)), directory_(oracle_ + ".parts") {}

OracleParts::OracleParts(OracleParts&& other) noexcept
    : oracle_(std::move(other.oracle_)), directory_(std::exchange(other.directory_, {})) {}

OracleParts::~OracleParts() {
    std::error_code ignored;
    if (!directory_.empty()) fs::remove_all(directory_, ignored);
}

Result<OracleParts> OracleParts::make(const std::string& oracle) {
    // Tried now, so that a wrong path is said before the work and not after it.
    if (!std::ofstream(oracle)) return os_error(errno, oracle);
    OracleParts parts(oracle);
    std::error_code error;
    fs::remove_all(parts.directory_, error);
    if (!fs::create_directory(parts.directory_, error)) {
        return os_error(error.value(), parts.directory_);
    }
    return parts;
}

Result<std::uint64_t> OracleParts::merge() const {
    std::vector<fs::path> files;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory_, error)) {
        files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    std::ofstream out(oracle_, std::ios::binary);
    std::uint64_t lines = 0;
    for (const fs::path& file : files) {
        std::ifstream in(file, std::ios::binary);
        for (std::string line; std::getline(in, line); ++lines) out << line << '\n';
    }
    out.flush();
    if (error || !out) return os_error(errno, oracle_);
    return lines;
}

}  // namespace spanring::tools::emit
