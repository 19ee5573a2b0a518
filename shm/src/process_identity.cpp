#include "spanring/shm/process_identity.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "spanring/base/os.hpp"
#include "spanring/base/unique_fd.hpp"

namespace spanring::shm {
namespace {

/// Reads a small file of /proc as a zero-terminated string. Returns its length, 0 and errno on
/// failure.
std::size_t read_text(const char* path, char* out, std::size_t bytes_max) noexcept {
    const UniqueFd fd(os::open_at(AT_FDCWD, path, O_RDONLY));
    if (!fd.valid()) return 0;
    const ssize_t got = os::read(fd.get(), out, bytes_max - 1);
    if (got == 0) errno = ESRCH;
    if (got <= 0) return 0;
    out[got] = '\0';
    return static_cast<std::size_t>(got);
}

int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

}  // namespace

bool read_process_stat(pid_t pid, ProcessStat* out) noexcept {
    char path[32];
    if (pid == 0) {
        std::snprintf(path, sizeof path, "/proc/self/stat");
    } else {
        std::snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(pid));
    }
    char text[1024];
    if (read_text(path, text, sizeof text) == 0) return false;
    // The command name (field 2) may hold anything, also ") R 1": the last ')' ends it.
    errno = EPROTO;
    const char* at = std::strrchr(text, ')');
    if (at == nullptr || at[1] != ' ' || at[2] == '\0') return false;
    at += 2;
    out->state = *at;
    constexpr int kFieldState = 3;
    constexpr int kFieldStartTime = 22;
    for (int field = kFieldState; field < kFieldStartTime; ++field) {
        at = std::strchr(at, ' ');
        if (at == nullptr) return false;
        ++at;
    }
    out->start_ticks = std::strtoull(at, nullptr, 10);
    return true;
}

bool read_boot_id(Key128* out) noexcept {
    *out = {};
    char text[64];
    if (read_text("/proc/sys/kernel/random/boot_id", text, sizeof text) == 0) return false;
    std::size_t digits = 0;
    Key128 id{};
    for (const char* at = text; *at != '\0' && digits < 32; ++at) {
        const int value = hex_digit(*at);
        if (value < 0) continue;
        id[digits / 2] = static_cast<std::uint8_t>(id[digits / 2] * 16 + value);
        ++digits;
    }
    if (digits != 32) return false;
    *out = id;
    return true;
}

}  // namespace spanring::shm
