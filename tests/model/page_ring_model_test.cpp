// Every interleaving of claim, publish, drain and release; and of a kill at any point.

#include <gtest/gtest.h>

#include <iostream>

#include "small_ring.hpp"

namespace spanring::model {
namespace {

SmallRing g_ring;
Received g_received;
Written g_written[kWritersMax];

void reset() {
    g_ring.reset();
    g_received = {};
    for (Written& written : g_written) written = {};
}

template <typename Atomics, bool kReleaseFirst = false>
void consume(Model& model, int turns) {
    for (int turn = 0; turn < turns; ++turn) {
        for (std::uint32_t page = 0; page < kPagesMax; ++page) {
            drain_page<Atomics, kReleaseFirst>(model, g_ring, g_received, page);
        }
    }
}

/// The last drain, after all threads: everything published has come, nothing else.
void check_everything_came(Model& model, std::uint32_t writers) {
    consume<ModelAtomics>(model, kPagesMax);  // in whatever order the pages lie
    for (std::uint32_t i = 0; i < writers; ++i) {
        model.require(g_received.next[i] == g_written[i].published, "a published record is lost");
    }
}

void expect_complete(const Outcome& outcome) {
    EXPECT_EQ(outcome.violation, "");
    EXPECT_GT(outcome.states, 100U) << "nothing was explored";
    std::cout << outcome.states << " states, " << outcome.runs << " runs\n";
}

TEST(PageRingModel, one_writer_and_the_consumer_lose_and_repeat_nothing) {
    expect_complete(Model::explore([](Model& model) {
        reset();
        model.keep_store_order();
        // Pages of one record: three pages' worth, so that a page comes back and is used again.
        model.thread([] { write_records<ModelAtomics>(g_ring, g_written[0], 0, 3, 1); });
        model.thread([&model] { consume<ModelAtomics>(model, 2); });
        model.at_end([&model] { check_everything_came(model, 1); });
    }));
}

TEST(PageRingModel, the_consumer_drains_a_page_that_is_still_being_written) {
    expect_complete(Model::explore([](Model& model) {
        reset();
        model.thread([] { write_records<ModelAtomics>(g_ring, g_written[0], 0, 3); });
        model.thread([&model] {
            for (int turn = 0; turn < 3; ++turn) {
                drain_page<ModelAtomics>(model, g_ring, g_received, 0);
            }
        });
        model.at_end([&model] { check_everything_came(model, 1); });
    }));
}

TEST(PageRingModel, two_writers_never_get_the_same_page) {
    expect_complete(Model::explore([](Model& model) {
        reset();
        model.keep_store_order();
        model.thread([] { write_records<ModelAtomics>(g_ring, g_written[0], 0, 1); });
        model.thread([] { write_records<ModelAtomics>(g_ring, g_written[1], 1, 1); });
        model.thread([&model] { drain_page<ModelAtomics>(model, g_ring, g_received, 0); });
        model.at_end([&model] {
            for (const Written& written : g_written) {
                model.require(written.published == 1, "a free page was not found");
            }
            check_everything_came(model, 2);
        });
    }));
}

TEST(PageRingModel, a_writer_killed_anywhere_leaves_what_it_published_and_nothing_torn) {
    expect_complete(Model::explore([](Model& model) {
        reset();
        model.thread([] { write_records<ModelAtomics>(g_ring, g_written[0], 0, 2, 1); }, true);
        model.thread([&model] { consume<ModelAtomics>(model, 1); });
        model.at_end([&model] {
            consume<ModelAtomics>(model, kPagesMax);
            const std::uint64_t came = g_received.next[0];
            // `published` counts after the store: one more may have left the dying thread.
            model.require(came >= g_written[0].published, "a published record is lost");
            model.require(came <= g_written[0].published + 1, "a record came from nowhere");
        });
    }));
}

TEST(PageRingModel, finds_the_torn_page_if_release_stores_are_weakened) {
    const Outcome outcome = Model::explore([](Model& model) {
        reset();
        model.thread([] { write_records<WeakenedAtomics>(g_ring, g_written[0], 0, 2); });
        model.thread([&model] { consume<WeakenedAtomics>(model, 1); });
    });
    EXPECT_NE(outcome.violation, "");
}

TEST(PageRingModel, finds_the_lost_record_if_a_page_is_released_before_it_is_read) {
    const Outcome outcome = Model::explore([](Model& model) {
        reset();
        model.thread([] { write_records<ModelAtomics>(g_ring, g_written[0], 0, 3, 1); });
        model.thread([&model] { consume<ModelAtomics, true>(model, 1); });
        model.at_end([&model] { check_everything_came(model, 1); });
    });
    EXPECT_NE(outcome.violation, "");
}

}  // namespace
}  // namespace spanring::model
