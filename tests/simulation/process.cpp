#include "process.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "spanring/abi/record_layout.h"
#include "spanring/shm/doorbell.hpp"

namespace spanring::simulation {
namespace {

/// A snapshot of it, 24 bytes an entry, takes half of the smallest page's records.
constexpr std::size_t kDepthMax = 12;
constexpr std::size_t kAsyncMax = 40;

std::uint32_t low24(std::uint64_t ordinal) {
    return static_cast<std::uint32_t>(ordinal) & 0xffffff;
}

}  // namespace

MadeUpProcess::MadeUpProcess(MadeUpMachine& machine, const shm::RingDirectory& directory,
                             std::uint64_t seed, const ProcessOptions& options)
    : machine_(machine), directory_(directory), chance_(seed), options_(options) {
    auto control = directory.map_control(Mapping::Access::kReadWrite);
    auto doorbell = directory.map_doorbell();
    if (control) control_ = std::move(*control);
    if (doorbell) doorbell_ = std::move(*doorbell);
    acts_at_ns_ = machine_.now_ns() + chance_.magnitude(1'000, 100'000'000);
}

MadeUpProcess::~MadeUpProcess() {
    for (auto& life : lives_) life->segment.destroy();
}

// ---- lives ----

void MadeUpProcess::begin_life() {
    auto life = std::make_unique<Life>();
    shm::SegmentOptions options;
    options.ring_bytes_initial = options_.ring_bytes_initial;
    options.ring_bytes_max = options_.ring_bytes_max;
    options.page_bytes = options_.page_bytes;
    options.slots_max = 16;
    options.strings_max = 64;
    options.clock_kind = options_.counter ? SPANRING_CLOCK_TSC : SPANRING_CLOCK_MONOTONIC;
    options.process_name = "simulated";
    options.host_key = control_.host_key();
    options.boot_id = control_.boot_id();
    if (options_.other_boot) options.boot_id[0] ^= 1;
    if (!life->segment.open(directory_, options)) return;
    // Nobody but the lock says whether it lives: its pid is this test's.
    reinterpret_cast<spanring_segment_header*>(life->segment.mapping().data)->pid_start_ticks = 0;
    struct stat info {};
    (void)::fstat(life->segment.mapping().fd, &info);
    life->inode = info.st_ino;
    machine_.set_lock(life->inode, true);
    life->instance = life->segment.instance();
    life->span_key = life->segment.span_key();
    life->host_key = life->segment.host_key();
    life->file = life->segment.file_name();
    life->counter = options_.counter;
    for (std::uint32_t i = 0; i < kNames; ++i) names_[i] = life->segment.intern(name(i));
    for (std::uint32_t i = 0; i < kKeys; ++i) keys_[i] = life->segment.intern(key(i));
    machine_.say("process begins " + life->file);
    lives_.push_back(std::move(life));
    life_ = lives_.back().get();
    threads_.assign(options_.threads, {});
    for (Thread& thread : threads_) start_thread(thread);
}

void MadeUpProcess::start_thread(Thread& thread) {
    thread = {};
    thread.stream = life_->segment.acquire_slot(1);
    if (thread.stream == shm::SegmentWriter::kNoSlot) return;
    thread.slot = life_->segment.slot(thread.stream);
    thread.ordinal = std::max<std::uint64_t>(1, thread.slot->next_ordinal);
    thread.sequence = thread.slot->next_sequence;
}

void MadeUpProcess::end_thread(Thread& thread) {
    while (!thread.stack.empty()) thread.stack.back().is_context ? detach(thread) : end_top(thread);
    if (!thread.page.valid() || !thread.owed.empty()) {
        // What was popped, or ended, and could not be told: a page that has no stack tells.
        if (!turn_page(thread, 8)) return;
        if (thread.used == SPANRING_PAGE_DATA) {
            write(thread, {spanring_record_head(SPANRING_REC_SNAPSHOT, 0, 0)});
        }
        publish(thread);
        if (!thread.owed.empty()) return;
    }
    seal(thread);
    thread.slot->next_ordinal = thread.ordinal;
    life_->segment.release_slot(thread.stream);
    start_thread(thread);
}

void MadeUpProcess::end_life() {
    life_->is_over = true;
    machine_.set_lock(life_->inode, false);
    life_ = nullptr;
    open_async_.clear();
    acts_at_ns_ = machine_.now_ns() + chance_.magnitude(1'000'000, 5'000'000'000);
}

void MadeUpProcess::die() {
    if (life_ == nullptr) return;
    machine_.say("process dies, " + life_->file);
    Thread& thread = threads_[chance_.below(threads_.size())];
    switch (thread.slot == nullptr ? 3 : chance_.below(4)) {
        case 0:  // between the claim of a page and its header
            (void)life_->segment.claim_page(thread.stream);
            break;
        case 1:  // inside a tracepoint, with records that are not published
            thread.slot->nesting = 1;
            if (thread.page.valid() && thread.used + 8 <= options_.page_bytes) {
                write(thread, {spanring_record_head(SPANRING_REC_BEGIN, names_[0], 0)});
            }
            break;
        case 2:  // with a page given up, and no other
            seal(thread);
            break;
        default: break;
    }
    end_life();
}

void MadeUpProcess::exit() {
    if (life_ == nullptr) return;
    machine_.say("process exits, " + life_->file);
    // Who was taken for dead meanwhile has nobody to tell.
    if (life_->segment.revoked()) return end_life();
    for (Thread& thread : threads_) {
        if (thread.slot == nullptr) continue;
        while (!open_async_.empty()) end_async(thread);
        end_thread(thread);
    }
    end_life();
}

void MadeUpProcess::seem_dead() {
    if (life_ != nullptr) machine_.set_lock(life_->inode, false);
}

void MadeUpProcess::act() {
    const std::int64_t now = machine_.now_ns();
    // Bursts, with pauses between them.
    acts_at_ns_ = now + (chance_.one_in(30) ? chance_.magnitude(1'000, options_.pause_ns_max)
                                            : chance_.between(500, 20'000));
    if (!control_.enabled()) {
        acts_at_ns_ = now + 1'000'000;
        return;
    }
    if (life_ != nullptr && life_->segment.revoked()) {
        machine_.say("process finds itself taken for dead, " + life_->file);
        end_life();
        acts_at_ns_ = now + 1'000;
        return;
    }
    if (life_ == nullptr) {
        begin_life();
        return;
    }
    Thread& thread = threads_[chance_.below(threads_.size())];
    if (thread.slot == nullptr) return start_thread(thread);
    if (thread.slot->revoked != 0) {
        seal(thread);
        thread.slot->revoked = 0;
    }
    const std::uint64_t roll = chance_.below(1000);
    if (roll < 270) return begin(thread, false);
    if (roll < 500) return end_top(thread);
    if (roll < 530) return end_below(thread);
    if (roll < 610) return begin(thread, true);
    if (roll < 690) return end_async(thread);
    if (roll < 830) return detail(thread);
    if (roll < 870) return detail_async(thread);
    if (roll < 920) return event(thread);
    if (roll < 960) return attach(thread);
    if (roll < 995) return detach(thread);
    if (roll < 998) return end_thread(thread);
    if (chance_.one_in(2)) return die();
    exit();
}

// ---- pages ----

std::uint64_t MadeUpProcess::ticks() const {
    return life_->counter ? machine_.counter_now() : static_cast<std::uint64_t>(machine_.now_ns());
}

// A counter that went back: as late as what was before.
std::uint32_t MadeUpProcess::delta(std::uint64_t base) const {
    return ticks() > base ? static_cast<std::uint32_t>(ticks() - base) : 0;
}

void MadeUpProcess::seal(Thread& thread) {
    if (thread.page.valid()) (void)life_->segment.mark_full(thread.page, thread.stream);
    thread.page = {};
}

// The page is given up, so that the next begins with the truth.
void MadeUpProcess::out_of_step(Thread& thread) {
    seal(thread);
    thread.slot->next_ordinal = thread.ordinal;
}

bool MadeUpProcess::turn_page(Thread& thread, std::size_t needed) {
    shm::PageClaim page = life_->segment.claim_page(thread.stream);
    while (!page.valid()) {
        const shm::Growth growth = life_->segment.grow();
        if (growth != shm::Growth::kGrown) {
            thread.reason =
                growth == shm::Growth::kNoSpace ? SPANRING_LOST_NO_MEMORY : SPANRING_LOST_RING_FULL;
            return false;
        }
        page = life_->segment.claim_page(thread.stream);
    }
    seal(thread);
    install(thread, page);
    while (!thread.owed.empty() && thread.used + 16 + needed <= options_.page_bytes) {
        write(thread, {spanring_record_head(SPANRING_REC_LOST_END, 0, 0), thread.owed.back()});
        thread.owed.pop_back();
    }
    return true;
}

void MadeUpProcess::install(Thread& thread, const shm::PageClaim& page) {
    thread.page = page;
    thread.base = ticks();
    thread.used = SPANRING_PAGE_DATA;
    shm::PageRing::write_header(page,
                                {thread.stream, thread.sequence++, thread.base, thread.ordinal});
    thread.slot->next_sequence = thread.sequence;
    thread.slot->next_ordinal = thread.ordinal;
    if (thread.stack.empty()) return;
    const auto depth = static_cast<std::uint32_t>(thread.stack.size());
    std::vector<std::uint64_t> words{spanring_record_head(SPANRING_REC_SNAPSHOT, depth, depth)};
    for (const Entry& entry : thread.stack) {
        if (entry.is_context) {
            words.push_back(spanring_record_head(SPANRING_REC_ATTACH_LOCAL, 0, 0));
            words.push_back(entry.key);
        } else {
            words.push_back(
                spanring_record_head(SPANRING_REC_OPEN, entry.lost ? SPANRING_OPEN_LOST : 0, 0));
            words.push_back(SpanKey{entry.key}.ordinal());
        }
        words.push_back(entry.root);
    }
    write(thread, words);
}

void MadeUpProcess::write(Thread& thread, const std::vector<std::uint64_t>& words) {
    std::memcpy(thread.page.bytes() + thread.used, words.data(), words.size() * 8);
    thread.used += static_cast<std::uint32_t>(words.size() * 8);
}

void MadeUpProcess::publish(Thread& thread) {
    shm::PageRing::publish(thread.page, thread.used);
    ring();
}

void MadeUpProcess::ring() {
    shm::ring_if_waiting(*control_.flags_word(), doorbell_.as<spanring_doorbell>()->word);
}

template <typename Build>
bool MadeUpProcess::put(Thread& thread, std::size_t bytes, Build build) {
    constexpr std::size_t kTimeBase = 16;
    if (!thread.page.valid() || thread.used + bytes + kTimeBase > options_.page_bytes) {
        if (!turn_page(thread, bytes + kTimeBase)) return false;
    }
    std::vector<std::uint64_t> words;
    if (ticks() > thread.base && ticks() - thread.base > UINT32_MAX) {
        words = {spanring_record_head(SPANRING_REC_TIME_BASE, 0, 0), ticks()};
        thread.base = ticks();
    }
    build(words, thread.base);
    write(thread, words);
    publish(thread);
    return true;
}

void MadeUpProcess::count(Thread& thread,
                          std::uint64_t (spanring_thread_slot::*counts)[SPANRING_LOST_REASONS],
                          std::uint64_t& total) {
    ++(thread.slot->*counts)[thread.reason];
    ++total;
}

// ---- tracepoints ----

void MadeUpProcess::begin(Thread& thread, bool async) {
    if (async ? open_async_.size() >= kAsyncMax : thread.stack.size() >= kDepthMax) return;
    const std::uint32_t name = static_cast<std::uint32_t>(chance_.below(kNames));
    const std::uint64_t key = SpanKey::of(thread.stream, thread.ordinal).value;
    const bool is_root = thread.stack.empty();
    Told told;
    told.key = key;
    told.parent = is_root ? 0 : thread.stack.back().key;
    told.root = is_root ? key : thread.stack.back().root;
    told.name = name;
    told.is_async = async;
    const bool written = put(thread, 8, [&](auto& words, std::uint64_t base) {
        words.push_back(spanring_record_head(async ? SPANRING_REC_BEGIN_ASYNC : SPANRING_REC_BEGIN,
                                             names_[name], delta(base)));
    });
    ++thread.ordinal;
    // Not before: a ring that grows takes time.
    told.began_mono_ns = machine_.now_ns();
    told.began_wall_ns = machine_.wall_ns();
    told.begin_lost = !written;
    if (!written) count(thread, &spanring_thread_slot::lost_spans, life_->lost_spans);
    if (async && written) open_async_.push_back(key);
    if (!async) thread.stack.push_back({.key = key, .root = told.root, .lost = !written});
    life_->spans.emplace(key, std::move(told));
    if (!written) out_of_step(thread);
}

void MadeUpProcess::note_end(Thread& thread, Told& told) {
    told.end = Told::End::kEnded;
    told.ended_mono_ns = machine_.now_ns();
    told.end_page = thread.page.page;
    told.end_mark = spanring_page_mark(thread.page.generation, thread.used);
}

// The end of a sync span of this thread.
bool MadeUpProcess::end_of(Thread& thread, Told& told, std::uint32_t kind) {
    return put(thread, 8, [&](auto& words, std::uint64_t base) {
        words.push_back(
            spanring_record_head(kind, low24(SpanKey{told.key}.ordinal()), delta(base)));
    });
}

void MadeUpProcess::end_top(Thread& thread) {
    if (thread.stack.empty() || thread.stack.back().is_context) return;
    const Entry entry = thread.stack.back();
    Told& told = life_->spans.at(entry.key);
    // A snapshot that the end needs still tells of the span.
    const bool written = end_of(thread, told, SPANRING_REC_END);
    thread.stack.pop_back();
    if (written) {
        if (!entry.lost) note_end(thread, told);
        return;
    }
    if (!entry.lost) {
        told.end = Told::End::kLost;
        count(thread, &spanring_thread_slot::lost_ends, life_->lost_ends);
    }
    out_of_step(thread);
}

// Not in the order of their begins.
void MadeUpProcess::end_below(Thread& thread) {
    if (thread.stack.size() < 2) return;
    const std::size_t at = chance_.below(thread.stack.size());
    const Entry entry = thread.stack[at];
    if (entry.is_context || entry.lost) return;
    Told& told = life_->spans.at(entry.key);
    const bool written = end_of(thread, told, SPANRING_REC_END);
    thread.stack.erase(thread.stack.begin() + static_cast<std::ptrdiff_t>(at));
    if (written) return note_end(thread, told);
    told.end = Told::End::kLost;
    count(thread, &spanring_thread_slot::lost_ends, life_->lost_ends);
    out_of_step(thread);
}

Told* MadeUpProcess::some_async(bool own, const Thread& thread) {
    if (open_async_.empty()) return nullptr;
    Told& told = life_->spans.at(open_async_[chance_.below(open_async_.size())]);
    if (own && SpanKey{told.key}.stream() != thread.stream) return nullptr;
    return &told;
}

void MadeUpProcess::end_async(Thread& thread) {
    Told* told = some_async(false, thread);
    if (told == nullptr) return;
    if (SpanKey{told->key}.stream() != thread.stream) told->shared = true;
    std::erase(open_async_, told->key);
    const bool written = put(thread, 24, [&](auto& words, std::uint64_t base) {
        const auto at = delta(base);
        words.push_back(told->shared
                            ? spanring_record_head(SPANRING_REC_FOR, SPANRING_FOR_ORDERED, at)
                            : spanring_record_head(SPANRING_REC_FOR, 0, 0));
        words.push_back(told->key);
        words.push_back(
            spanring_record_head(SPANRING_REC_END, low24(SpanKey{told->key}.ordinal()), at));
    });
    if (written) return note_end(thread, *told);
    told->end = Told::End::kLost;
    count(thread, &spanring_thread_slot::lost_ends, life_->lost_ends);
    thread.owed.push_back(told->key);
    out_of_step(thread);
}

void MadeUpProcess::attach(Thread& thread) {
    Told* told = some_async(false, thread);
    if (told == nullptr || thread.stack.size() >= kDepthMax) return;
    told->shared = true;
    const bool written = put(thread, 24, [&](auto& words, std::uint64_t) {
        words.push_back(spanring_record_head(SPANRING_REC_ATTACH_LOCAL, 0, 0));
        words.push_back(told->key);
        words.push_back(told->root);
    });
    thread.stack.push_back({.key = told->key, .root = told->root, .is_context = true});
    if (!written) out_of_step(thread);
}

void MadeUpProcess::detach(Thread& thread) {
    if (thread.stack.empty() || !thread.stack.back().is_context) return;
    const bool written = put(thread, 8, [](auto& words, std::uint64_t) {
        words.push_back(spanring_record_head(SPANRING_REC_DETACH, 0, 0));
    });
    thread.stack.pop_back();
    if (!written) out_of_step(thread);
}

void MadeUpProcess::detail(Thread& thread) {
    if (thread.stack.empty() || thread.stack.back().is_context || thread.stack.back().lost) return;
    Told& told = life_->spans.at(thread.stack.back().key);
    const auto key = static_cast<std::uint32_t>(chance_.below(kKeys));
    if (chance_.one_in(3)) {
        const std::size_t most = chance_.one_in(10) ? options_.page_bytes / 2 : 40;
        std::string text(chance_.below(most) + 1, static_cast<char>('a' + chance_.below(26)));
        const std::size_t words_of_text = (text.size() + 7) / 8;
        const bool written = put(thread, 8 + 8 * words_of_text, [&](auto& words, std::uint64_t) {
            words.push_back(spanring_record_head(SPANRING_REC_ATTR_STRING, keys_[key],
                                                 static_cast<std::uint32_t>(text.size())));
            const std::size_t at = words.size();
            words.resize(at + words_of_text);
            std::memcpy(words.data() + at, text.data(), text.size());
        });
        if (written) return told.details.emplace_back(key, std::move(text)), void();
    } else {
        const auto value = static_cast<std::int64_t>(chance_.next());
        const bool written = put(thread, 16, [&](auto& words, std::uint64_t) {
            words.push_back(spanring_record_head(SPANRING_REC_ATTR_INT, keys_[key], 0));
            words.push_back(static_cast<std::uint64_t>(value));
        });
        if (written) return told.details.emplace_back(key, value), void();
    }
    count(thread, &spanring_thread_slot::lost_details, life_->lost_details);
}

void MadeUpProcess::detail_async(Thread& thread) {
    Told* told = some_async(false, thread);
    if (told == nullptr) return;
    if (SpanKey{told->key}.stream() != thread.stream) told->shared = true;
    const auto key = static_cast<std::uint32_t>(chance_.below(kKeys));
    const auto value = static_cast<std::int64_t>(chance_.next());
    const bool written = put(thread, 32, [&](auto& words, std::uint64_t base) {
        const auto at = delta(base);
        words.push_back(told->shared
                            ? spanring_record_head(SPANRING_REC_FOR, SPANRING_FOR_ORDERED, at)
                            : spanring_record_head(SPANRING_REC_FOR, 0, 0));
        words.push_back(told->key);
        words.push_back(spanring_record_head(SPANRING_REC_ATTR_INT, keys_[key], 0));
        words.push_back(static_cast<std::uint64_t>(value));
    });
    if (written) return told->details.emplace_back(key, value), void();
    count(thread, &spanring_thread_slot::lost_details, life_->lost_details);
}

void MadeUpProcess::event(Thread& thread) {
    if (thread.stack.empty() || thread.stack.back().is_context || thread.stack.back().lost) return;
    Told& told = life_->spans.at(thread.stack.back().key);
    const bool written = put(thread, 8, [&](auto& words, std::uint64_t base) {
        words.push_back(spanring_record_head(SPANRING_REC_EVENT, names_[0], delta(base)));
    });
    if (written) {
        ++told.events;
    } else {
        count(thread, &spanring_thread_slot::lost_details, life_->lost_details);
    }
}

}  // namespace spanring::simulation
