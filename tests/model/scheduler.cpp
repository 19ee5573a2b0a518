#include "scheduler.hpp"

#include <algorithm>

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
    added->stack.resize(kStackBytes);
    threads_.push_back(std::move(added));
}

void Model::fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
    // A thread that has failed never goes on; the run ends at the next look of the scheduler.
    if (in_thread()) swapcontext(&threads_[current_]->context, &scheduler_);
}

void Model::touch(const void* address, unsigned bytes) {
    words_.emplace(address, bytes);
}

void Model::give_way(Wait reason) {
    Thread& self = *threads_[current_];
    self.wait = reason;
    swapcontext(&self.context, &scheduler_);
    self.wait = Wait::kNothing;
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
    Thread& self = *threads_[current_];
    // No choice point: a store that still waits in its buffer concerns nobody else. A barrier or a
    // kill that should fall between the last load and this store: see stores_before_turn.
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

std::vector<Model::Choice> Model::choices() const {
    std::vector<Choice> result;
    for (int i = 0; i < static_cast<int>(threads_.size()); ++i) {
        const Thread& thread = *threads_[i];
        if (runnable(thread)) result.push_back({Choice::kRun, i, 0});
        for (std::size_t entry = 0; entry < thread.buffer.size(); ++entry) {
            if (may_leave(thread, entry)) result.push_back({Choice::kFlush, i, entry});
        }
        if (!thread.killable || thread.done || thread.killed) continue;
        for (std::size_t unissued = 0; unissued <= thread.recent(); ++unissued) {
            result.push_back({Choice::kKill, i, unissued});
        }
    }
    return result;
}

std::uint64_t Model::state() const {
    std::uint64_t hash = 0;
    for (const auto& [address, bytes] : words_) mix(hash, read_word(address, bytes));
    for (const auto& thread : threads_) {
        mix(hash, thread->history);
        mix(hash, (thread->done ? 1U : 0U) | (thread->killed ? 2U : 0U) |
                      (thread->futex != nullptr ? 4U : 0U) |
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
    const std::string who = std::to_string(choice.thread);
    if (choice.kind == Choice::kKill) {
        trace_.push_back("kill" + who + "." + std::to_string(choice.entry));
        thread.killed = true;
        thread.buffer.resize(thread.buffer.size() - choice.entry);
        return;
    }
    if (choice.kind == Choice::kFlush) {
        const Store store = thread.buffer[choice.entry];
        trace_.push_back("flush" + who + "." + std::to_string(choice.entry));
        std::memcpy(store.address, &store.value, store.bytes);
        thread.buffer.erase(thread.buffer.begin() + static_cast<std::ptrdiff_t>(choice.entry));
        return;
    }
    trace_.push_back("run" + who);
    mix(thread.history, 1);  // how far it is, for stretches that load nothing
    thread.stores_before_turn = thread.stores;
    current_ = choice.thread;
    swapcontext(&scheduler_, &thread.context);
    current_ = -1;
}

void Model::enter(unsigned high, unsigned low) {
    auto* thread = reinterpret_cast<Thread*>((static_cast<std::uintptr_t>(high) << 32) | low);
    thread->body();
    thread->done = true;
}

void Model::run_once() {
    for (const auto& thread : threads_) {
        getcontext(&thread->context);
        thread->context.uc_stack.ss_sp = thread->stack.data();
        thread->context.uc_stack.ss_size = thread->stack.size();
        thread->context.uc_link = &scheduler_;
        const auto address = reinterpret_cast<std::uintptr_t>(thread.get());
        makecontext(&thread->context, reinterpret_cast<void (*)()>(&Model::enter), 2,
                    static_cast<unsigned>(address >> 32), static_cast<unsigned>(address));
    }
    for (depth_ = 0;; ++depth_) {
        const std::vector<Choice> options = choices();
        if (options.empty()) break;
        if (depth_ == path_.size()) {
            if (!seen_.insert(state()).second) return;  // explored from here already
            path_.push_back({0, options.size()});
        }
        take(options[path_[depth_].taken]);
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

Outcome Model::explore(const std::function<void(Model&)>& build) {
    Model model;
    active = &model;
    do {
        model.threads_.clear();
        model.trace_.clear();
        model.check_ = nullptr;
        build(model);
        model.run_once();
        ++model.runs_;
    } while (model.failure_.empty() && model.next_path());
    active = nullptr;
    Outcome outcome{model.runs_, model.seen_.size(), model.failure_};
    if (!outcome.violation.empty()) {
        outcome.violation += ", after:";
        for (const std::string& step : model.trace_) outcome.violation += " " + step;
    }
    return outcome;
}

}  // namespace spanring::model
