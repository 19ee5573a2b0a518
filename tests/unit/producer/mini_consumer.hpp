// What the producer's tests look through: a ring directory of their own, a forked child in which
// the tracer starts from nothing, and a consumer of some lines around the real assembler.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "spanring/codec/span.hpp"
#include "spanring/consumer/assembler.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/shm/mapping/segment_reader.hpp"
#include "spanring/spanring.hpp"

namespace spanring::test {

/// A ring directory in a tmpfs, enabled, removed at the end.
class TestDirectory {
public:
    explicit TestDirectory(bool enabled = true) {
        char name[] = "/dev/shm/spanring-test-XXXXXX";
        path_ = ::mkdtemp(name);
        auto directory = shm::RingDirectory::open(path_, shm::RingDirectory::Create::kNo);
        directory_ = std::make_unique<shm::RingDirectory>(std::move(*directory));
        control_ = std::move(*directory_->map_control(Mapping::Access::kReadWrite));
        shm::ControlSettings settings;
        settings.policy_allowed_mask = 3;
        settings.directory_bytes_max = 64u << 20;
        control_.set_settings(settings);
        control_.set_enabled(enabled);
    }
    ~TestDirectory() {
        if (owner_ != ::getpid()) return;
        const std::string command = "rm -rf " + path_;
        EXPECT_EQ(std::system(command.c_str()), 0);
    }
    TestDirectory(const TestDirectory&) = delete;
    TestDirectory& operator=(const TestDirectory&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] const shm::RingDirectory& directory() const { return *directory_; }
    [[nodiscard]] shm::ControlPage& control() { return control_; }

private:
    pid_t owner_{::getpid()};
    std::string path_;
    std::unique_ptr<shm::RingDirectory> directory_;
    shm::ControlPage control_;
};

/// Drains all segments of a directory, assembles, and releases.
class MiniConsumer {
public:
    /// `clock`: what times are converted by, if not by this machine's.
    explicit MiniConsumer(const shm::RingDirectory& directory, consumer::ClockSource clock = {})
        : directory_(directory), clock_(std::move(clock)) {}

    /// One turn and the next, so that what is held back is applied. Returns the finished spans.
    std::vector<codec::Span> drain() {
        std::vector<codec::Span> spans;
        for (int turn = 0; turn < 3; ++turn) one_turn(spans, false);
        return spans;
    }
    /// The same, and open spans as unfinished: the producers are dead.
    std::vector<codec::Span> close() {
        std::vector<codec::Span> spans = drain();
        one_turn(spans, true);
        return spans;
    }
    [[nodiscard]] std::size_t segments() const { return segments_.size(); }
    [[nodiscard]] const shm::SegmentReader& segment(std::size_t i) const {
        auto at = segments_.begin();
        std::advance(at, i);
        return *at->second->reader;
    }

private:
    struct Segment final : consumer::StringSource {
        std::optional<shm::SegmentReader> reader;
        std::optional<consumer::TickClock> clock;
        std::unique_ptr<consumer::Assembler> assembler;
        std::vector<std::string> strings;
        struct Cursor {
            bool known{false};
            bool waited{false};
            std::uint64_t sequence{0};
        };
        std::map<std::uint32_t, Cursor> cursors;  ///< by stream
        /// generation and bytes of each page already fed
        std::map<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>> fed;

        std::optional<std::string_view> string(std::uint32_t number) override {
            if (number >= strings.size()) {
                EXPECT_TRUE(reader->read_strings(&strings, 1u << 20).ok());
            }
            if (number >= strings.size()) return std::nullopt;
            return strings[number];
        }
    };

    Segment& segment_of(const std::string& name) {
        auto& slot = segments_[name];
        if (slot) return *slot;
        slot = std::make_unique<Segment>();
        auto reader =
            shm::SegmentReader::attach(directory_, name, shm::SegmentReader::Mode::kReadWrite);
        EXPECT_TRUE(reader.ok()) << (reader.ok() ? "" : reader.error().message);
        slot->reader.emplace(std::move(*reader));
        const auto& id = slot->reader->identity();
        slot->clock.emplace(id.clock_kind,
                            clock_ ? clock_ : consumer::system_clock_source(id.clock_kind));
        slot->assembler = std::make_unique<consumer::Assembler>(
            codec::Instance{id.instance, id.host_key, id.span_key}, *slot->clock, *slot);
        slot->assembler->set_resource(*slot->reader->resource());
        return *slot;
    }

