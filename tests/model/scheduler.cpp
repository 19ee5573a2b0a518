#include "scheduler.hpp"

#include <algorithm>
#include <utility>

namespace spanring::model {
namespace {

constexpr std::size_t kStackBytes = 64 * 1024;

std::uint64_t read_word(const void* address, unsigned bytes) {
    std::uint64_t value = 0;
    std::memcpy(&value, address, bytes);
    return value;
}

}  // namespace

Model* Model::active = nullptr;

void Model::mix(std::uint64_t& hash, std::uint64_t value) noexcept {
    // splitmix64's finaliser over the running hash: order matters, zeros count.
    std::uint64_t x = hash ^ (value + 0x9e3779b97f4a7c15U + (hash << 6) + (hash >> 2));
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    hash = x ^ (x >> 31);
}

void Model::thread(std::function<void()> body, bool killable) {
    auto added = std::make_unique<Thread>();
    added->body = std::move(body);
    added->killable = killable;
    while (stacks_.size() <= threads_.size()) {
        stacks_.push_back(std::make_unique<char[]>(kStackBytes));
    }
    added->stack = stacks_[threads_.size()].get();
    threads_.push_back(std::move(added));
}

void Model::fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
    // A thread that has failed never goes on; the run ends at the next look of the scheduler.
    if (in_thread()) to_scheduler();
}

void Model::touch(const void* address, unsigned bytes) {
    words_.try_emplace(address, bytes);
}

// Stacks are entered by swapcontext, and then switched by longjmp, which makes no system call.
void Model::to_scheduler() {
    if (_setjmp(threads_[current_]->at) == 0) _longjmp(scheduler_, 1);
}

void Model::resume(Thread& thread) {
    if (_setjmp(scheduler_) != 0) return;
    if (thread.started) _longjmp(thread.at, 1);
    thread.started = true;
    swapcontext(&start_, &thread.context);
}

void Model::give_way(Wait reason) {
    Thread& self = *threads_[current_];
    self.wait = reason;
    to_scheduler();
    if (std::exchange(self.interrupted, false)) {
        self.wait = Wait::kNothing;
        std::exchange(self.handler, {})();
        // What it waited for may have changed meanwhile.
        self.wait = reason;
        to_scheduler();
    }
    self.wait = Wait::kNothing;
}

void Model::point() {
    if (in_thread() && threads_[current_]->handler) give_way(Wait::kNothing);
}

std::uint64_t Model::load(const void* address, unsigned bytes) {
    touch(address, bytes);
    give_way(Wait::kNothing);
    Thread& self = *threads_[current_];
    std::uint64_t value = read_word(address, bytes);
    for (const Store& store : self.buffer) {
        if (store.address == address) value = store.value;  // the youngest own store wins
    }
    mix(self.history, value);
    return value;
}

void Model::store(void* address, unsigned bytes, std::uint64_t value, bool release) {
    touch(address, bytes);
    if (left_at_once_) {
        give_way(Wait::kNothing);
        std::memcpy(address, &value, bytes);
        return;
    }
    point();
    Thread& self = *threads_[current_];
    // No choice point but for a handler: a store that still waits in its buffer concerns nobody
    // else. A barrier or a kill that should fall between the last load and this store: see
    // stores_before_turn.
    self.buffer.push_back({address, bytes, value, release, ++self.stores});
}

void Model::begin_atomic(const void* address, unsigned bytes) {
    touch(address, bytes);
    give_way(Wait::kOwnStores);
}

void Model::barrier() {
    // As the system call: a fence of our own first, then one on every other CPU.
    give_way(Wait::kOwnStores);
    Thread& self = *threads_[current_];
    self.barrier_until.clear();
    for (const auto& thread : threads_) self.barrier_until.push_back(thread->stores_before_turn);
    give_way(Wait::kBarrier);
}

