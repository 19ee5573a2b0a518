// A ring directory, a database, a real spanringd and real producers, all of one test and gone with
// it. Threads: the test's.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "spanring/base/unique_fd.hpp"
#include "spanring/codec/span.hpp"

namespace spanring::consumer::testing {

class World {
public:
    /// Its database and log lie in a folder of `where`.
    explicit World(const std::string& where = "/tmp");
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    /// Starts spanringd and waits until it drains. Returns its pid, or -1.
    pid_t up(const std::vector<std::string>& more = {});
    /// Starts spanringd in a child that first calls `prepare`. It writes a byte to *ready (which is
    /// the caller's then) when it drains. Returns its pid.
    pid_t launch(const std::vector<std::string>& more, const std::function<void()>& prepare,
                 UniqueFd* ready);
    /// SIGTERM; returns its exit code.
    int down();
    /// SIGKILL.
    void kill_consumer();
    /// Starts spanringd and waits for its end. Returns its exit code; *said = its standard error.
    int run_to_end(const std::vector<std::string>& arguments, std::string* said);

    /// Runs `body` in a child process that produces into the ring; it ends with _exit(0).
    pid_t producer(const std::function<void()>& body);
    /// Waits for a child; its exit code, or minus the signal.
    static int wait_for(pid_t pid);

    /// Every span in the database, in commit order, then those that are open.
    [[nodiscard]] std::vector<codec::Span> spans() const;
    /// Asks again and again until `enough` says so or ten seconds are over.
    std::vector<codec::Span> spans_when(
        const std::function<bool(const std::vector<codec::Span>&)>& enough) const;
    /// Names of files in the ring directory that end so.
    [[nodiscard]] std::vector<std::string> files(const std::string& suffix) const;

    /// What the consumers of this world have logged so far.
    [[nodiscard]] std::string log_text() const;

    std::string directory;
    std::string database;
    std::string log;
    pid_t consumer{-1};

private:
    pid_t spawn(const std::vector<std::string>& arguments, int error_fd, int ready_fd,
                const std::function<void()>& prepare);
    std::string root_;
};

/// The integer attribute `key` of a span, or -1.
[[nodiscard]] std::int64_t number_of(const codec::Span& span, const std::string& key);

}  // namespace spanring::consumer::testing