    void feed(Segment& s, consumer::RowSink& sink) {
        std::vector<shm::PageView> pages;
        std::set<std::uint32_t> skipped;
        ASSERT_TRUE(s.reader->peek_all(&pages).ok());
        std::sort(pages.begin(), pages.end(), [](const auto& a, const auto& b) {
            return std::pair(a.stream, a.sequence) < std::pair(b.stream, b.sequence);
        });
        for (std::size_t i = 0; i < pages.size(); ++i) {
            auto& page = pages[i];
            // Its writer has left it for the next one: what it says now is the last word.
            if (i + 1 < pages.size() && pages[i + 1].stream == page.stream) {
                ASSERT_TRUE(s.reader->peek(page.page, &page).ok());
            }
            // A page between may have been claimed behind the look at its place: the next look
            // finds it, or there is none.
            auto& cursor = s.cursors[page.stream];
            const bool follows =
                cursor.known ? page.sequence <= cursor.sequence + 1 : page.sequence == 0;
            if (!follows && !cursor.waited) {
                cursor.waited = true;
                skipped.insert(page.stream);
            }
            if (skipped.contains(page.stream)) continue;
            cursor = {true, false, std::max(cursor.sequence, page.sequence)};
            auto& [generation, bytes] = s.fed[page.page];
            const bool fresh = generation != page.generation;
            const std::uint32_t from = fresh ? SPANRING_PAGE_DATA : bytes;
            if (page.committed == from && page.state != SPANRING_PAGE_FULL) continue;
            std::vector<std::byte> copy(page.committed - from);
            copy.reserve(1);  // never null, also for a page that only became full
            ASSERT_TRUE(s.reader->copy_bytes(page.page, from, page.committed, copy.data()).ok());
            const auto fed = s.assembler->feed(
                {page.stream, page.sequence, page.base_ticks, page.first_ordinal, fresh, copy},
                sink);
            ASSERT_TRUE(fed.ok()) << fed.error().message;
            generation = page.generation;
            bytes = page.committed;
            ASSERT_TRUE(s.reader->set_stored(page.page, generation, bytes).ok());
            if (page.state == SPANRING_PAGE_FULL) {
                ASSERT_TRUE(s.reader->release(page.page, generation).ok());
            }
        }
        complete_ = skipped.empty();
    }

    void one_turn(std::vector<codec::Span>& out, bool close) {
        const auto names = directory_.segments();
        ASSERT_TRUE(names.ok());
        for (const std::string& name : *names) {
            Segment& s = segment_of(name);
            consumer::RowSink& sink = sink_;
            feed(s, sink);
            if (close) {
                s.assembler->close(sink);
            } else {
                ASSERT_TRUE(s.assembler->end_turn(complete_, sink).ok());
            }
            collect(sink, out);
        }
    }

    static void collect(consumer::RowSink& sink, std::vector<codec::Span>& out) {
        for (auto& batch : sink.take()) {
            for (std::size_t i = 0; i < batch->rows.size(); ++i) {
                auto span = batch->span(i);
                ASSERT_TRUE(span.ok()) << span.error().message;
                out.push_back(std::move(*span));
            }
        }
    }

    bool complete_{true};  ///< the last feed left no stream out
    const shm::RingDirectory& directory_;
    const consumer::ClockSource clock_;
    consumer::RowSink sink_;  // one: assemblers remember names by its epoch
    std::map<std::string, std::unique_ptr<Segment>> segments_;
};

/// Runs `body` in a forked child, in which no tracepoint has been yet. Its failed expectations fail
/// the test.
inline void in_child(const std::function<void()>& body) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        // A hang ends here; the sanitizers take their time.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        ::alarm(500);
#else
        ::alarm(100);
#endif
        body();
        std::fflush(nullptr);
        std::exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << "the child ended with status " << status;
}

/// As in_child, with a directory and a configured tracer.
inline void traced(const std::function<void(TestDirectory&, MiniConsumer&)>& body,
                   Configuration configuration = {}, bool enabled = true) {
    TestDirectory directory(enabled);
    in_child([&] {
        configuration.directory = directory.path();
        if (configuration.service_name.empty()) configuration.service_name = "test";
        const auto configured = configure(configuration);
        ASSERT_TRUE(configured.ok()) << configured.error().message;
        MiniConsumer consumer(directory.directory());
        body(directory, consumer);
    });
}

/// Returns the one span of this name.
inline codec::Span one(const std::vector<codec::Span>& spans, const std::string& name) {
    const codec::Span* found = nullptr;
    int count = 0;
    for (const auto& span : spans) {
        if (span.name != name) continue;
        found = &span;
        ++count;
    }
    EXPECT_EQ(count, 1) << "spans named " << name;
    return found != nullptr ? *found : codec::Span{};
}

inline std::optional<codec::Value> attribute(const codec::Attributes& attributes,
                                             const std::string& key) {
    std::optional<codec::Value> value;
    for (const auto& [name, held] : attributes) {
        if (name == key) value = held;
    }
    return value;
}

}  // namespace spanring::test