void Model::futex_wait(const std::uint32_t* word, std::uint32_t expected) {
    begin_atomic(word, sizeof *word);
    note(*word);
    if (*word != expected) return;
    threads_[current_]->futex = word;
    give_way(Wait::kFutex);
}

void Model::futex_wake(const std::uint32_t* word) {
    begin_atomic(word, sizeof *word);
    for (const auto& thread : threads_) {
        if (thread->futex == word) thread->futex = nullptr;
    }
}

bool Model::left_until(int thread, std::uint64_t number) const {
    const auto& buffer = threads_[thread]->buffer;
    return std::none_of(buffer.begin(), buffer.end(),
                        [&](const Store& store) { return store.number <= number; });
}

bool Model::runnable(const Thread& thread) const {
    if (thread.done || thread.killed) return false;
    switch (thread.wait) {
        case Wait::kNothing: return true;
        case Wait::kOwnStores: return thread.buffer.empty();
        case Wait::kFutex: return thread.futex == nullptr;
        case Wait::kBarrier: break;
    }
    for (std::size_t i = 0; i < thread.barrier_until.size(); ++i) {
        if (!left_until(static_cast<int>(i), thread.barrier_until[i])) return false;
    }
    return true;
}

bool Model::may_leave(const Thread& thread, std::size_t entry) const {
    if (store_order_kept_ || thread.buffer[entry].release) return entry == 0;
    for (std::size_t i = 0; i < entry; ++i) {
        if (thread.buffer[i].address == thread.buffer[entry].address) return false;
    }
    return true;
}

void Model::list_choices() {
    std::vector<Choice>& result = choices_;
    result.clear();
    for (int i = 0; i < static_cast<int>(threads_.size()); ++i) {
        const Thread& thread = *threads_[i];
        // From a thread that could go on to another one.
        const bool preempts = last_run_ >= 0 && last_run_ != i && runnable(*threads_[last_run_]);
        const bool allowed = !preempts || !preemptions_max_ || preemptions_ < *preemptions_max_;
        if (allowed && runnable(thread)) result.push_back({Choice::kRun, i, 0});
        if (thread.handler && thread.started && !thread.done && !thread.killed) {
            result.push_back({Choice::kSignal, i, 0});
        }
        for (std::size_t entry = 0; entry < thread.buffer.size(); ++entry) {
            if (may_leave(thread, entry)) result.push_back({Choice::kFlush, i, entry});
        }
        if (!thread.killable || thread.done || thread.killed) continue;
        for (std::size_t unissued = 0; unissued <= thread.recent(); ++unissued) {
            result.push_back({Choice::kKill, i, unissued});
        }
    }
}

std::uint64_t Model::state() const {
    std::uint64_t hash = 0;
    if (preemptions_max_) {
        mix(hash, preemptions_);
        mix(hash, static_cast<std::uint64_t>(last_run_));
    }
    for (const auto& [address, bytes] : words_) mix(hash, read_word(address, bytes));
    for (const auto& thread : threads_) {
        mix(hash, thread->history);
        mix(hash, (thread->done ? 1U : 0U) | (thread->killed ? 2U : 0U) |
                      (thread->futex != nullptr ? 4U : 0U) | (thread->handler ? 8U : 0U) |
                      (static_cast<unsigned>(thread->wait) << 4));
        for (const Store& store : thread->buffer) {
            mix(hash, reinterpret_cast<std::uintptr_t>(store.address));
            mix(hash, store.value);
            mix(hash, store.number);
        }
        mix(hash, thread->buffer.size());
        mix(hash, thread->recent());
        if (thread->wait != Wait::kBarrier) continue;
        for (const std::uint64_t number : thread->barrier_until) mix(hash, number);
    }
    return hash;
}

