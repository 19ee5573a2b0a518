// A consumer of the benchmark's own: fresh ring and database folders, a spanringd beside this
// program. Start it before the first tracepoint, on the main thread. It never outlives the object.
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

private:
    std::string rings_;
    std::string database_;
    pid_t pid_{-1};
};

}  // namespace spanring::bench
