// The call sites of all shared objects that use this copy of the library, and the switches.
#include "spanring/call_sites.hpp"

#include "process.hpp"
#include "spanring/detail/call_site.hpp"

namespace spanring {
namespace detail {
namespace {

constexpr std::size_t kSwitchesMax = 64;

struct Switch {
    std::string pattern;
    bool enabled;
};

CallSiteList* g_lists = nullptr;

/// Guards the lists of all copies of the library. In a forked child it is open, whoever held it;
/// the lists are linked so that the child finds them whole.
OwnerLock* sites_lock() noexcept {
    Process* p = process();
    return p != nullptr ? &p->wiped->sites_lock : nullptr;
}

// Made by the first switch; never freed: tracepoints may come after static destructors.
std::vector<Switch>* g_switches = nullptr;

bool matches(std::string_view pattern, std::string_view text) noexcept {
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;
    std::size_t resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

std::string_view name_of(const CallSite& site) noexcept {
    return {site.name.text, site.name.bytes};
}

void set_enabled(CallSite& site, bool enabled) noexcept {
    // relaxed: a switch that takes effect soon.
    __atomic_store_n(&site.enabled, static_cast<std::uint8_t>(enabled ? 1 : 0), __ATOMIC_RELAXED);
}

template <typename Function>
void for_each_site(Function&& function) {
    for (CallSiteList* list = g_lists; list != nullptr; list = list->next) {
        for (CallSite* site = list->first; site != nullptr; site = site->next) function(*site);
    }
}

}  // namespace

bool register_site(CallSiteList& list, CallSite& site) noexcept {
    // A signal handler over a holder must not wait for itself; it registers another time.
    OwnerLock* lock = sites_lock();
    if (lock == nullptr || !lock->lock()) return site_enabled(site);
    // relaxed, all: written under the lock; a reader that sees 0 comes here.
    if (__atomic_load_n(&site.listed, __ATOMIC_RELAXED) == 0) {
        if (!list.known) {
            list.next = g_lists;
            list.known = true;
            g_lists = &list;
        }
        site.next = list.first;
        list.first = &site;
        for (std::size_t i = 0; g_switches != nullptr && i < g_switches->size(); ++i) {
            const Switch& rule = (*g_switches)[i];
            if (matches(rule.pattern, name_of(site))) set_enabled(site, rule.enabled);
        }
        __atomic_store_n(&site.listed, std::uint8_t{1}, __ATOMIC_RELAXED);
    }
    lock->unlock();
    return site_enabled(site);
}

// The shared object is being unloaded.
CallSiteList::~CallSiteList() {
    if (!known) return;
    const OwnerGuard guard(*sites_lock());
    for (CallSiteList** at = &g_lists; *at != nullptr; at = &(*at)->next) {
        if (*at != this) continue;
        *at = next;
        break;
    }
    known = false;
    first = nullptr;
}

}  // namespace detail

std::vector<CallSiteInfo> call_sites() {
    std::vector<CallSiteInfo> all;
    detail::OwnerLock* lock = detail::sites_lock();
    if (lock == nullptr) return all;
    const detail::OwnerGuard guard(*lock);
    detail::for_each_site([&](const detail::CallSite& site) {
        all.push_back(
            {std::string(detail::name_of(site)), site.file, site.line, detail::site_enabled(site)});
    });
    return all;
}

unsigned switch_call_sites(std::string_view pattern, bool enabled) {
    detail::OwnerLock* lock = detail::sites_lock();
    if (lock == nullptr) return 0;
    const detail::OwnerGuard guard(*lock);
    if (detail::g_switches == nullptr) detail::g_switches = new std::vector<detail::Switch>;
    auto& rules = *detail::g_switches;
    std::erase_if(rules, [&](const auto& rule) { return rule.pattern == pattern; });
    if (rules.size() == detail::kSwitchesMax) rules.erase(rules.begin());
    rules.push_back({std::string(pattern), enabled});
    unsigned count = 0;
    detail::for_each_site([&](detail::CallSite& site) {
        if (!detail::matches(pattern, detail::name_of(site))) return;
        detail::set_enabled(site, enabled);
        ++count;
    });
    return count;
}

}  // namespace spanring
