// Many traces laid over each other: which calls below which take the time. As folded stacks (the
// format of Brendan Gregg's FlameGraph: "a;b;c 42"), and drawn. Threads: one owner.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "spanring/codec/span.hpp"

namespace spanring::analysis {

class Flame {
public:
    /// Adds a trace: each span's own time to the stack of operations above it.
    void add(const std::vector<codec::Span>& spans);
    [[nodiscard]] std::uint64_t traces() const noexcept { return traces_; }
    [[nodiscard]] bool empty() const noexcept { return stacks_.empty(); }
    /// A line for each stack, in order: "service:operation;service:operation microseconds".
    [[nodiscard]] std::string folded() const;
    /// A picture, `width` pixels wide, that a browser shows: the root below, what it calls above
    /// it, as wide as the time it took; names and figures show when the mouse is over them.
    [[nodiscard]] std::string svg(const std::string& title, unsigned width = 1200) const;

private:
    using Stack = std::vector<std::string>;
    std::map<Stack, std::uint64_t> stacks_;  ///< ns
    std::uint64_t traces_{0};
};

}  // namespace spanring::analysis
