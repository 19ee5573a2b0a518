// A consumer beside a benchmark that is a producer itself: as `spanring bench` starts one, but what
// goes wrong ends the program. Threads: the main thread, before the first tracepoint.
#pragma once

#include <errno.h>
#include <stdlib.h>

#include <cstdio>
#include <string>
#include <type_traits>
#include <utility>

#include "own_consumer.hpp"

namespace spanring::bench {

using tools::bench::OwnConsumer;

/// Prints "PROGRAM: what" and exits with status 2.
[[noreturn]] inline void give_up(const std::string& what) {
    std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, what.c_str());
    std::exit(2);
}

/// Returns what a Result holds; exits the program with the message of its error.
template <typename Value>
Value must(Result<Value> result) {
    if (!result) give_up(result.error().message);
    if constexpr (!std::is_void_v<Value>) return std::move(*result);
}

/// Returns a consumer that drains, with this process for its producer.
inline OwnConsumer consumer_beside() {
    tools::bench::forget_settings();
    OwnConsumer consumer = must(OwnConsumer::start("/var/tmp", std::nullopt));
    setenv("SPANRING_DIR", consumer.rings().c_str(), 1);
    return consumer;
}

}  // namespace spanring::bench
