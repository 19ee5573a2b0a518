// Any program against any consumer: random calls of the public API on one to four threads, in any
// order between them, into a real ring that is drained now and then, or overflows, by the
// consumer's own drain, which is restarted now and then. What comes out is what `spanring emit`'s
// oracle says, and what is missing is exactly what was counted (RapidCheck: a failure is shrunk to
// the fewest steps; each step has dice of its own, so it stays the same when others go).
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

#include "judge.hpp"
#include "lockstep.hpp"
#include "mini_consumer.hpp"
#include "program.hpp"
#include "ring_drain.hpp"

namespace spanring::test {

using tools::emit::AsyncItem;
using tools::emit::Dice;
using tools::emit::EmitOptions;
using tools::emit::OracleFile;
using tools::emit::ProcessState;
using tools::emit::Program;

struct Step {
    enum What { kProgram, kTurn, kTurnAndFlush, kRestartTold, kRestartUntold };
    What what{kProgram};
    unsigned thread{0};
    std::uint64_t seed{0};
};

struct Scenario {
    unsigned threads{1};
    std::uint32_t page_bytes{1024};
    std::size_t budget{1u << 30};  ///< bytes that a turn reads
    bool lags{false};              ///< producers hear of a turn with the next
    bool overflows{false};
    std::vector<Step> steps;
};

void showValue(const Step& step, std::ostream& out) {  // RapidCheck's name for it
    static constexpr const char* kNames[] = {"step", "turn", "turn, flush", "restart told",
                                             "restart untold"};
    out << kNames[step.what];
    if (step.what == Step::kProgram) out << " of " << step.thread << " by " << step.seed;
}

void showValue(const Scenario& scenario, std::ostream& out) {
    out << scenario.threads << " threads, pages of " << scenario.page_bytes << ", "
        << scenario.budget << " bytes a turn" << (scenario.lags ? ", told late" : "")
        << (scenario.overflows ? ", a ring that overflows: " : ": ");
    for (const Step& step : scenario.steps) {
        showValue(step, out);
        out << "; ";
    }
}

namespace {

constexpr std::uint64_t kSmallRingBytes = 32u << 10;
constexpr std::uint64_t kLargeRingBytes = 16u << 20;

rc::Gen<Step> any_step() {
    return rc::gen::build<Step>(
        rc::gen::set(&Step::what,
                     rc::gen::weightedElement<Step::What>({{40, Step::kProgram},
                                                           {3, Step::kTurn},
                                                           {1, Step::kTurnAndFlush},
                                                           {1, Step::kRestartTold},
                                                           {1, Step::kRestartUntold}})),
        rc::gen::set(&Step::thread, rc::gen::inRange(0u, 4u)), rc::gen::set(&Step::seed));
}

rc::Gen<Scenario> any_scenario() {
    return rc::gen::build<Scenario>(
        rc::gen::set(&Scenario::threads, rc::gen::inRange(1u, 5u)),
        rc::gen::set(&Scenario::page_bytes, rc::gen::element(1024u, 4096u)),
        rc::gen::set(&Scenario::budget, rc::gen::element<std::size_t>(1, 4096, 1u << 30)),
        rc::gen::set(&Scenario::lags), rc::gen::set(&Scenario::overflows),
        rc::gen::set(&Scenario::steps,
                     rc::gen::scale(6.0, rc::gen::container<std::vector<Step>>(any_step()))));
}

/// A file that has no name, for the oracle and for what the child has to say.
class NamelessFile {
public:
    NamelessFile() : fd_(::memfd_create("spanring-test", 0)) {}
    ~NamelessFile() { ::close(fd_); }
    NamelessFile(const NamelessFile&) = delete;
    NamelessFile& operator=(const NamelessFile&) = delete;
    [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }
    [[nodiscard]] std::string text() const {
        std::string out(static_cast<std::size_t>(::lseek(fd_, 0, SEEK_END)), '\0');
        EXPECT_EQ(::pread(fd_, out.data(), out.size(), 0), static_cast<ssize_t>(out.size()));
        return out;
    }
    void write(const std::string& text) const {
        EXPECT_EQ(::write(fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }

private:
    int fd_;
};

/// The programs of one scenario, their oracle, and the consumer.
class Play {
public:
    Play(const Scenario& scenario, const shm::RingDirectory& directory)
        : scenario_(scenario),
          drain_(directory, scenario.budget, scenario.lags),
          threads_(scenario.threads) {
        options_.drop = scenario.overflows;
        for (unsigned i = 0; i < scenario.threads; ++i) {
            programs_.push_back(std::make_unique<Program>(process_, i, Dice(i), oracle_, nullptr));
        }
    }

    Result<void> run() {
        for (const Step& step : scenario_.steps) {
            if (auto done = one(step); !done) return done;
        }
        for (unsigned i = 0; i < scenario_.threads; ++i) {
            threads_.run(i, [&] { programs_[i]->run(0); });
        }
        threads_.run(0, [&] {
            Dice dice(1);
            while (auto item = process_.mailbox.take(dice)) programs_[0]->finish(std::move(*item));
        });
        // What threads could not tell for want of room is told when there is some.
        for (int i = 0; i < 3; ++i) {
            if (auto caught_up = drain_.catch_up(); !caught_up) return caught_up;
            flush();
        }
        return drain_.close();
    }

    std::string verdict() {
        const Losses lost = losses();
        tools::emit::ModelLosses sum;
        for (unsigned i = 0; i < kLossReasons; ++i) {
            sum.spans += lost.spans[i];
            sum.ends += lost.ends[i];
            sum.details += lost.details[i];
        }
        oracle_.losses(process_.service, sum);
        oracle_.flush();
        std::istringstream expected(oracle_text_.text());
        std::istringstream found(drain_.lines());
        const auto verdict = tools::emit::judge(expected, "oracle", found, "drained");
        if (!verdict) return verdict.error().message;
        std::string said;
        for (const std::string& line : verdict->differences) said += line + '\n';
        return said;
    }

private:
    /// Nobody writes meanwhile, so what flush says of the past is true of all there is.
    void flush() {
        threads_.run(0, [this] {
            if (flush_ns(0)) {
                EXPECT_FALSE(drain_.holds_back()) << "a query would find spans as they were";
            }
        });
    }
    Result<void> one(const Step& step) {
        switch (step.what) {
            case Step::kTurn: return drain_.turn();
            case Step::kTurnAndFlush: {
                auto turned = drain_.turn();
                flush();
                return turned;
            }
            case Step::kRestartTold: return drain_.restart(true);
            case Step::kRestartUntold: return drain_.restart(false);
            case Step::kProgram: break;
        }
        const unsigned thread = step.thread % scenario_.threads;
        threads_.run(thread, [&] { programs_[thread]->step_of(Dice(step.seed)); });
        return {};
    }

    const Scenario& scenario_;
    RingDrain drain_;
    EmitOptions options_;
    ProcessState process_{options_, "programs"};
    NamelessFile oracle_text_;
    OracleFile oracle_{oracle_text_.path()};
    std::vector<std::unique_ptr<Program>> programs_;
    Lockstep threads_;  ///< last: its threads end before what they use
};

std::string play(const Scenario& scenario, const TestDirectory& directory) {
    Configuration configuration;
    configuration.directory = directory.path();
    configuration.service_name = "programs";
    configuration.page_bytes = scenario.page_bytes;
    configuration.ring_bytes_max = scenario.overflows ? kSmallRingBytes : kLargeRingBytes;
    configuration.ring_bytes_initial = kSmallRingBytes;
    if (auto configured = configure(configuration); !configured) return configured.error().message;
    Play play(scenario, directory.directory());
    const auto ran = play.run();
    return ran ? play.verdict() : "quarantined: " + ran.error().message;
}

/// Plays it in a child, in which no tracepoint has been yet. Returns what was wrong.
std::string play_in_child(const Scenario& scenario) {
    const TestDirectory directory;
    const NamelessFile said;
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(60);
        said.write(play(scenario, directory));
        ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    if (status != 0) return "the child ended with status " + std::to_string(status);
    return said.text();
}

TEST(Programs, what_is_drained_is_what_the_calls_say) {
    EXPECT_TRUE(rc::check("calls -> ring -> drain -> the same spans", [] {
        const Scenario scenario = *any_scenario();
        const std::string wrong = play_in_child(scenario);
        if (!wrong.empty()) RC_FAIL(wrong);
    }));
}

}  // namespace
}  // namespace spanring::test
