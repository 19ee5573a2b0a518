#include "program.hpp"

#include <sys/wait.h>
#include <unistd.h>

namespace spanring::tools::emit {
namespace {

/// Deeper is rare in real programs; begin_deep goes further now and then.
constexpr unsigned kDepthMax = 24;

}  // namespace

Program::Program(ProcessState& process, unsigned number, Dice dice, OracleFile& oracle,
                 ForkedMain forked_main)
    : process_(process),
      number_(number),
      dice_(dice),
      oracle_(oracle),
      forked_main_(std::move(forked_main)) {}

Program::~Program() = default;

void Program::run(std::uint64_t spans) {
    const bool timed = process_.options.duration_s > 0;
    while (timed ? !process_.stop.load() : begun_ < spans) step();
    if (!process_.options.die_inside) end_down_to(0);
}

void Program::step() {
    if (stack_.size() >= floor_ + kDepthMax) {
        end_top();
        return;
    }
    const std::uint64_t roll = dice_.below(1000);
    if (roll < 200) return begin_span();
    if (roll < 420) return end_some_span();
    if (roll < 720) return detail_of_some_span();
    if (roll < 780) return free_event();
    if (roll < 810) return free_attribute();
    if (roll < 840) return begin_async();
    if (roll < 900) return use_async();
    if (roll < 925) return attach_remote();
    if (roll < 935) return attach_nothing();
    if (roll < 955) return lend_top();
    if (roll < 970) return borrow();
    if (roll < 985) return begin_macro_span();
    if (roll < 993) return import_one();
    if (roll < 996) return begin_deep();
    fork_child();
}

void Program::end_down_to(std::size_t depth) {
    while (stack_.size() > depth) end_top();
}

void Program::leave_open() {
    end_down_to(dice_.below(stack_.size() + 1));
    for (int i = 0; i < 5; ++i) {
        begin_span();
        detail_of_some_span();
    }
    for (const auto& entry : stack_) {
        if (!entry->model) continue;
        if (entry->lent) process_.mailbox.reclaim(entry->model);
        entry->model->unfinished = true;
        oracle_.span(*entry->model);
    }
    oracle_.flush();
}

void Program::wait_for_children() {
    for (const int child : children_) {
        int status = 0;
        const bool reaped = ::waitpid(child, &status, 0) == child;
        if (!reaped || !WIFEXITED(status) || WEXITSTATUS(status) != 0) ++process_.child_failures;
    }
    children_.clear();
}

const Place& Program::here() const {
    return stack_.empty() ? base_ : stack_.back()->place;
}

std::string Program::unique_name(const char* what) {
    return std::string(what) + " " + std::to_string(::getpid()) + "." + std::to_string(number_) +
           "." + std::to_string(++serial_);
}

}  // namespace spanring::tools::emit
