#include "lockstep.hpp"

namespace spanring::test {

Lockstep::Lockstep(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this, i] { serve(i); });
}

Lockstep::~Lockstep() {
    for (unsigned i = 0; i < threads_.size(); ++i) {
        {
            const std::lock_guard lock(mutex_);
            turn_ = i;
            stop_ = true;
        }
        changed_.notify_all();
        threads_[i].join();
        stop_ = false;
    }
}

void Lockstep::run(unsigned index, std::function<void()> work) {
    std::unique_lock lock(mutex_);
    work_ = std::move(work);
    turn_ = index;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !work_; });
}

void Lockstep::serve(unsigned index) {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return turn_ == index && (stop_ || work_); });
        if (stop_) return;
        work_();
        work_ = nullptr;
        changed_.notify_all();
    }
}

}  // namespace spanring::test
