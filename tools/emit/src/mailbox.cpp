#include "mailbox.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace spanring::tools::emit {

void Mailbox::reclaim(const ModelPtr& model) {
    {
        const std::lock_guard lock(mutex_);
        const auto found = std::find_if(lent_.begin(), lent_.end(), [&](const PlacedContext& lent) {
            return lent.place.model == model;
        });
        if (found != lent_.end()) {
            lent_.erase(found);
            return;
        }
    }
    // Somebody has it: a short section, which never waits for anybody in turn.
    while (model->borrowers.load() != 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
}

}  // namespace spanring::tools::emit
