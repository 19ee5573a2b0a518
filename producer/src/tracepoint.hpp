// Tracepoint: one API call on the slow path, from entering the thread's writer to leaving it.
//
// Enters (first use, fork, revoked segment or slot are dealt with here), makes room (page turn,
// growth, blocking), puts records, publishes them together, and leaves: the stash is written out,
// the consumer is woken. Threads: the one that owns the writer; signal handlers get kSignal.
#pragma once

#include <string_view>

#include "process.hpp"
#include "spanring/detail/span_state.hpp"

namespace spanring::detail {

enum class Loss { kSpan, kEnd, kDetail };

class Tracepoint {
public:
    enum class State {
        kReady,   ///< may write
        kSignal,  ///< over an interrupted tracepoint of this thread
        kDark,    ///< no segment: not enabled, or it could not be made
    };
    /// Enters. `start_segment`: this is a tracepoint, not just an end or a context.
    explicit Tracepoint(bool start_segment = true) noexcept;
    Tracepoint(const Tracepoint&) = delete;
    Tracepoint& operator=(const Tracepoint&) = delete;
    ~Tracepoint();

    [[nodiscard]] State state() const noexcept { return state_; }
    [[nodiscard]] bool ready() const noexcept { return state_ == State::kReady; }
    /// Whether the thread's own data may be touched: ready, or dark with a thread state.
    [[nodiscard]] bool owns_stack() const noexcept { return entered_; }
    [[nodiscard]] Writer& writer() const noexcept { return *writer_; }
    [[nodiscard]] ThreadState& stack() const noexcept { return *state_of(writer_); }
    [[nodiscard]] Process& process() const noexcept { return *process_; }

    /// Makes room for `bytes` of records: in this page, in a new one, or in several. What does not
    /// fit into one page is made of records that may stand in different ones.
    /// Returns false if there is none; the reason is then remembered for `lost`.
    [[nodiscard]] bool room(std::size_t bytes) noexcept;
    /// Counts a loss for the reason of the last failed `room`, or for `reason`.
    void lost(Loss kind) noexcept { lost(kind, reason_); }
    void lost(Loss kind, LossReason reason) noexcept;
    /// Whether the last failed `room` was for a full ring.
    [[nodiscard]] bool is_ring_full() const noexcept { return reason_ == LossReason::kRingFull; }
    /// Counts what could not be recorded because tracing is enabled, but there is no segment or no
    /// slot in it; nothing, if it would not have been recorded anyway.
    void lost_without_segment(Loss kind) noexcept;
    /// A record that changes the stack above its `known` outermost entries was not written: the
    /// next page must say what is true.
    void out_of_step(std::size_t known) noexcept;

    // ---- records; room must have been made ----
    void word(std::uint64_t value) noexcept { put(writer_, value); }
    void bytes(const void* data, std::size_t count) noexcept;
    void record(std::uint32_t kind, std::uint32_t id, std::uint32_t low) noexcept {
        put(writer_, spanring_record_head(kind, id, low));
    }
    /// A record whose low half is the time now; puts a TIME_BASE before it if the delta is too
    /// large. Room: 16 bytes more than the record.
    void timed(std::uint32_t kind, std::uint32_t id) noexcept;
    void timed_at(std::uint32_t kind, std::uint32_t id, std::uint64_t ticks) noexcept;
    /// Makes the last record, of `record_bytes`, one of another kind.
    void retype(std::size_t record_bytes, std::uint32_t kind) noexcept;
    /// NAME, if the name has no number. Room: name_bytes().
    void inline_name(NameRef name, std::uint32_t number) noexcept;
    [[nodiscard]] std::size_t name_bytes(NameRef name, std::uint32_t number) const noexcept;
    [[nodiscard]] std::string_view name_text(NameRef name) const noexcept;
    /// A payload record; goes on in CONTINUE records and further pages as needed.
    /// Returns false if a further page could not be had.
    class Payload;

    /// Returns the number of a name or key, interned if need be; SPANRING_ID_INLINE: none.
    [[nodiscard]] std::uint32_t number_of(NameRef name) noexcept;
    /// Bytes of records that a fresh page takes for sure.
    [[nodiscard]] std::size_t page_room() const noexcept;
    /// Turns pages until a record of `bytes` fits, publishing what is written so far. For
    /// tracepoints that are larger than a page.
    [[nodiscard]] bool next_page(std::size_t bytes) noexcept;
    [[nodiscard]] std::size_t left() const noexcept {
        return static_cast<std::size_t>(writer_->end - writer_->cursor);
    }
    /// For an end on a thread that has no slot yet. Returns whether there is one now.
    [[nodiscard]] bool take_slot_now() noexcept;
    /// Publishes what was put so far.
    void publish() noexcept;

private:
    void enter(bool start_segment) noexcept;
    bool settle_instance(bool start_segment) noexcept;
    void change_instance(bool take) noexcept;

