#include "pipeline.hpp"

#include <concurrentqueue/blockingconcurrentqueue.h>

#include <thread>
#include <utility>

namespace spanring::consumer {
namespace {

/// Below this many rows a hand-over to another thread costs more than the encoding.
constexpr std::size_t kRowsWorthAThread = 512;
/// And so for a whole turn and the committer: as many rows without details.
constexpr std::size_t kBytesWorthAThread = kRowsWorthAThread * sizeof(codec::Row);

void commit(store::Writer& writer, Turn& turn) {
    if (!turn.frame.snapshot && writer.wants_snapshot()) {
        turn.outcome = Turn::Outcome::kParked;
        return;
    }
    store::BatchFacts facts;
    for (auto& part : turn.encoded) {
        turn.frame.batches.push_back(std::move(part.bytes));
        facts.push_back(part.facts);
    }
    for (auto& part : turn.encoded_open) turn.frame.open_spans.push_back(std::move(part.bytes));
    const store::FrameSummary summary = store::summary_of(facts);
    auto committed = writer.commit(turn.frame, summary, std::move(facts));
    if (committed) {
        turn.outcome = Turn::Outcome::kCommitted;
    } else {
        turn.outcome = Turn::Outcome::kFailed;
        turn.problem = committed.error().message;
        // They are needed again: with the next frame.
        for (std::size_t i = 0; i < turn.encoded.size(); ++i) {
            turn.encoded[i].bytes = std::move(turn.frame.batches[i]);
        }
        turn.frame.batches.clear();
        turn.frame.open_spans.clear();  // which the next frame, a snapshot, tells anew
    }
}

void give_up(Turn& turn, Turn::Encoded& part) {
    turn.spans_unstorable += part.rows;
    turn.unstorable_problem = part.problem;
    part.bytes.clear();
}

}  // namespace

void prepare(Turn& turn) {
    turn.encoded.resize(turn.encoded.size() + turn.batches.size());
    turn.encoded_open.resize(turn.open_spans.size());
}

void encode_part(Turn& turn, std::size_t index, codec::Encoder& encoder) {
    const std::size_t before = turn.encoded.size() - turn.batches.size();
    const bool is_open = index >= turn.batches.size();
    const std::size_t open_index = index - turn.batches.size();
    const codec::Batch& batch = is_open ? *turn.open_spans[open_index] : *turn.batches[index];
    Turn::Encoded& part = is_open ? turn.encoded_open[open_index] : turn.encoded[before + index];
    part.rows = batch.rows.size();
    auto bytes = encoder.encode(batch);
    if (bytes) {
        part.bytes = std::move(*bytes);
        if (!is_open) part.facts = store::facts_of(batch);
    } else {
        part.problem = bytes.error().message;
    }
}

// Neither can happen with rows that the assembler made, within limits.hpp. If it does, to try again
// would stop all processes' tracing for ever: these spans are given up, and said to be.
void leave_out_unstorable(Turn& turn, std::uint64_t payload_max) {
    std::size_t bytes = turn.frame.deferred.size();
    for (auto* parts : {&turn.encoded_open, &turn.encoded}) {
        for (Turn::Encoded& part : *parts) {
            if (part.problem.empty() && bytes + part.bytes.size() > payload_max) {
                part.problem = "the frame would be too long";
            }
            if (!part.problem.empty()) give_up(turn, part);
            bytes += part.bytes.size();
        }
        std::erase_if(*parts, [](const Turn::Encoded& part) { return part.bytes.empty(); });
    }
}

struct Pipeline::Impl {
    struct Job {
        Turn* turn{nullptr};  ///< null: stop
        std::size_t index{0};
    };

    /// Who has nothing to do sleeps at once: a turn every millisecond is no reason to spin in
    /// between, which took more of the processor than the turns
    /// (docs/decisions/0009-small-turns-on-one-thread.md).
    struct Sleeping : moodycamel::ConcurrentQueueDefaultTraits {
        static const int MAX_SEMA_SPINS = 0;
    };
    template <typename T>
    using Queue = moodycamel::BlockingConcurrentQueue<T, Sleeping>;

    Impl(store::Writer& w, unsigned workers, Background background) : writer(w) {
        if (background == Background::kCaller) return;
        for (unsigned i = 0; i < workers; ++i) threads.emplace_back([this] { work(); });
        committer = std::thread([this] { commit_turns(); });
    }
    ~Impl() {
        turns.enqueue(nullptr);
        committer.joinable() ? committer.join() : commit_turns();
        for (std::size_t i = 0; i < threads.size(); ++i) jobs.enqueue(Job{});
        for (auto& thread : threads) thread.join();
        Turn* left = nullptr;
        while (done.try_dequeue(left)) delete left;
    }

