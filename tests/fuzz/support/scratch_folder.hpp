// A folder in memory for the life of a fuzzer. The path is what shared memory is named by, the same
// on every Linux: an input makes thousands of files a second, which no disk should see.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "require.hpp"

namespace spanring::fuzz {

class ScratchFolder {
public:
    ScratchFolder() { require(::mkdtemp(path_.data()) != nullptr, "a scratch folder is made"); }
    ~ScratchFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_{"/dev/shm/spanring-fuzz-XXXXXX"};
};

}  // namespace spanring::fuzz
