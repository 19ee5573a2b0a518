#include "tracepoint.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "spanring/base/testpoint.hpp"
#include "spanring/shm/doorbell.hpp"

namespace spanring::detail {
namespace {

/// Inline names are cut to this, or to a quarter of a page's records.
constexpr std::size_t kInlineNameMax = 4096;

/// What a record that must not be cut may leave unused at the end of a page, beside its name (a
/// quarter of the page's records): FOR, a TIME_BASE for each, and the front of a link or value.
constexpr std::size_t kLeftUnused = kForBytesMax + kTimeBaseBytes + 40;

/// Takes a slot of the current segment, and holds it. Under the lock.
bool take_slot(Process& process, Writer& writer) noexcept {
    HeldSegment& held = *process.wiped->current;
    shm::SegmentWriter& segment = held.writer;
    const std::uint32_t stream = segment.acquire_slot(static_cast<std::uint32_t>(::gettid()));
    if (stream == shm::SegmentWriter::kNoSlot) return false;
    spanring_thread_slot* slot = segment.slot(stream);
    // relaxed, all: acquire_slot ordered them after the last owner's.
    __atomic_store_n(&slot->nesting, 1U, __ATOMIC_RELAXED);
    const std::uint64_t ordinal = __atomic_load_n(&slot->next_ordinal, __ATOMIC_RELAXED);
    writer.next_sequence = __atomic_load_n(&slot->next_sequence, __ATOMIC_RELAXED);
    writer.stream = stream;
    writer.next_key = SpanKey::of(stream, ordinal == 0 ? 1 : ordinal).value;
    writer.clock_kind = segment.clock_kind();
    writer.epoch = process.epoch;
    writer.segment = &held;
    ++held.holders;
    writer.slot = slot;
    // The reader knows nothing of this thread.
    ThreadState& state = *state_of(&writer);
    writer.resync = state.top != state.base ? 1 : 0;
    state.known_depth = 0;
    return true;
}

}  // namespace

Losses& early_losses() noexcept {
    static constinit Losses losses{};
    return losses;
}

std::uint64_t* counts_of(Losses& losses, Loss kind) noexcept {
    return kind == Loss::kSpan ? losses.spans : kind == Loss::kEnd ? losses.ends : losses.details;
}

Tracepoint::Tracepoint(bool start_segment) noexcept {
    process_ = detail::process();
    if (process_ == nullptr) return;
    writer_ = thread_writer(*process_);
    if (writer_ == nullptr) return;
    // relaxed: this thread's own words; set means that we are a signal handler over ourselves.
    if (writer_ == nobody() || writer_->busy != 0 || state_of(writer_)->inside != 0 ||
        (writer_->slot != nullptr &&
         __atomic_load_n(&writer_->slot->nesting, __ATOMIC_RELAXED) != 0)) {
        state_ = State::kSignal;
        return;
    }
    writer_->busy = 1;
    state_of(writer_)->inside = 1;
    signal_fence();
    entered_ = true;
    // relaxed: says only that configure() comes too late.
    if (start_segment) __atomic_store_n(&process_->configured, 1U, __ATOMIC_RELAXED);
    enter(start_segment);
}

void Tracepoint::enter(bool start_segment) noexcept {
    if (process_->wiped->home == 0) {
        const OwnerGuard guard(process_->wiped->lock);
        if (guard && process_->wiped->home == 0) adopt_after_fork(*process_);
    }
    const bool on = start(*process_) && enabled(load_flags());
    if (writer_->slot != nullptr) {
        // relaxed: ordered by the consumer's membarrier, see detail::enter.
        __atomic_store_n(&writer_->slot->nesting, 1U, __ATOMIC_RELAXED);
        signal_fence();
        SPANRING_TESTPOINT("slow.entered");
    }
    // Nothing more is to be written into a segment that the consumer has looked at for the last
    // time: not even what belongs to its spans, which counts as lost.
    const bool replace = writer_->slot != nullptr && !replaced(*process_, *writer_) &&
                         segment_of(*writer_).revoked();
    if (!settle_instance((start_segment || replace) && on)) return;
    state_ = on || !start_segment ? State::kReady : State::kDark;
}

// Which segment is the current one is decided under the lock; a writer that has a slot in it holds
// it, so that looking at it needs none.
bool Tracepoint::settle_instance(bool start_segment) noexcept {
    Process& p = *process_;
    Writer& w = *writer_;
    const bool current = w.slot != nullptr && !replaced(p, w);
    if (!start_segment && w.slot == nullptr && state_of(&w)->epoch == epoch_of(p)) return false;
    if (!current || (start_segment && segment_of(w).revoked())) {
        if (in_vforked_child(p)) {
            reason_ = LossReason::kSignal;
            return false;
        }
        const OwnerGuard guard(p.wiped->lock);
        if (!guard) {
            reason_ = LossReason::kSignal;  // this thread looks at losses or waits in flush
            return false;
        }
        if (start_segment && !ensure_segment(p)) reason_ = LossReason::kNoMemory;
        change_instance(start_segment);
    }
    if (w.slot == nullptr) return false;
    if (start_segment && segment_of(w).revoked()) return false;  // and no other could be made
    yield_taken_page(p, w);
    return true;
}

// Under the lock.
void Tracepoint::change_instance(bool take) noexcept {
    Process& p = *process_;
    ThreadState& stack = *state_of(writer_);
    if (stack.epoch != p.epoch) {
        if (stack.epoch != 0) leave_instance(p, stack, false);
        stack.epoch = p.epoch;
        stack.lost_ends_count = 0;  // of the older instance
    }
    if (writer_->slot != nullptr && writer_->epoch != p.epoch) {
        // release: pairs with the consumer's acquire of `nesting`: it waits for nobody who has
        // left.
        __atomic_store_n(&writer_->slot->nesting, 0U, __ATOMIC_RELEASE);
        leave_segment(p, *writer_);
    }
    if (writer_->slot != nullptr || !take || p.wiped->current == nullptr) return;
    if (!take_slot(p, *writer_)) reason_ = LossReason::kNoMemory;
}

Tracepoint::~Tracepoint() {
    if (!entered_) return;
    if (writer_->slot != nullptr) {
        publish();
        if (writer_->stash.used != 0) write_stash(*this);
        const std::uint32_t flags = load_flags();
        const bool gated = (stack().top->flags & kEntryGated) != 0;
        const bool open = enabled(flags) && !gated && writer_->epoch == epoch_of(*process_);
        const bool dropping = is_dropping(*writer_);
        writer_->gate = open && !dropping ? gate_word(flags) : 0;
        writer_->drop_gate = open && dropping ? gate_word(flags) : 0;
        leave(writer_->slot);
    }
    signal_fence();
    state_of(writer_)->inside = 0;
    writer_->busy = 0;
    signal_fence();
    if (process_->control != nullptr && process_->doorbell != nullptr) {
        shm::ring_if_waiting(process_->control->flags, process_->doorbell->word);
    }
    // A handler that came behind write_stash() took us for inside. Nobody else writes what it left
    // before the thread's next tracepoint, which may never be.
    if (writer_->slot != nullptr && writer_->stash.used != 0) after_slow(writer_);
}

void Tracepoint::publish() noexcept {
    if (writer_->generation == 0) return;
    SPANRING_TESTPOINT("slow.written");
    // release: pairs with the acquire of `committed` in PageRing::peek: the records come first.
    __atomic_store_n(writer_->committed,
                     writer_->mark_bias + reinterpret_cast<std::uintptr_t>(writer_->cursor),
                     __ATOMIC_RELEASE);
    SPANRING_TESTPOINT("slow.published");
}

std::size_t Tracepoint::page_room() const noexcept {
    const std::size_t records = segment_of(*writer_).page_bytes() - SPANRING_PAGE_DATA;
    const std::size_t depth = static_cast<std::size_t>(stack().top - stack().base);
    std::size_t snapshot = depth == 0 ? 0 : 8 + 32 * (depth < 64 ? depth : 64);
    if (snapshot > records / 2) snapshot = records / 2;
    return records - snapshot - 16;
}

bool Tracepoint::room(std::size_t bytes) noexcept {
    if (bytes <= left()) return true;
    if (bytes <= page_room()) return turn_page(*process_, *writer_, bytes, reason_);
    // Larger than a page: all pages first, so that it is written whole or not at all. What is large
    // beside the ring itself is written page by page, by who may wait for each. The pages of the
    // stack's snapshot come before.
    const std::size_t pages = bytes / (page_room() - page_room() / 4 - kLeftUnused) + 1;
    if (!may_block(*process_) || pages <= segment_of(*writer_).pages_max() / 2) {
        if (writer_->resync != 0 && !turn_page(*process_, *writer_, 0, reason_)) return false;
        if (!claim_ahead(*process_, *writer_, pages, reason_)) return false;
    }
    return turn_page(*process_, *writer_, page_room(), reason_);
}

bool Tracepoint::next_page(std::size_t bytes) noexcept {
    return bytes <= left() || turn_page(*process_, *writer_, bytes, reason_);
}

void Tracepoint::lost(Loss kind, LossReason reason) noexcept {
    const auto index = static_cast<unsigned>(reason);
    if (writer_ == nullptr || writer_->slot == nullptr || writer_->epoch != epoch_of(*process_)) {
        Losses& sum = process_ != nullptr ? process_->unslotted : early_losses();
        return count_loss(counts_of(sum, kind)[index]);
    }
    spanring_thread_slot& slot = *writer_->slot;
    std::uint64_t* counts = kind == Loss::kSpan  ? slot.lost_spans
                            : kind == Loss::kEnd ? slot.lost_ends
                                                 : slot.lost_details;
    // relaxed, both: only the owner writes it; the reader takes differences.
    __atomic_store_n(&counts[index], __atomic_load_n(&counts[index], __ATOMIC_RELAXED) + 1,
                     __ATOMIC_RELAXED);
}

void Tracepoint::lost_without_segment(Loss kind) noexcept {
    if (process_ != nullptr) {
        // Without the control page nobody knows whether it would have been recorded; what is
        // missing for want of descriptors or memory, this thread's writer included, counts.
        const bool starved = process_->starved || writer_ == nullptr;
        if (process_->control == nullptr ? !starved : !enabled(load_flags())) return;
        if (entered_ && (stack().top->flags & kEntrySuppressed) != 0) return;
    }
    lost(kind, reason_ == LossReason::kSignal ? reason_ : LossReason::kNoMemory);
}

void Tracepoint::out_of_step(std::size_t known) noexcept {
    publish();
    seal_page(*process_, *writer_);
    ThreadState& state = stack();
    if (writer_->resync == 0 || known < state.known_depth) {
        state.known_depth = static_cast<std::uint32_t>(known);
    }
    writer_->resync = 1;
    // relaxed: see install() in page.cpp.
    __atomic_store_n(&writer_->slot->next_ordinal, SpanKey{writer_->next_key}.ordinal(),
                     __ATOMIC_RELAXED);
}

void Tracepoint::bytes(const void* data, std::size_t count) noexcept {
    put_padded(writer_, data, count);
}

void Tracepoint::timed(std::uint32_t kind, std::uint32_t id) noexcept {
    timed_at(kind, id, shm::ticks(writer_->clock_kind));
}

void Tracepoint::timed_at(std::uint32_t kind, std::uint32_t id, std::uint64_t ticks) noexcept {
    // A handler's time may be older than the page that it is written to.
    std::uint64_t delta = ticks > writer_->base_ticks ? ticks - writer_->base_ticks : 0;
    if ((delta >> 32) != 0) {
        record(SPANRING_REC_TIME_BASE, 0, 0);
        word(ticks);
        writer_->base_ticks = ticks;
        delta = 0;
    }
    record(kind, id, static_cast<std::uint32_t>(delta));
}

void Tracepoint::retype(std::size_t record_bytes, std::uint32_t kind) noexcept {
    // The kind is the head's lowest byte.
    writer_->cursor[-static_cast<std::ptrdiff_t>(record_bytes)] = static_cast<char>(kind);
}

bool Tracepoint::take_slot_now() noexcept {
    if (!entered_ || !enabled(load_flags()) || !settle_instance(true)) return false;
    state_ = State::kReady;
    return true;
}

std::uint32_t Tracepoint::number_of(NameRef name) noexcept {
    if (const std::uint32_t known = cached_number(name.name); known != 0) return known;
    const std::uint32_t number = segment_of(*writer_).intern(name.text);
    if (name.name != nullptr && number != SPANRING_ID_INLINE && number != SPANRING_ID_NONE) {
        // relaxed: the number stands for itself, see cached_number.
        __atomic_store_n(&name.name->number, number, __ATOMIC_RELAXED);
    }
    return number;
}

std::string_view Tracepoint::name_text(NameRef name) const noexcept {
    std::size_t most = page_room() / 4;
    if (most > kInlineNameMax) most = kInlineNameMax;
    return name.text.substr(0, most);
}

std::size_t Tracepoint::name_bytes(NameRef name, std::uint32_t number) const noexcept {
    if (number != SPANRING_ID_INLINE) return 0;
    return 8 + ((name_text(name).size() + 7) & ~std::size_t{7});
}

void Tracepoint::inline_name(NameRef name, std::uint32_t number) noexcept {
    if (number != SPANRING_ID_INLINE) return;
    const std::string_view text = name_text(name);
    record(SPANRING_REC_NAME, 0, static_cast<std::uint32_t>(text.size()));
    bytes(text.data(), text.size());
}

Tracepoint::Payload::Payload(Tracepoint& tracepoint, std::uint32_t kind, std::uint32_t id,
                             std::size_t total) noexcept
    : tracepoint_(tracepoint), left_(total) {
    const std::size_t room = (tracepoint_.left() - 8) & ~std::size_t{7};
    piece_ = total < room ? total : room;
    padding_ = (8 - (piece_ & 7)) & 7;
    tracepoint_.record(kind, id, static_cast<std::uint32_t>(piece_));
    left_ -= piece_;
}

bool Tracepoint::Payload::next_piece() noexcept {
    pad();
    if (!tracepoint_.next_page(24)) return good_ = false;
    const std::size_t room = (tracepoint_.left() - 8) & ~std::size_t{7};
    piece_ = left_ < room ? left_ : room;
    padding_ = (8 - (piece_ & 7)) & 7;
    left_ -= piece_;
    tracepoint_.record(SPANRING_REC_CONTINUE, left_ == 0 ? 1 : 0,
                       static_cast<std::uint32_t>(piece_));
    return true;
}

bool Tracepoint::Payload::write(const void* data, std::size_t count) noexcept {
    const char* from = static_cast<const char*>(data);
    while (count != 0) {
        if (piece_ == 0 && !next_piece()) return false;
        const std::size_t part = count < piece_ ? count : piece_;
        std::memcpy(tracepoint_.writer().cursor, from, part);
        tracepoint_.writer().cursor += part;
        from += part;
        count -= part;
        piece_ -= part;
    }
    return true;
}

void Tracepoint::Payload::pad() noexcept {
    std::memset(tracepoint_.writer().cursor, 0, padding_);
    tracepoint_.writer().cursor += padding_;
    padding_ = 0;
}

bool Tracepoint::Payload::finish() noexcept {
    if (good_) pad();
    return good_;
}

// Out of line end of the hot path. The Tracepoint's own end does all of it.
void after_slow(Writer*) noexcept {
    const Tracepoint rest(false);
}

}  // namespace spanring::detail
