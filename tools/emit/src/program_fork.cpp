// Forks in the middle of a trace: the child goes on below the parent's current span.
#include <unistd.h>

#include "program.hpp"

namespace spanring::tools::emit {

void Program::fork_child() {
    unsigned left = process_.forks_left.load();
    do {
        if (left == 0) return;
    } while (!process_.forks_left.compare_exchange_weak(left, left - 1));

    Place place = here();
    place.model = nullptr;
    place.remote = !place.span_id.empty();
    const pid_t pid = ::fork();
    if (pid > 0) children_.push_back(pid);
    if (pid != 0) return;

    // In the child: what it inherited must end nothing and add nothing.
    for (const auto& entry : stack_) {
        if (!entry->span) continue;
        entry->span->set("set in the child", true);
        entry->span->event("event in the child");
        entry->span->end();
    }
    ::_exit(forked_main_(dice_.split(left), std::move(place)));
}

}  // namespace spanring::tools::emit
