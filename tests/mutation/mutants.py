"""The mutants: one change each to a place that matters, and the tests that have to notice it.

`old` stands exactly once in `file` (tests/tidy checks it, so no mutant outlives what it breaks).
`tests` is the ctest filter of the tests that are run.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    name: str
    breaks: str  # what is wrong with it, for the reader of the report
    file: str
    old: str
    new: str
    tests: str


MUTANTS = (
    Mutant(
        "publish_relaxed",
        "a weakened memory order: records may become visible behind `committed`",
        "shm/include/spanring/shm/page_ring.hpp",
        """Atomics::store(claim.header->committed, spanring_page_mark(claim.generation, bytes),
                       std::memory_order_release);""",
        """Atomics::store(claim.header->committed, spanring_page_mark(claim.generation, bytes),
                       std::memory_order_relaxed);""",
        "^model_ring$",
    ),
    Mutant(
        "generation_unchecked",
        "a check removed: the header of a page's earlier life is taken for this one's",
        "shm/include/spanring/shm/page_ring.hpp",
        "load(header.generation, std::memory_order_acquire) != generation) return seen;",
        "load(header.generation, std::memory_order_acquire) == ~generation) return seen;",
        "^(model_ring|unit_shm)$",
    ),
    Mutant(
        "release_before_commit",
        "the producers are told before the frame is committed",
        "consumer/src/consumer_turn.cpp",
        "    bytes_in_flight_ += turn->bytes;\n",
        """    bytes_in_flight_ += turn->bytes;
    for (SegmentMarks& marks : turn->marks) {
        const auto at = segments_.find(marks.segment);
        if (at == segments_.end() || marks.ended) continue;
        (void)at->second->commit(marks);
        marks.pages.clear();
    }
""",
        "^(process_consumer|simulation)$",
    ),
    Mutant(
        "failed_commit_told",
        "what could not be committed is told to the producers as stored",
        "consumer/src/consumer_turn.cpp",
        "if (turn->outcome == Turn::Outcome::kCommitted) {",
        "if (turn->outcome != Turn::Outcome::kPending) {",
        "^simulation$",
    ),
    Mutant(
        "position_behind_by_a_record",
        "the committed position leaves the last record out, which is read twice",
        "consumer/src/segment.cpp",
        "read.bytes = view.committed;",
        "read.bytes = view.committed - 8;",
        "^process_consumer$",
    ),
    Mutant(
        "ended_forgotten",
        "the ring that the last consumer had stored to its end is read again",
        "consumer/src/consumer_segments.cpp",
        "if (ended_.contains(reader->identity().instance)) {",
        "if (false) {",
        "^process_consumer$",
    ),
    Mutant(
        "no_standstill",
        "the last look at a ring comes while its threads may still write",
        "consumer/src/consumer_segments.cpp",
        "segment.life == Segment::Life::kDead && segment.stands_still();",
        "segment.life == Segment::Life::kDead;",
        "^process_consumer$",
    ),
    Mutant(
        "frame_unchecked",
        "a check removed: the checksum of a frame's header",
        "store/src/frame_view.cpp",
        "if (crc32c(checked) != header.header_crc)",
        "if (false && crc32c(checked) != header.header_crc)",
        "^unit_store_damage$",
    ),
    Mutant(
        "numbers_used_again",
        "frames that a power loss took and new ones have the same number",
        "store/src/recovery.cpp",
        "recovery.next_frame = recovery.last_frame + kNumbersLeftOut;",
        "recovery.next_frame = recovery.last_frame + 1;",
        "^unit_store$",
    ),
    Mutant(
        "commit_unsynced",
        'durability = "commit" does not sync',
        "store/src/writer.cpp",
        "if (auto synced = window_->sync(); !synced) return synced;",
        "",
        "^unit_store_power$",
    ),
    Mutant(
        "newest_snapshot_retired",
        "retirement removes the window that positions and open spans stand in",
        "store/src/retirement.cpp",
        "i + 1 < windows->size() && (*windows)[i] < *kept",
        "i + 1 < windows->size()",
        "^unit_store$",
    ),
    Mutant(
        "region_unchecked",
        "a check removed: a region may reach behind the segment's end",
        "shm/mapping/src/segment_check.cpp",
        "region.bytes <= segment_bytes - region.offset && region.offset % 8 == 0;",
        "region.offset % 8 == 0;",
        "^unit_shm$",
    ),
    Mutant(
        "bus_unguarded",
        "a ring that is cut short ends the consumer by SIGBUS",
        "shm/mapping/src/bus_guard.cpp",
        "::sigaction(SIGBUS, &action, &g_previous);",
        "",
        "^unit_shm$",
    ),
    Mutant(
        "nested_as_outermost",
        "a signal handler's tracepoint writes over the one that it interrupted",
        "producer/src/tracepoint.cpp",
        "    if (writer_ == nobody() || writer_->busy != 0 ||",
        "    if (writer_ != nobody() && writer_->slot != nullptr) {\n"
        "    } else if (writer_ == nobody() || writer_->busy != 0 ||",
        "^(unit_producer|process_producer_signal)$",
    ),
    Mutant(
        "fork_unwiped",
        "a forked child writes into its parent's ring",
        "producer/src/threads.cpp",
        "if (os::advise(slab, kHalf, MADV_WIPEONFORK) != 0) {",
        "if (false) {",
        "^unit_producer$",
    ),
    Mutant(
        "loss_uncounted",
        "what is dropped is not counted",
        "producer/src/tracepoint.cpp",
        "__atomic_load_n(&counts[index], __ATOMIC_RELAXED) + 1,",
        "__atomic_load_n(&counts[index], __ATOMIC_RELAXED),",
        "^(unit_producer|process_loss)$",
    ),
    Mutant(
        "idle_page_taken_unseen",
        "an idle thread's page is taken while it may be inside a tracepoint",
        "producer/include/spanring/detail/hot_path.hpp",
        "if (!taken && static_cast<std::size_t>(writer->end - cursor) >= bytes) [[likely]]",
        "if ((taken || !taken) &&\n"
        "        static_cast<std::size_t>(writer->end - cursor) >= bytes) [[likely]]",
        "^(unit_producer|process_consumer|process_loss)$",
    ),
    Mutant(
        "alive_by_lock_alone",
        "a process that closed its descriptors is taken for dead",
        "shm/mapping/src/segment_threads.cpp",
        "return stat.state != 'Z' && stat.state != 'X' && stat.start_ticks == who.pid_start_ticks;",
        "return false;",
        "^unit_shm$",
    ),
)
