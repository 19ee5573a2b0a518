// Which SPANRING_SPAN and SPANRING_EVENT call sites there are, and a switch for each.
//
// A call site is known from its first execution on. Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace spanring {

struct CallSiteInfo {
    std::string name;
    std::string file;
    std::uint32_t line{0};
    bool enabled{true};
};

/// Returns copies of what is known of all call sites of this process that use this copy of the
/// library.
[[nodiscard]] std::vector<CallSiteInfo> call_sites();

/// Switches the call sites whose name matches `pattern` (`*` stands for any text), those that will
/// be reached later included. The last matching switch counts; at most 64 are remembered.
/// Returns how many known call sites match.
unsigned switch_call_sites(std::string_view pattern, bool enabled);

}  // namespace spanring
