// Interleavings of threads that trace, a signal handler that traces over one of them, and a
// consumer that drains, releases, and takes the page of a thread that seems idle.

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>

#include "traced_writer.hpp"

namespace spanring::model {
namespace {

using Ring = shm::BasicPageRing<ModelAtomics>;

struct Scene {
    std::uint32_t writers{1};
    std::uint32_t records{3};   ///< that each writes
    std::uint32_t per_page{1};  ///< records
    bool handler{true};         ///< over the first writer
    bool revokes{false};        ///< the consumer takes the first writer's page, in two attempts
    int looks{2};               ///< of the consumer, at each page
    /// When stores leave: at any time, in their order, at once.
    enum { kAnyTime, kInOrder, kAtOnce } stores{kInOrder};
    std::optional<unsigned> preemptions_max{};
};

/// As Segment::take_idle_pages and SegmentReader do it: the word is set once, each attempt looks.
template <Undone kUndone>
class Taker {
public:
    Taker(SmallRing& ring, std::uint32_t stream) : ring_(ring), stream_(stream) {}

    void attempt(Model& model) {
        for (std::uint32_t page = 0; page < kPagesMax; ++page) {
            const shm::PagePeek seen = Ring::peek(ring_.memory(), page);
            if (seen.state != SPANRING_PAGE_WRITING || seen.owner != stream_) continue;
            auto& word = revoked_word<kUndone>(ring_, stream_, page);
            // relaxed: ordered by the barrier.
            if (!set_[page]) ModelAtomics::store(word, 1U, std::memory_order_relaxed);
            set_[page] = kUndone == Undone::kRevokedPerThread;
            model.barrier();
            // acquire: as SegmentReader::slot().
            if (ModelAtomics::load(ring_.slots[stream_].nesting, std::memory_order_acquire) == 0) {
                Ring::take(ring_.memory(), page, seen.generation, stream_);
            }
        }
    }

private:
    SmallRing& ring_;
    const std::uint32_t stream_;
    std::array<bool, kPagesMax> set_{};
};

SmallRing g_ring;
Received g_received;

template <Undone kUndone>
struct Cast {
    explicit Cast(const Scene& scene)
        : writers{TracedWriter<kUndone>(g_ring, 0, scene.per_page),
                  TracedWriter<kUndone>(g_ring, 1, scene.per_page)},
          taker(g_ring, 0) {}
    TracedWriter<kUndone> writers[kWritersMax];
    Taker<kUndone> taker;
};

template <Undone kUndone>
std::optional<Cast<kUndone>> g_cast;

template <Undone kUndone>
void check(Model& model, const Scene& scene) {
    for (std::uint32_t i = 0; i < kPagesMax * kPagesMax; ++i) {
        drain_page<ModelAtomics>(model, g_ring, g_received, i % kPagesMax);
    }
    for (std::uint32_t i = 0; i < scene.writers; ++i) {
        const auto& writer = g_cast<kUndone>->writers[i];
        model.require(writer.stashed() == 0, "a handler's record stays in the stash");
        model.require(writer.written + writer.dropped == writer.calls, "a call is not accounted");
        model.require(g_received.next[i] == writer.written, "a published record is lost");
    }
}

template <Undone kUndone>
void build(Model& model, const Scene& scene) {
    g_ring.reset();
    g_received = {};
    g_cast<kUndone>.emplace(scene);
    if (scene.stores == Scene::kInOrder) model.keep_store_order();
    if (scene.stores == Scene::kAtOnce) model.leave_at_once();
    if (scene.preemptions_max) model.limit_preemptions(*scene.preemptions_max);
    for (std::uint32_t i = 0; i < scene.writers; ++i) {
        auto& writer = g_cast<kUndone>->writers[i];
        model.thread([&writer, &scene] {
            for (std::uint32_t n = 0; n < scene.records; ++n) writer.trace();
        });
        if (i == 0 && scene.handler) model.handler([&writer] { writer.trace(); });
    }
    model.thread([&model, &scene] {
        for (int look = 0; look < scene.looks; ++look) {
            if (scene.revokes) g_cast<kUndone>->taker.attempt(model);
            for (std::uint32_t page = 0; page < kPagesMax; ++page) {
                drain_page<ModelAtomics>(model, g_ring, g_received, page);
            }
        }
    });
    model.at_end([&model, &scene] { check<kUndone>(model, scene); });
}

template <Undone kUndone>
Outcome explore(const Scene& scene) {
    return Model::explore([&scene](Model& model) { build<kUndone>(model, scene); });
}

void expect_complete(const Outcome& outcome) {
    EXPECT_EQ(outcome.violation, "");
    EXPECT_GT(outcome.states, 1000U) << "nothing was explored";
    std::cout << outcome.states << " states, " << outcome.runs << " runs\n";
}

TEST(NestedModel, a_handler_at_any_step_loses_and_tears_nothing) {
    expect_complete(explore<Undone::kNothing>(
        {.records = 2, .per_page = 2, .looks = 0, .stores = Scene::kInOrder}));
}

TEST(NestedModel, a_handler_over_stores_that_arrive_late_loses_nothing) {
    expect_complete(
        explore<Undone::kNothing>({.records = 1, .looks = 0, .stores = Scene::kAnyTime}));
}

TEST(NestedModel, a_handler_beside_the_consumer_loses_and_repeats_nothing) {
    expect_complete(
        explore<Undone::kNothing>({.records = 2, .looks = 1, .stores = Scene::kAtOnce}));
}

TEST(NestedModel, a_page_is_taken_under_a_handler) {
    expect_complete(explore<Undone::kNothing>({.records = 2,
                                               .per_page = 2,
                                               .revokes = true,
                                               .looks = 1,
                                               .stores = Scene::kAtOnce,
                                               .preemptions_max = 3}));
}

/// Too many to be explored whole: what one preemption leads to, and walks at random. The walks of
/// test-long are more and others.
constexpr Scene kAllOfIt{.writers = 2, .records = 4, .per_page = 2, .revokes = true};

TEST(NestedModel, two_threads_of_four_records_preempted_once_lose_nothing) {
    Scene scene = kAllOfIt;
    scene.stores = Scene::kAtOnce;
    scene.preemptions_max = 1;
    expect_complete(explore<Undone::kNothing>(scene));
}

TEST(NestedModel, two_threads_of_four_records_at_random_lose_nothing) {
    const char* wanted = std::getenv("SPANRING_TEST_WALKS");
    const std::uint64_t walks = wanted == nullptr ? 50'000 : std::strtoull(wanted, nullptr, 10);
    const std::uint64_t seed = wanted == nullptr ? 1 : std::random_device{}();
    Scene scene = kAllOfIt;
    for (const auto stores : {Scene::kAnyTime, Scene::kInOrder}) {
        scene.stores = stores;
        const Outcome outcome = Model::walk(
            [&scene](Model& model) { build<Undone::kNothing>(model, scene); }, walks, seed);
        EXPECT_EQ(outcome.violation, "") << "seed " << seed;
        EXPECT_EQ(outcome.runs, walks);
    }
    std::cout << "2 x " << walks << " walks, seed " << seed << "\n";
}

TEST(NestedModel, finds_the_header_of_another_if_it_is_written_before_the_claim) {
    const Outcome outcome = explore<Undone::kHeaderAfterClaim>(
        {.writers = 2, .records = 1, .handler = false, .looks = 1});
    EXPECT_NE(outcome.violation, "");
    std::cout << outcome.violation << "\n";
}

TEST(NestedModel, finds_the_lost_record_if_the_limit_belongs_to_the_page) {
    const Outcome outcome = explore<Undone::kRevokedPerThread>({.writers = 2,
                                                                .records = 3,
                                                                .per_page = 2,
                                                                .handler = false,
                                                                .revokes = true,
                                                                .stores = Scene::kAtOnce,
                                                                .preemptions_max = 3});
    EXPECT_NE(outcome.violation, "");
    std::cout << outcome.violation << "\n";
}

TEST(NestedModel, finds_the_lost_record_if_a_handler_turns_the_page) {
    const Outcome outcome =
        explore<Undone::kNestedNeverTurns>({.records = 2, .per_page = 2, .looks = 1});
    EXPECT_NE(outcome.violation, "");
    std::cout << outcome.violation << "\n";
}

TEST(NestedModel, finds_what_a_handler_leaves_behind_the_last_look_at_the_stash) {
    const Outcome outcome = explore<Undone::kStashAfterLeaving>({.records = 1, .looks = 0});
    EXPECT_NE(outcome.violation, "");
    std::cout << outcome.violation << "\n";
}

}  // namespace
}  // namespace spanring::model