    void work() {
        codec::Encoder encoder;
        for (;;) {
            Job job;
            jobs.wait_dequeue(job);
            if (job.turn == nullptr) return;
            encode_part(*job.turn, job.index, encoder);
            // release: pairs with the acquire in encode_all, which then reads the encoded bytes.
            if (job.turn->to_encode.fetch_sub(1, std::memory_order_release) == 1) {
                job.turn->to_encode.notify_one();
            }
        }
    }

    // The committer encodes what is small, or the first part, itself: it has nothing else to do.
    void encode_all(Turn& turn, codec::Encoder& encoder) {
        const std::size_t parts = turn.batches.size() + turn.open_spans.size();
        for (std::size_t i = 0; i < parts; ++i) {
            if (!is_for_workers(turn, i)) encode_part(turn, i, encoder);
        }
        for (;;) {
            // acquire: pairs with the release in work().
            const std::uint32_t left = turn.to_encode.load(std::memory_order_acquire);
            if (left == 0) break;
            // acquire: as above; the loop loads again.
            turn.to_encode.wait(left, std::memory_order_acquire);
        }
    }

    [[nodiscard]] static bool is_for_workers(const Turn& turn, std::size_t index) {
        return index != 0 && index < turn.batches.size() &&
               turn.batches[index]->rows.size() >= kRowsWorthAThread;
    }

    void commit_turns() {
        codec::Encoder encoder;
        for (;;) {
            Turn* turn = nullptr;
            turns.wait_dequeue(turn);
            if (turn == nullptr) return;
            finish(turn, encoder);
        }
    }
    /// Without a committer: the oldest turn, which nobody else will finish.
    void finish_here() {
        Turn* turn = nullptr;
        if (!committer.joinable() && turns.try_dequeue(turn)) finish(turn, own_encoder);
    }
    void finish(Turn* turn, codec::Encoder& encoder) {
        encode_all(*turn, encoder);
        leave_out_unstorable(*turn);
        commit(writer, *turn);
        done.enqueue(turn);
    }

    /// Whether the drain thread is sooner done with it than with telling the committer. A disk that
    /// is slow then keeps it from draining; with the committer it would be four turns later.
    [[nodiscard]] bool is_small(const Turn& turn) const noexcept {
        return in_flight == 0 && turn.bytes < kBytesWorthAThread;
    }

    store::Writer& writer;
    Queue<Job> jobs;
    Queue<Turn*> turns;
    Queue<Turn*> done;
    std::vector<std::thread> threads;
    std::thread committer;
    std::size_t in_flight{0};
    codec::Encoder own_encoder;  ///< the drain thread's
};

Pipeline::Pipeline(store::Writer& writer, unsigned workers, Background background)
    : impl_(std::make_unique<Impl>(writer, workers, background)) {}
Pipeline::~Pipeline() = default;

void Pipeline::submit(std::unique_ptr<Turn> turn) {
    prepare(*turn);
    if (impl_->is_small(*turn)) {
        ++impl_->in_flight;
        impl_->finish(turn.release(), impl_->own_encoder);
        return;
    }
    std::uint32_t for_workers = 0;
    for (std::size_t i = 0; i < turn->batches.size(); ++i) {
        if (!impl_->threads.empty() && Impl::is_for_workers(*turn, i)) ++for_workers;
    }
    // relaxed: the queues order it before what the other threads do with the turn.
    turn->to_encode.store(for_workers, std::memory_order_relaxed);
    for (std::size_t i = 0; i < turn->batches.size() && for_workers != 0; ++i) {
        if (Impl::is_for_workers(*turn, i)) impl_->jobs.enqueue(Impl::Job{turn.get(), i});
    }
    ++impl_->in_flight;
    impl_->turns.enqueue(turn.release());
}

std::vector<std::unique_ptr<Turn>> Pipeline::collect() {
    return wait(std::chrono::microseconds(0));
}

std::vector<std::unique_ptr<Turn>> Pipeline::wait(std::chrono::microseconds timeout) {
    std::vector<std::unique_ptr<Turn>> out;
    Turn* turn = nullptr;
    if (impl_->in_flight == 0) return out;
    if (timeout.count() > 0) impl_->finish_here();
    if (!impl_->done.wait_dequeue_timed(turn, timeout)) return out;
    do {
        out.emplace_back(turn);
        --impl_->in_flight;
    } while (impl_->done.try_dequeue(turn));
    return out;
}

std::size_t Pipeline::in_flight() const noexcept {
    return impl_->in_flight;
}

}  // namespace spanring::consumer
