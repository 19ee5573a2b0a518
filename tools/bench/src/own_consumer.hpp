// A spanringd of the benchmark's own, in its default configuration, with rings and a database that
// go with it, however this program ends (guardian.hpp). Threads: the main thread only.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "guardian.hpp"
#include "spanring/base/result.hpp"
#include "usage.hpp"

namespace spanring::tools::bench {

/// A fresh folder, "spanring-bench-PID-...", removed with all that is in it.
class OwnFolder {
public:
    /// Errors: of mkdtemp.
    [[nodiscard]] static Result<OwnFolder> make(const std::string& parent);
    OwnFolder(OwnFolder&& other) noexcept;
    OwnFolder& operator=(OwnFolder&&) = delete;
    ~OwnFolder();
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    explicit OwnFolder(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

class OwnConsumer {
public:
    /// Makes the folders; nothing runs yet. Errors: of the folders.
    [[nodiscard]] static Result<OwnConsumer> make(const std::string& database_parent);
    /// Makes the folders and runs.
    [[nodiscard]] static Result<OwnConsumer> start(const std::string& database_parent,
                                                   std::optional<int> core);
    OwnConsumer(OwnConsumer&& other) noexcept;
    OwnConsumer& operator=(OwnConsumer&&) = delete;
    /// Stops it and removes both folders.
    ~OwnConsumer();

    /// Starts spanringd; again, after `kill`, on what is there. Returns once it drains. `core`: the
    /// only one it runs on. Errors: what spanringd said.
    [[nodiscard]] Result<void> run(std::optional<int> core);
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] std::string rings() const { return rings_.path(); }
    [[nodiscard]] std::string database() const { return home_.path() + "/db"; }
    /// Errors: it is gone.
    [[nodiscard]] Result<Usage> usage() const;
    /// Waits for its orderly end. Errors: it still works.
    [[nodiscard]] Result<void> stop();
    /// SIGKILL, and nothing else.
    void kill() noexcept;
    /// SIGSTOP, and waits until it stands still: until then it may still free pages. `resume` ends
    /// it. Errors: of the signal.
    [[nodiscard]] Result<void> hold() const;
    void resume() const noexcept;

private:
    OwnConsumer(OwnFolder rings, OwnFolder home)
        : rings_(std::move(rings)), home_(std::move(home)) {}
    std::optional<Guardian> guardian_;  ///< goes last
    OwnFolder rings_;
    OwnFolder home_;  ///< of the database, and of the log beside it
    pid_t pid_{0};
};

/// Removes the variables that would make spanringd or the tracer run with other than their
/// defaults.
void forget_settings();

}  // namespace spanring::tools::bench