void Model::take(const Choice& choice) {
    Thread& thread = *threads_[choice.thread];
    trace_.push_back(choice);
    if (choice.kind == Choice::kKill) {
        thread.killed = true;
        thread.buffer.resize(thread.buffer.size() - choice.entry);
        return;
    }
    if (choice.kind == Choice::kFlush) {
        const Store store = thread.buffer[choice.entry];
        std::memcpy(store.address, &store.value, store.bytes);
        thread.buffer.erase(thread.buffer.begin() + static_cast<std::ptrdiff_t>(choice.entry));
        return;
    }
    const bool signal = choice.kind == Choice::kSignal;
    if (!signal && last_run_ >= 0 && last_run_ != choice.thread && runnable(*threads_[last_run_])) {
        ++preemptions_;
    }
    last_run_ = choice.thread;
    thread.interrupted = signal;
    mix(thread.history, signal ? 2 : 1);  // how far it is, for stretches that load nothing
    thread.stores_before_turn = thread.stores;
    current_ = choice.thread;
    resume(thread);
    current_ = -1;
}

void Model::enter(unsigned high, unsigned low) {
    auto* thread = reinterpret_cast<Thread*>((static_cast<std::uintptr_t>(high) << 32) | low);
    thread->body();
    thread->done = true;
    _longjmp(active->scheduler_, 1);
}

void Model::run_once() {
    for (const auto& thread : threads_) {
        getcontext(&thread->context);
        thread->context.uc_stack.ss_sp = thread->stack;
        thread->context.uc_stack.ss_size = kStackBytes;
        const auto address = reinterpret_cast<std::uintptr_t>(thread.get());
        makecontext(&thread->context, reinterpret_cast<void (*)()>(&Model::enter), 2,
                    static_cast<unsigned>(address >> 32), static_cast<unsigned>(address));
    }
    for (depth_ = 0;; ++depth_) {
        list_choices();
        const std::vector<Choice>& options = choices_;
        if (options.empty()) break;
        if (random_) {
            take(options[(*random_)() % options.size()]);
        } else {
            if (depth_ == path_.size()) {
                if (!seen_.insert(state()).second) return;  // explored from here already
                path_.push_back({0, options.size()});
            }
            take(options[path_[depth_].taken]);
        }
        if (!failure_.empty()) return;
    }
    for (const auto& thread : threads_) {
        if (!thread->done && !thread->killed) {
            fail("a thread waits for ever");
            return;
        }
    }
    if (check_) check_();
}

bool Model::next_path() {
    while (!path_.empty()) {
        if (++path_.back().taken < path_.back().options) return true;
        path_.pop_back();
    }
    return false;
}

Outcome Model::outcome() const {
    Outcome result{runs_, seen_.size(), failure_};
    if (failure_.empty()) return result;
    const char* const kinds[] = {"run", "flush", "kill", "signal"};
    result.violation += ", after:";
    for (const Choice& step : trace_) {
        result.violation += std::string(" ") + kinds[step.kind] + std::to_string(step.thread);
        const bool counts = step.kind == Choice::kFlush || step.kind == Choice::kKill;
        if (counts) result.violation += "." + std::to_string(step.entry);
    }
    return result;
}

void Model::begin_run(const std::function<void(Model&)>& build) {
    threads_.clear();
    trace_.clear();
    check_ = nullptr;
    preemptions_ = 0;
    last_run_ = -1;
    ++runs_;
    build(*this);
}

Outcome Model::explore(const std::function<void(Model&)>& build) {
    Model model;
    active = &model;
    do {
        model.begin_run(build);
        model.run_once();
    } while (model.failure_.empty() && model.next_path());
    active = nullptr;
    return model.outcome();
}

Outcome Model::walk(const std::function<void(Model&)>& build, std::uint64_t runs,
                    std::uint64_t seed) {
    Model model;
    model.random_.emplace(seed);
    active = &model;
    while (model.failure_.empty() && model.runs_ < runs) {
        model.begin_run(build);
        model.run_once();
    }
    active = nullptr;
    return model.outcome();
}

}  // namespace spanring::model
