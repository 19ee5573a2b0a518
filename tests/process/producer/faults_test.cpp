// Each call that the tracer makes in the life of a process fails in turn, kind by kind and with
// several errors, until a life makes fewer of that kind: the application notices nothing, the next
// attempt succeeds, and each span is stored once or counted as lost.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <thread>

#include "../../unit/producer/mini_consumer.hpp"
#include "call_faults.hpp"
#include "process.hpp"
#include "spanring/base/os.hpp"
#include "spanring/base/unique_fd.hpp"

namespace spanring::test {
namespace {

using namespace literals;
using testing::CallError;
using testing::CallFault;
using testing::open_descriptors;

constexpr int kSpansBeyondRing = 200;
constexpr int kSpans = 5;

/// What a process says of itself.
struct Account {
    std::uint64_t failed_calls;
    std::uint64_t emitted;
    std::uint64_t lost_spans;
    std::uint64_t lost_ends;
    std::uint64_t lost_details;
    std::uint64_t descriptors;  ///< more than before its first tracepoint
    std::uint64_t bytes_printed;
    bool recording;
};

/// Nobody looks at the times: the reader need not wait for two readings of a real clock.
consumer::ClockSource leaping_clock() {
    return [now = std::int64_t{0}]() mutable {
        now += 1'000'000'000;
        return consumer::ClockReading{static_cast<std::uint64_t>(now), now, now};
    };
}

std::uint64_t sum(const std::uint64_t (&counts)[kLossReasons]) {
    return std::accumulate(std::begin(counts), std::end(counts), std::uint64_t{0});
}

/// The application: what is failed are its calls, and those of its forked child.
class Application {
public:
    Application(std::string directory, Account* accounts, int to_test, int from_test)
        : directory_(std::move(directory)),
          accounts_(accounts),
          to_test_(to_test),
          from_test_(from_test) {}

    [[noreturn]] void run(const CallFault& fault) {
        ::alarm(100);
        ::setenv("SPANRING_DIR", directory_.c_str(), 1);
        terminal_.reset(::memfd_create("terminal", MFD_CLOEXEC));
        for (const int fd : {1, 2}) ::dup2(terminal_.get(), fd);
        const std::uint64_t descriptors = open_descriptors();
        if (fault.nth != 0) os::inject_fault(fault.call, fault.nth, fault.errno_value);
        const Configuration small{.service_name = "faulty",
                                  .resource = {},
                                  .directory = directory_,
                                  .ring_bytes_max = 32 << 10,
                                  .ring_bytes_initial = 8 << 10,
                                  .page_bytes = 1024};
        if (!configure(small) && !configure(small)) ::_exit(3);
        live();
        accounts_->failed_calls = os::clear_fault();
        emit(1);
        accounts_->descriptors = open_descriptors() - descriptors;
        report(accounts_);
        ::_exit(0);
    }

private:
    void live() {
        emit(1);
        std::thread([this] { emit(kSpans); }).join();
        emit(kSpansBeyondRing);
        ask('d');
        emit(kSpans);
        ask('r');
        emit(kSpans);
        std::thread([this] { emit(kSpans); }).join();
        fork_one();
        (void)flush_ns(0);
        (void)status();
    }

    void emit(int spans) {
        // It is tried again a second later, or now.
        if (detail::Process* process = detail::process()) process->retry_at_ns = 0;
        for (int i = 0; i < spans; ++i) {
            const std::uint64_t number = ++accounts_->emitted;
            Span span("work"_key);
            span.set("number"_key, number);
            span.set("key " + std::to_string(number % 3), "text");
        }
    }

    void fork_one() {
        const pid_t child = ::fork();
        if (child == 0) {
            ++accounts_;
            emit(kSpans);
            accounts_->failed_calls = os::clear_fault();
            emit(1);
            report(accounts_);
            ::_exit(0);
        }
        ::waitpid(child, nullptr, 0);
    }

    void ask(char what) const {
        char answer = 0;
        if (::write(to_test_, &what, 1) != 1 || ::read(from_test_, &answer, 1) != 1) ::_exit(2);
    }

    void report(Account* account) const {
        const Losses lost = losses();
        account->lost_spans = sum(lost.spans);
        account->lost_ends = sum(lost.ends);
        account->lost_details = sum(lost.details);
        account->recording = status().recording;
        account->bytes_printed = static_cast<std::uint64_t>(::lseek(terminal_.get(), 0, SEEK_END));
    }

