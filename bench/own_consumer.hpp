// A consumer of the benchmark's own: fresh ring and database folders, a spanringd beside this
// program. Start it before the first tracepoint, on the main thread. However this program ends,
// also by Ctrl-C or SIGKILL, a small guardian process stops the consumer and removes the folders.
#pragma once

#include <sys/types.h>

#include <string>

namespace spanring::bench {

class OwnConsumer {
public:
    /// Starts spanringd and waits until it drains; exits the program with a message if it cannot.
    OwnConsumer();
    OwnConsumer(const OwnConsumer&) = delete;
    OwnConsumer& operator=(const OwnConsumer&) = delete;
    /// Stops it and removes both folders.
    ~OwnConsumer();

    /// SIGSTOP: the rings fill up. `resume` ends it.
    void stop() const;
    void resume() const;

private:
    std::string rings_;
    std::string database_;
    pid_t pid_{-1};
    pid_t guardian_{-1};
    int lifeline_{-1};  ///< the guardian acts when this end of a pipe is closed
};

/// Prints "PROGRAM: what" and exits with status 2.
[[noreturn]] void give_up(const std::string& what);

}  // namespace spanring::bench