    Process* process_{nullptr};
    Writer* writer_{nullptr};
    State state_{State::kDark};
    LossReason reason_{LossReason::kRingFull};
    bool entered_{false};
};

/// What was lost before there was a process object to count it in.
Losses& early_losses() noexcept;
/// The counters of a kind, by reason.
std::uint64_t* counts_of(Losses& losses, Loss kind) noexcept;

/// Writes a payload of known length piece by piece.
class Tracepoint::Payload {
public:
    /// Puts the head. `total`: bytes of the whole payload. Room for the head and one word at least.
    Payload(Tracepoint& tracepoint, std::uint32_t kind, std::uint32_t id,
            std::size_t total) noexcept;
    /// Appends. Returns false once a page could not be had.
    bool write(const void* data, std::size_t count) noexcept;
    /// Pads the last piece. Returns whether all of it was written.
    bool finish() noexcept;

private:
    bool next_piece() noexcept;
    void pad() noexcept;
    Tracepoint& tracepoint_;
    std::size_t left_;   ///< of the payload
    std::size_t piece_;  ///< of the current record
    std::size_t padding_{0};
    bool good_{true};
};

/// Which span a record is for.
struct Addressee {
    std::uint64_t key{0};  ///< 0: the current span
    /// Other threads may write for it, too: the reader brings what they did into the order of time.
    bool ordered{false};
};
/// What a TIME_BASE takes, which any timed record may need.
inline constexpr std::size_t kTimeBaseBytes = 16;
/// Upper bound of what put_for puts: TIME_BASE and FOR.
inline constexpr std::size_t kForBytesMax = kTimeBaseBytes + 16;

// ---- page.cpp ----
/// Whether the segment of the writer was replaced, perhaps by another thread since this one
/// entered: its page and stream are the older one's, and it must claim nothing in the new one.
bool replaced(const Process& process, const Writer& writer) noexcept;
/// Gives the page up. The writer has none afterwards.
void seal_page(Process& process, Writer& writer) noexcept;
/// Gives the page up if the consumer has taken it. After `nesting` was set, before anything is
/// written or published.
void yield_taken_page(Process& process, Writer& writer) noexcept;
/// Claims a page and writes header, snapshot and what was owed (LOST_END, IMPORT_ABORT).
/// Returns false with the reason if the ring is full, or the segment was replaced meanwhile.
bool turn_page(Process& process, Writer& writer, std::size_t needed, LossReason& reason) noexcept;
/// Claims so many pages before the first is written: all, or none and false.
bool claim_ahead(Process& process, Writer& writer, std::size_t pages, LossReason& reason) noexcept;
/// Gives the pages that were claimed ahead back, as pages without content.
void drop_claims(Process& process, Writer& writer) noexcept;
/// Keeps the key of an async span whose end was lost, for a LOST_END record.
void remember_lost_end(Writer& writer, std::uint64_t key) noexcept;
/// Writes what the thread owes the reader without waiting. Returns false if there is no page. A
/// replaced segment is owed nothing.
bool settle_debts(Process& process, Writer& writer) noexcept;
/// Gives writer and slot back. The page must have been given up. Under the lock.
void retire(Process& process, Writer& writer) noexcept;
/// Forgets page and slot, and lets the segment go. Under the lock.
void leave_segment(Process& process, Writer& writer) noexcept;
/// Writes what exited threads still owe. Returns whether nothing is owed any more.
bool settle_orphans(Process& process) noexcept;
bool settle_orphans_locked(Process& process) noexcept;

// ---- stack.cpp ----
/// Makes room for one more entry. Returns false at the depth limit or without memory.
bool grow_stack(ThreadState& state) noexcept;
void init_stack(ThreadState& state) noexcept;
/// The stack of an older instance becomes remote contexts: scopes still find theirs. Those of a
/// forked child's inherited spans end with nothing; those of a replaced segment's with their spans.
void leave_instance(Process& process, ThreadState& state, bool forked) noexcept;
std::size_t depth_of(const ThreadState& state) noexcept;
/// Pushes a context; takes the entry's block reference over.
bool push(ThreadState& state, const StackEntry& entry) noexcept;
/// Takes the entry at `at` out.
void erase(ThreadState& state, StackEntry* at) noexcept;
/// Pops to and including the nearest context.
void pop_context(ThreadState& state) noexcept;
/// Returns the entry that was a span of a segment that has been replaced, or null.
StackEntry* find_replaced(ThreadState& state, std::uint64_t key, std::uint32_t epoch) noexcept;
/// Returns the entry of an open span of this thread, or null.
StackEntry* find_span(ThreadState& state, std::uint64_t key) noexcept;
/// An entry for a context (kLocal, kRemote or kNone) with a block reference of its own.
StackEntry entry_of(Process& process, const Context& context) noexcept;
/// Bytes of the ATTACH record of an entry.
std::size_t attach_bytes(const StackEntry& entry) noexcept;
void put_attach(Writer& writer, const StackEntry& entry) noexcept;
/// The SNAPSHOT of this stack, in `limit` bytes at most. Returns false if the reader must be told
/// more of it, in the next page.
bool put_snapshot(Writer& writer, ThreadState& state, std::size_t limit) noexcept;
bool is_context(const StackEntry& entry) noexcept;
/// Whether the entry holds a reference to its block.
bool owns_block(const StackEntry& entry) noexcept;

// ---- stash.cpp ----
void stash_begin(Writer& writer, SpanState& span, NameRef name) noexcept;
void stash_end(Writer& writer) noexcept;
void stash_event(Writer& writer, NameRef name, std::span<const Attribute> attributes,
                 const SpanState* span) noexcept;
void stash_attribute(Writer& writer, NameRef key, const AttributeValue& value,
                     const SpanState* span) noexcept;
void count_signal_loss(Writer& writer, Loss kind) noexcept;
/// Writes the stash out; inside a Tracepoint that is ready.
void write_stash(Tracepoint& tracepoint) noexcept;

// ---- drop.cpp ----

/// What SpanState::bits and epoch are, as one word, of a span of this writer whose begin was lost.
inline std::uint64_t lost_life(const Writer& writer) noexcept {
    return std::uint64_t{kStateLost} << 32 | writer.epoch;
}
/// After a begin that was lost. From now on, until a page is released, drop_begin() and drop_end()
/// may answer.
void remember_full(Tracepoint& tracepoint) noexcept;
/// Whether they may, as far as the thread's own words say.
bool is_dropping(const Writer& writer) noexcept;
/// What the slow path does to a plain child of the stack's top, while the ring is as full as it
/// was: counts the span as lost, and pushes it. Returns its key, or 0 if the slow path has to.
std::uint64_t drop_begin(Writer* writer, std::uint32_t flags) noexcept;
/// The end of such a span: it is counted already. Returns false if the slow path has to.
bool drop_end(Writer* writer, std::uint64_t key, std::uint64_t life) noexcept;

// ---- span_begin.cpp ----

/// Whether the reader does not know the tracestate of this parent's trace: spans below must say it.
bool must_tell_state(const StackEntry& parent) noexcept;
/// What a span below `parent` says of it: its tracestate, and, if it is the first one of this
/// process below that context, request id and user id. Losses are counted as details; returns
/// kEntryStateLost if the tracestate is one of them, else 0.
std::uint8_t put_inherited(Tracepoint& tracepoint, const StackEntry& parent,
                           const Addressee& addressee) noexcept;

// ---- values.cpp ----

/// Whether the span was begun on another stream than this writer's.
bool is_foreign(const Writer& writer, std::uint64_t key) noexcept;

/// Puts FOR, which aims the next record at that span; nothing for the current one.
void put_for(Tracepoint& tracepoint, const Addressee& addressee) noexcept;
/// Bytes of the attribute's record, padding included, without NAME.
std::size_t value_bytes(const AttributeValue& value) noexcept;
/// Puts NAME if needed, and the record. Turns pages as needed, so room() must have been asked for
/// the whole, and kForBytesMax.
bool put_attribute(Tracepoint& tracepoint, NameRef key, std::uint32_t number,
                   const AttributeValue& value, std::uint32_t target,
                   const Addressee& addressee) noexcept;
/// Upper bound of what put_attribute puts.
std::size_t attribute_bytes(const Tracepoint& tracepoint, NameRef key, std::uint32_t number,
                            const AttributeValue& value) noexcept;
/// Puts a record that consists of text (status, tracestate).
bool put_text(Tracepoint& tracepoint, std::uint32_t kind, std::uint32_t id, std::string_view text,
              const Addressee& addressee) noexcept;

}  // namespace spanring::detail
