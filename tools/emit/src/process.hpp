// One emitting process: configures the tracer, runs its programs on threads, waits until all can
// be queried, and writes down what the library says that it lost.
//
// Runs in a freshly forked child, before any tracepoint.
#pragma once

#include <string>

#include "dice.hpp"
#include "options.hpp"

namespace spanring::tools::emit {

inline constexpr int kProcessOk = 0;
inline constexpr int kProcessFailed = 2;        ///< said why on stderr
inline constexpr int kProcessNotQueryable = 3;  ///< flush ran out of time

/// `parts`: the directory in which the threads' parts of the oracle go. Returns the exit code.
/// With die_inside it does not return: the process kills itself.
int emit_process(const EmitOptions& options, unsigned index, Dice dice, const std::string& parts);

}  // namespace spanring::tools::emit
