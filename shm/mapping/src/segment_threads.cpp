// SegmentReader: thread slots, revocation, and the life of the producer.

#include <fcntl.h>
#include <linux/membarrier.h>

#include <cerrno>

#include "segment_impl.hpp"
#include "spanring/base/os.hpp"
#include "spanring/base/testpoint.hpp"
#include "spanring/shm/process_identity.hpp"

namespace spanring::shm {
namespace {

template <typename T>
T load_relaxed(const T& word) noexcept {
    // relaxed: counters that only grow, or words that the acquire of `state` has published.
    return RealAtomics::load(word, std::memory_order_relaxed);
}

}  // namespace

Result<std::uint32_t> SegmentReader::slots_declared() const {
    return impl_->load_count(impl_->header().slots_declared, impl_->bounds.slots_max,
                             "number of thread slots");
}

Result<SlotView> SegmentReader::slot(std::uint32_t stream) const {
    Result<std::uint32_t> slots = slots_declared();
    if (!slots) return std::move(slots).error();
    if (stream >= *slots) {
        return impl_->breach("thread slot " + std::to_string(stream) + " of " +
                             std::to_string(*slots));
    }
    const spanring_thread_slot& words = impl_->slot(stream);
    SlotView view;
    Result<void> looked = impl_->guarded([&] {
        // acquire: pairs with the releases in SegmentWriter::acquire_slot() and release_slot().
        view.state = RealAtomics::load(words.state, std::memory_order_acquire);
        // acquire: after a barrier, the writer's page is as it left it (see try_take).
        view.nesting = RealAtomics::load(words.nesting, std::memory_order_acquire);
        view.tid = load_relaxed(words.tid);
        view.next_ordinal = load_relaxed(words.next_ordinal);
        view.next_sequence = load_relaxed(words.next_sequence);
        for (int reason = 0; reason < SPANRING_LOST_REASONS; ++reason) {
            view.lost_spans[reason] = load_relaxed(words.lost_spans[reason]);
            view.lost_ends[reason] = load_relaxed(words.lost_ends[reason]);
            view.lost_details[reason] = load_relaxed(words.lost_details[reason]);
        }
    });
    if (!looked) return std::move(looked).error();
    return view;
}

Result<void> SegmentReader::revoke_slot(std::uint32_t stream) {
    Result<std::uint32_t> slots = slots_declared();
    if (!slots) return std::move(slots).error();
    if (stream >= *slots) {
        return impl_->breach("thread slot " + std::to_string(stream) + " of " +
                             std::to_string(*slots));
    }
    return impl_->guarded([&] {
        // relaxed: the membarrier in take_barrier() orders it before our look at `nesting`.
        RealAtomics::store(impl_->slot(stream).revoked, 1U, std::memory_order_relaxed);
        SPANRING_TESTPOINT("revoke.flagged");
    });
}

bool SegmentReader::take_barrier() const noexcept {
    const Result<std::uint32_t> word = impl_->membarrier_word();
    const bool registered =
        word && (*word == SPANRING_MEMBARRIER_RINGS || *word == SPANRING_MEMBARRIER_SILENT);
    return registered && os::membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0;
}

Result<bool> SegmentReader::try_take(const PageView& view) {
    if (Result<void> valid = impl_->check_index(view.page); !valid) return std::move(valid).error();
    Result<SlotView> owner = slot(view.stream);
    if (!owner) return std::move(owner).error();
    if (owner->nesting != 0) return false;
    SPANRING_TESTPOINT("revoke.outside");
    bool taken = false;
    Result<void> done = impl_->guarded(
        [&] { taken = PageRing::take(impl_->ring, view.page, view.generation, view.stream); });
    if (!done) return std::move(done).error();
    if (taken) return true;
    PageView now;
    Result<bool> holds = peek(view.page, &now);
    if (!holds) return std::move(holds).error();
    return *holds && now.generation == view.generation && now.state == SPANRING_PAGE_FULL;
}

Result<void> SegmentReader::revoke() {
    return impl_->guarded([&] {
        // release: pairs with the acquire in SegmentWriter::revoked().
        RealAtomics::store(impl_->header().revoked, 1U, std::memory_order_release);
        SPANRING_TESTPOINT("revoke.segment");
    });
}

Result<std::uint32_t> SegmentReader::Impl::membarrier_word() const {
    std::uint32_t word_untrusted = 0;
    Result<void> loaded = guarded([&] { word_untrusted = load_relaxed(header().membarrier); });
    if (!loaded) return std::move(loaded).error();
    return word_untrusted;
}

Result<bool> SegmentReader::rings_reliably() const {
    const Result<std::uint32_t> word = impl_->membarrier_word();
    if (!word) return word.error();
    return *word == SPANRING_MEMBARRIER_RINGS;
}

bool SegmentReader::lock_held() const noexcept {
    pid_t holder = 0;
    return os::record_lock_holder(impl_->file.fd(), &holder) == 0 && holder != 0;
}

bool SegmentReader::producer_alive() const noexcept {
    if (lock_held()) return true;
    // The lock is free: the process is gone, or it has closed all its descriptors.
    const SegmentIdentity& who = impl_->identity;
    Key128 boot;
    if (who.pid_start_ticks == 0) return false;  // was not visible to the producer itself
    if (who.boot_id != Key128{} && read_boot_id(&boot) && boot != who.boot_id) return false;
    ProcessStat stat;
    // That we cannot look (EMFILE) says nothing of the process; the next look will.
    if (!read_process_stat(static_cast<pid_t>(who.pid), &stat))
        return errno != ENOENT && errno != ESRCH;
    // A zombie has run its last instruction; another start time is another process.
    return stat.state != 'Z' && stat.state != 'X' && stat.start_ticks == who.pid_start_ticks;
}

Result<void> SegmentReader::check_name() const {
    struct stat named;
    struct stat mapped;
    if (os::stat_at(impl_->directory.get(), impl_->file_name.c_str(), &named,
                    AT_SYMLINK_NOFOLLOW) != 0 ||
        os::stat_fd(impl_->file.fd(), &mapped) != 0) {
        return os_error(errno, "cannot examine " + impl_->file_name);
    }
    if (named.st_dev != mapped.st_dev || named.st_ino != mapped.st_ino) {
        return Error{ErrorCode::kNotFound, impl_->file_name + " is another file now"};
    }
    return {};
}

Result<void> SegmentReader::unlink() {
    if (Result<void> same = check_name(); !same) return same;
    SPANRING_TESTPOINT("end.committed");
    if (os::unlink_at(impl_->directory.get(), impl_->file_name.c_str()) != 0) {
        return os_error(errno, "cannot remove " + impl_->file_name);
    }
    SPANRING_TESTPOINT("end.removed");
    return {};
}

Result<void> SegmentReader::quarantine() {
    if (Result<void> same = check_name(); !same) return same;
    const std::string name = impl_->file_name + kQuarantinedSuffix;
    if (os::rename_at(impl_->directory.get(), impl_->file_name.c_str(), impl_->directory.get(),
                      name.c_str()) != 0) {
        return os_error(errno, "cannot rename " + impl_->file_name);
    }
    return {};
}

}  // namespace spanring::shm
