// `doctor PID`: what can be seen of one process from outside.
#pragma once

#include <cstdint>

#include "findings.hpp"
#include "rings.hpp"

namespace spanring::tools {

/// Adds what is known of the process: does it exist, does its environment point to these rings,
/// has it a segment, and if its tracer could not start, what does it say, has it descriptors left.
void examine_process(std::uint32_t pid, const RingsView& rings, Findings* findings);

}  // namespace spanring::tools
