// The mix as what its processes do: the text of kTraces (hipster_mix.hpp), read into calls. What
// one process does for a trace is one call, a nest of spans below a span of the calling process.
//
// Threads: pure functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "hipster_mix.hpp"

namespace spanring::bench {

/// A step of MixCall that ends the innermost span.
inline constexpr std::int32_t kMixEnd = -1;

struct MixCall {
    std::int32_t caller{-1};          ///< number of the call that made it; -1: the trace's root
    std::int32_t caller_span{0};      ///< which of the caller's spans
    std::vector<std::int32_t> steps;  ///< operation to begin, or kMixEnd
};
/// A caller stands before what it calls.
using MixTrace = std::vector<MixCall>;

/// Returns the calls of one element of kTraces: a child in another process is a call of its own.
inline MixTrace read_mix_trace(std::string_view text) {
    struct Open {
        std::size_t call;
        std::int32_t span;
    };
    MixTrace calls;
    std::vector<Open> stack;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (c == ' ' || c == ')') {
            ++at;
            if (c == ')') {
                calls[stack.back().call].steps.push_back(kMixEnd);
                stack.pop_back();
            }
            continue;
        }
        const bool crosses = c == '>';
        char* end = nullptr;
        const long operation = std::strtol(text.data() + at + (crosses ? 1 : 0), &end, 16);
        at = static_cast<std::size_t>(end - text.data());
        if (stack.empty()) {
            calls.emplace_back();
        } else if (crosses) {
            calls.push_back({static_cast<std::int32_t>(stack.back().call), stack.back().span, {}});
        }
        const std::size_t number = crosses || stack.empty() ? calls.size() - 1 : stack.back().call;
        auto& steps = calls[number].steps;
        const auto begun = static_cast<std::int32_t>(
            std::count_if(steps.begin(), steps.end(), [](std::int32_t s) { return s != kMixEnd; }));
        steps.push_back(static_cast<std::int32_t>(operation));
        stack.push_back({number, begun});
    }
    return calls;
}

inline std::vector<MixTrace> read_mix() {
    std::vector<MixTrace> traces;
    for (const char* text : kTraces) traces.push_back(read_mix_trace(text));
    return traces;
}

}  // namespace spanring::bench
