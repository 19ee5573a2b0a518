// A call site: the static descriptor behind a macro, with its cached name number and enable byte.
//
// Constant-initialised; joins the list of its shared object at its first tracepoint and leaves with
// it. Threads: any; the fields that change are plain words accessed with __atomic built-ins.
#pragma once

#include "spanring/detail/names.hpp"
#include "spanring/detail/writer.hpp"

namespace spanring::detail {

struct CallSite {
    StaticName name;
    const char* file;
    std::uint32_t line;
    std::uint8_t enabled;
    std::uint8_t listed;
    std::uint8_t reserved[2];
    CallSite* next;
};

/// The call sites of one shared object that have been reached; known to the library until the
/// object is unloaded.
class CallSiteList {
public:
    constexpr CallSiteList() noexcept = default;
    CallSiteList(const CallSiteList&) = delete;
    CallSiteList& operator=(const CallSiteList&) = delete;
    ~CallSiteList();

    CallSite* first{nullptr};
    CallSiteList* next{nullptr};
    bool known{false};
};

SPANRING_HIDDEN inline constinit CallSiteList g_call_sites;

SPANRING_INLINE bool site_enabled(const CallSite& site) noexcept {
    // relaxed: a switch that takes effect soon.
    return __atomic_load_n(&site.enabled, __ATOMIC_RELAXED) != 0;
}

SPANRING_INLINE bool site_listed(const CallSite& site) noexcept {
    // relaxed: the first tracepoint of a site finds 0 and registers it under a lock.
    return __atomic_load_n(&site.listed, __ATOMIC_RELAXED) != 0;
}

/// Puts a site into the list and applies the switches set before. Returns whether it is enabled.
SPANRING_HIDDEN bool register_site(CallSiteList& list, CallSite& site) noexcept;

}  // namespace spanring::detail