    std::string directory_;
    Account* accounts_;
    int to_test_;
    int from_test_;
    UniqueFd terminal_;
};

class TracerFaults : public ::testing::TestWithParam<CallError> {
protected:
    TracerFaults() {
        accounts_ =
            static_cast<Account*>(::mmap(nullptr, 2 * sizeof(Account), PROT_READ | PROT_WRITE,
                                         MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    }
    ~TracerFaults() override { ::munmap(accounts_, 2 * sizeof(Account)); }

    /// Returns whether the call was reached.
    bool survives(const CallFault& fault) {
        std::fill_n(accounts_, 2, Account{});
        MiniConsumer consumer(directory_.directory(), leaping_clock());
        check_spans(attend(fault, consumer));
        for (const Account* account : {accounts_, accounts_ + 1}) {
            EXPECT_TRUE(account->recording) << "has not healed";
            EXPECT_EQ(account->bytes_printed, 0U);
        }
        // Who cannot examine a descriptor does not close it: it may be the application's by now.
        const std::uint64_t unknown = fault.call == os::Call::kStat ? 1 : 0;
        EXPECT_LE(accounts_->descriptors, descriptors_ + unknown);
        if (fault.nth == 0) descriptors_ = accounts_->descriptors;
        clean(fault);
        return accounts_[0].failed_calls + accounts_[1].failed_calls != 0;
    }

    /// Runs the application, and the consumer whenever it asks for it.
    std::vector<codec::Span> attend(const CallFault& fault, MiniConsumer& consumer) {
        int asked[2];
        int answered[2];
        EXPECT_TRUE(::pipe(asked) == 0 && ::pipe(answered) == 0);
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::close(asked[0]);
            Application(directory_.path(), accounts_, asked[1], answered[0]).run(fault);
        }
        ::close(asked[1]);
        ::close(answered[0]);
        std::vector<codec::Span> spans;
        const auto add = [&](std::vector<codec::Span> more) {
            std::move(more.begin(), more.end(), std::back_inserter(spans));
        };
        for (char what = 0; ::read(asked[0], &what, 1) == 1;) {
            if (what == 'r') revoke_all();
            add(consumer.drain());
            EXPECT_EQ(::write(answered[1], &what, 1), 1);
        }
        ::close(asked[0]);
        ::close(answered[1]);
        int status = -1;
        EXPECT_EQ(::waitpid(pid, &status, 0), pid);
        EXPECT_EQ(status, 0);
        add(consumer.close());
        return spans;
    }

    void revoke_all() {
        const auto names = directory_.directory().segments();
        for (const auto& name : *names) {
            auto reader = shm::SegmentReader::attach(directory_.directory(), name,
                                                     shm::SegmentReader::Mode::kReadWrite);
            ASSERT_TRUE(reader.ok() && reader->revoke().ok());
        }
    }

    /// Once, or counted as lost.
    void check_spans(const std::vector<codec::Span>& spans) {
        std::map<std::int64_t, std::set<std::int64_t>> numbers;  // by pid
        std::uint64_t unfinished = 0;
        std::uint64_t details_missing = 0;
        for (const auto& span : spans) {
            EXPECT_EQ(span.name, "work");
            unfinished += span.duration_ns.has_value() ? 0 : 1;
            const auto number = attribute(span.attributes, "number");
            details_missing += 2 - span.attributes.size();
            if (!number) continue;
            EXPECT_TRUE(numbers[pid_of(span)].insert(std::get<std::int64_t>(*number)).second)
                << "twice";
        }
        const Account total{.failed_calls = 0,
                            .emitted = accounts_[0].emitted + accounts_[1].emitted,
                            .lost_spans = accounts_[0].lost_spans + accounts_[1].lost_spans,
                            .lost_ends = accounts_[0].lost_ends + accounts_[1].lost_ends,
                            .lost_details = accounts_[0].lost_details + accounts_[1].lost_details,
                            .descriptors = 0,
                            .bytes_printed = 0,
                            .recording = true};
        EXPECT_EQ(spans.size() + total.lost_spans, total.emitted);
        EXPECT_EQ(unfinished, total.lost_ends);
        EXPECT_EQ(details_missing, total.lost_details);
        EXPECT_GT(spans.size(), 2U * kSpans);
    }

    /// The names that may be there; the next application begins without rings.
    void clean(const CallFault& fault) {
        std::size_t rings = 0;
        for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
            const std::string name = entry.path().filename();
            const bool ring = name.ends_with(".seg") && name.rfind(".new-", 0) != 0;
            if (name == "control" || name == "doorbell") continue;
            rings += ring ? 1 : 0;
            EXPECT_TRUE(ring || fault.call == os::Call::kUnlink) << name;
            std::filesystem::remove(entry.path());
        }
        EXPECT_LE(rings, 3U + (fault.call == os::Call::kUnlink ? 1U : 0U));
    }

    static std::int64_t pid_of(const codec::Span& span) {
        return std::get<std::int64_t>(*attribute(*span.resource, "process.pid"));
    }

    TestDirectory directory_;
    Account* accounts_;
    std::uint64_t descriptors_{~std::uint64_t{0}};
};

TEST_P(TracerFaults, at_the_nth_call_cost_no_span_that_is_not_counted) {
    const bool all = std::getenv("SPANRING_TEST_LONG") != nullptr || GetParam().second == EIO;
    EXPECT_FALSE(survives({}));
    const std::uint64_t failed = testing::fail_each_call(
        GetParam().second, all ? 1 : 3, [this](const CallFault& fault) { return survives(fault); });
    if (HasFailure()) return;
    EXPECT_GT(failed, GetParam().second == os::kShortTransfer ? 0U : 50U);
}

INSTANTIATE_TEST_SUITE_P(Errors, TracerFaults, testing::call_errors(), testing::name_of);

}  // namespace
}  // namespace spanring::test
