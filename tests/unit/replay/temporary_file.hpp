// A file that is there for one test.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace spanring::tools::replay {

class TemporaryFile {
public:
    explicit TemporaryFile(const std::string& content) {
        const int fd = ::mkstemp(path_);
        if (fd >= 0) ::close(fd);
        std::ofstream(path_, std::ios::binary) << content;
    }
    ~TemporaryFile() { ::unlink(path_); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    [[nodiscard]] std::string path() const { return path_; }

private:
    char path_[64] = "/tmp/spanring-replay-XXXXXX";
};

}  // namespace spanring::tools::replay
