// A file system of a few MiB for the database, in a mount namespace of this process's own, that can
// be full for a while. Threads: the test's.
#pragma once

#include <string>

namespace spanring::soak {

class SmallDisk {
public:
    SmallDisk();
    ~SmallDisk();
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    /// Whether namespaces and mounts are allowed here; without, it is a folder as any other.
    [[nodiscard]] bool can_be_full() const noexcept { return mounted_; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] std::string database() const { return path_ + "/db"; }

    /// Takes what room there is, also what was given back since the last call. The database's
    /// windows get second names: that the consumer retires them makes no room.
    void fill();
    /// Gives the room back.
    void empty();
    /// A database of the windows that were held when it was full; empty: it was not.
    [[nodiscard]] std::string held() const;
    void forget_held();

private:
    void hold_windows() const;

    std::string path_;
    bool mounted_{false};
};

}  // namespace spanring::soak
