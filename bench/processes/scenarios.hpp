// What bench_processes measures: figures of whole processes. Each prints one JSON object; what
// cannot be measured ends the program with a line and exit status 2. Threads: the main thread.
#pragma once

#include <cstdint>

namespace spanring::bench {

/// The consumer's processor time while nothing happens, one silent producer attached.
void idle(double seconds);

struct ThreadsOptions {
    unsigned threads{1};
    double every_ms{10};   ///< from one burst of a thread to its next
    unsigned spans{1};     ///< of a burst
    double seconds{3};     ///< once all threads run
    double per_second{0};  ///< threads started in a second; 0: as fast as that goes
};
/// Bytes of this process's segment while all its threads live and have traced something.
void threads(const ThreadsOptions& options);

/// From the start of spanringd to the first span that a query can see, of a producer that was
/// there before.
void start(unsigned rounds);

/// From the start of spanringd after a SIGKILL to the first span that was emitted behind the kill
/// and that a query can see, with traffic all the while.
void restart(unsigned rounds, double spans_per_s);

/// Two threads of a producer, each with `spans` at the end of every idle period, for a count of its
/// wake-up calls from outside. The consumer is SPANRING_DIR's.
void bursts_after_silence(unsigned periods, unsigned silence_ms, unsigned spans);

}  // namespace spanring::bench
