#include "process.hpp"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "model.hpp"
#include "program.hpp"
#include "spanring/spanring.hpp"

namespace spanring::tools::emit {
namespace {

/// A policy of block must lose nothing, whatever restarts meanwhile.
constexpr std::uint64_t kBlockNs = 3600ull * 1'000'000'000;
/// Of a forked child: enough to turn a small page.
constexpr std::uint64_t kForkedSpans = 30;
/// Small enough that eight threads overflow it within one turn of the consumer.
constexpr std::uint64_t kDropRingBytes = 128u << 10;
constexpr std::uint32_t kPageBytes[] = {1024, 4096, 8192};

Result<void> configure_tracing(const EmitOptions& options, const std::string& service, Dice& dice) {
    Configuration configuration;
    configuration.service_name = service;
    configuration.directory = options.directory;
    configuration.policy = options.drop ? Policy::kDrop : Policy::kBlock;
    configuration.policy_set = true;
    configuration.block_timeout_ns = kBlockNs;
    configuration.ring_bytes_max = options.ring_bytes;
    if (options.ring_bytes == 0 && options.drop) configuration.ring_bytes_max = kDropRingBytes;
    configuration.ring_bytes_initial = configuration.ring_bytes_max;
    configuration.page_bytes = options.page_bytes != 0 ? options.page_bytes : dice.pick(kPageBytes);
    return configure(std::move(configuration));
}

std::string part_path(const std::string& parts, unsigned number) {
    return parts + "/" + std::to_string(::getpid()) + "-" + std::to_string(number) + ".jsonl";
}

ModelLosses counted() {
    const Losses losses = spanring::losses();
    ModelLosses sum;
    for (unsigned i = 0; i < kLossReasons; ++i) {
        sum.spans += losses.spans[i];
        sum.ends += losses.ends[i];
        sum.details += losses.details[i];
    }
    return sum;
}

/// Waits until all can be queried, then asks for the losses: the last words of a process.
int conclude(const EmitOptions& options, const std::string& service, OracleFile& oracle) {
    const bool queryable = flush(std::chrono::duration<double>(options.flush_s));
    oracle.losses(service, counted());
    oracle.flush();
    if (!oracle.ok()) {
        std::fprintf(stderr, "spanring: cannot write the oracle of process %d\n", ::getpid());
        return kProcessFailed;
    }
    return queryable ? kProcessOk : kProcessNotQueryable;
}

class Emitter {
public:
    Emitter(const EmitOptions& options, std::string service, Dice dice, std::string parts)
        : options_(options),
          parts_(std::move(parts)),
          dice_(dice),
          state_{options_, std::move(service)} {}

    /// The whole life of a process of `threads` programs.
    int run() {
        state_.forks_left = options_.forks;
        for (unsigned i = 0; i < options_.threads; ++i) make_program(i);
        std::vector<std::thread> threads;
        for (auto& one : programs_) {
            threads.emplace_back([this, &one] { run_program(*one.program); });
        }
        if (options_.duration_s > 0) {
            std::this_thread::sleep_for(std::chrono::duration<double>(options_.duration_s));
            state_.stop = true;
        }
        for (std::thread& thread : threads) thread.join();
        return end();
    }

    /// In a child that one of the programs forked: one thread, `place` is where the parent was.
    int run_forked(Place place) {
        state_.forks_left = dice_.chance(30) ? 1 : 0;
        make_program(0);
        programs_.front().program->start_at(std::move(place));
        run_program(*programs_.front().program);
        return end();
    }

private:
    struct One {
        std::unique_ptr<OracleFile> oracle;
        std::unique_ptr<Program> program;
    };

    void make_program(unsigned number) {
        One one;
        one.oracle = std::make_unique<OracleFile>(part_path(parts_, number));
        one.program = std::make_unique<Program>(
            state_, number, dice_.split(number), *one.oracle,
            [this](Dice dice, Place place) { return forked_main(dice, std::move(place)); });
        programs_.push_back(std::move(one));
    }

    void run_program(Program& program) {
        program.run(options_.spans);
        program.wait_for_children();
        if (options_.die_inside) program.leave_open();
    }

    int forked_main(Dice dice, Place place) const {
        EmitOptions options = options_;
        options.spans = kForkedSpans;
        options.duration_s = 0;
        options.die_inside = false;
        Emitter child(options, state_.service, dice, parts_);
        return child.run_forked(std::move(place));
    }

    /// Async spans that nobody ended: ended now, or left open for good.
    int end() {
        One& first = programs_.front();
        while (std::optional<AsyncItem> item = state_.mailbox.take(dice_)) {
            if (!options_.die_inside) {
                first.program->finish(std::move(*item));
            } else if (item->model) {
                item->model->unfinished = true;
                first.oracle->span(*item->model);
                left_open_.push_back(std::move(*item));
            }
        }
        for (One& one : programs_) one.oracle->flush();
        if (options_.die_inside) die();
        const int code = conclude(options_, state_.service, *first.oracle);
        return state_.child_failures == 0 ? code : kProcessFailed;
    }

    [[noreturn]] void die() {
        programs_.front().oracle->losses(state_.service, counted());
        programs_.front().oracle->flush();
        ::kill(::getpid(), SIGKILL);
        ::pause();
        ::_exit(kProcessFailed);
    }

    const EmitOptions options_;
    const std::string parts_;
    Dice dice_;
    ProcessState state_;
    std::vector<One> programs_;
    std::vector<AsyncItem> left_open_;
};

}  // namespace

int emit_process(const EmitOptions& options, unsigned index, Dice dice, const std::string& parts) {
    const std::string service = "emit-" + std::to_string(index);
    if (const Result<void> ready = configure_tracing(options, service, dice); !ready) {
        std::fprintf(stderr, "spanring: %s\n", ready.error().message.c_str());
        return kProcessFailed;
    }
    Emitter emitter(options, service, dice, parts);
    return emitter.run();
}

}  // namespace spanring::tools::emit
