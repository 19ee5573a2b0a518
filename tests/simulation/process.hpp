// MadeUpProcess: an instrumented process of the simulation, and the ledger of what it did.
//
// It writes into a real segment, by the rules of ARCHITECTURE.md, but from the simulation's thread:
// some threads with stacks of their own, synchronous and asynchronous spans, attributes, events,
// contexts, ends and details from other threads, and it counts what finds no room. It dies anywhere
// (also between the claim of a page and its header), exits, is taken for dead by mistake, and then
// begins a new *life*: an instance with a segment of its own. Threads: one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "machine.hpp"
#include "spanring/codec/span.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/shm/segment_writer.hpp"

namespace spanring::simulation {

/// What was said of one span, in the ledger.
struct Told {
    enum class End : std::uint8_t {
        kOpen,   ///< nobody ended it
        kEnded,  ///< and that was written
        kLost,   ///< and that could not be written
    };
    std::uint64_t key{0};
    std::uint64_t parent{0};  ///< key; 0: a root
    std::uint64_t root{0};    ///< key of its trace's first span
    std::uint32_t name{0};
    bool begin_lost{false};
    bool is_async{false};
    bool shared{false};  ///< other threads know it: what is done to it carries a time
    End end{End::kOpen};
    std::int64_t began_mono_ns{0};
    std::int64_t began_wall_ns{0};
    std::int64_t ended_mono_ns{0};
    std::vector<std::pair<std::uint32_t, codec::Value>> details;  ///< key and value, as written
    std::uint32_t events{0};
    /// Where its last word stands: who has been told that this is stored finds the span.
    std::uint32_t end_page{0};
    std::uint64_t end_mark{0};
};

/// One instance.
struct Life {
    shm::SegmentWriter segment;
    InstanceId instance;
    Key128 span_key{};
    Key128 host_key{};
    std::string file;
    std::uint64_t inode{0};
    bool is_over{false};                  ///< its process has gone, or has been given a new life
    bool counter{false};                  ///< its clock
    bool other_boot{false};               ///< says that it was made before the machine was started
    std::map<std::uint64_t, Told> spans;  ///< by key
    std::uint64_t lost_spans{0};
    std::uint64_t lost_ends{0};
    std::uint64_t lost_details{0};
};

struct ProcessOptions {
    std::uint64_t ring_bytes_initial{8192};
    std::uint64_t ring_bytes_max{32768};
    std::uint32_t page_bytes{1024};
    std::uint32_t threads{2};
    bool counter{false};
    bool other_boot{false};
    std::int64_t pause_ns_max{1'000'000};
};

class MadeUpProcess {
public:
    static constexpr std::uint32_t kNames = 4;
    static constexpr std::uint32_t kKeys = 3;
    [[nodiscard]] static std::string name(std::uint32_t number) {
        return "operation-" + std::to_string(number);
    }
    [[nodiscard]] static std::string key(std::uint32_t number) {
        return "key-" + std::to_string(number);
    }

    MadeUpProcess(MadeUpMachine& machine, const shm::RingDirectory& directory, std::uint64_t seed,
                  const ProcessOptions& options);
    ~MadeUpProcess();
    MadeUpProcess(const MadeUpProcess&) = delete;
    MadeUpProcess& operator=(const MadeUpProcess&) = delete;

    [[nodiscard]] std::int64_t acts_at_ns() const noexcept { return acts_at_ns_; }
    /// One tracepoint, or something that threads and processes do in their lives.
    void act();
    /// At whatever it is; its locks are let go. It may begin anew.
    void die();
    void exit();
    [[nodiscard]] bool alive() const noexcept { return life_ != nullptr; }
    void stay_away() noexcept { acts_at_ns_ = INT64_MAX; }
    /// Its lock seems free; the consumer will take it for dead.
    void seem_dead();

    /// All its lives, the present one last. Those that are over stay.
    [[nodiscard]] const std::vector<std::unique_ptr<Life>>& lives() const { return lives_; }

private:
    struct Entry {
        std::uint64_t key{0};
        std::uint64_t root{0};
        bool is_context{false};
        bool lost{false};
    };
    struct Thread {
        std::uint32_t stream{0};
        spanring_thread_slot* slot{nullptr};
        shm::PageClaim page;
        std::uint32_t used{0};
        std::uint64_t base{0};
        std::uint64_t sequence{0};
        std::uint64_t ordinal{1};  ///< of the next span
        std::vector<Entry> stack;
        std::vector<std::uint64_t> owed;  ///< async spans whose end was lost
        int reason{0};                    ///< of the last loss
    };

    void begin_life();
    void start_thread(Thread& thread);
    void end_thread(Thread& thread);
    void end_life();

    void begin(Thread& thread, bool async);
    void end_top(Thread& thread);
    void end_below(Thread& thread);
    void end_async(Thread& thread);
    void attach(Thread& thread);
    void detach(Thread& thread);
    void detail(Thread& thread);
    void detail_async(Thread& thread);
    void event(Thread& thread);

    /// Puts what `build(words, base)` makes, at most `bytes`, into the thread's page and publishes.
    template <typename Build>
    bool put(Thread& thread, std::size_t bytes, Build build);
    bool turn_page(Thread& thread, std::size_t needed);
    void install(Thread& thread, const shm::PageClaim& page);
    void write(Thread& thread, const std::vector<std::uint64_t>& words);
    void publish(Thread& thread);
    void seal(Thread& thread);
    void out_of_step(Thread& thread);
    void count(Thread& thread, std::uint64_t (spanring_thread_slot::*)[SPANRING_LOST_REASONS],
               std::uint64_t& total);
    [[nodiscard]] bool end_of(Thread& thread, Told& told, std::uint32_t kind);
    void note_end(Thread& thread, Told& told);
    [[nodiscard]] std::uint64_t ticks() const;
    [[nodiscard]] std::uint32_t delta(std::uint64_t base) const;
    [[nodiscard]] Told* some_async(bool own, const Thread& thread);
    void ring();

    MadeUpMachine& machine_;
    const shm::RingDirectory& directory_;
    Chance chance_;
    const ProcessOptions options_;
    shm::ControlPage control_;
    Mapping doorbell_;
    std::vector<std::unique_ptr<Life>> lives_;
    Life* life_{nullptr};
    std::vector<Thread> threads_;
    std::vector<std::uint64_t> open_async_;  ///< keys
    std::uint32_t names_[kNames]{};
    std::uint32_t keys_[kKeys]{};
    std::int64_t acts_at_ns_{0};
};

}  // namespace spanring::simulation
