// A process of the soak: eight threads that trace, fork, exec, load and unload, come and go.
//
//     soak_worker LEDGER INDEX SEED
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "pair.hpp"
#include "spanring/process.hpp"

namespace spanring::soak {
namespace {

using namespace std::chrono_literals;

Ledger* ledger = nullptr;
std::uint64_t my_life = 0;
unsigned my_index = 0;
char** arguments = nullptr;
std::atomic<unsigned> waiting{0};

[[noreturn]] void fail() {
    ++ledger->failures;
    ::_exit(1);
}

std::uint64_t begin_life() {
    const std::uint64_t life = ledger->lives++;
    if (life >= kLivesMax) fail();
    ledger->life[life].pid = static_cast<std::uint32_t>(::getpid());
    return life;
}

class Walker {
public:
    Walker(unsigned thread, std::uint64_t seed) : thread_(thread), random_(seed) {}

    void step() {
        switch (random_() % 600) {
            case 0: return fork_one();
            case 1: return load_one();
            // One process lives through it all: what it holds must not grow.
            case 2: return my_index == 0 || random_() % 4 != 0 ? pairs(1) : exec();
            case 3: return std::thread([&] { pairs(3); }).join();
            case 4: return pairs(400);
            default: return pairs(1 + static_cast<unsigned>(random_() % 8));
        }
    }

private:
    ThreadLedger& at() { return ledger->life[my_life].threads[thread_]; }

    void pairs(unsigned count) {
        const TraceId trace = trace_of(my_life, thread_);
        while (count-- > 0) write_pair(at(), trace);
    }

    void fork_one() {
        ++ledger->forks;
        const pid_t child = ::fork();
        if (child < 0) fail();
        if (child > 0) return;
        my_life = begin_life();
        pairs(20);
        ::_exit(0);
    }

    void load_one() {
        ++ledger->loads;
        void* plugin = ::dlopen(SOAK_PLUGIN, RTLD_NOW | RTLD_LOCAL);
        if (plugin == nullptr) fail();
        const auto pair =
            reinterpret_cast<void (*)(ThreadLedger*, const TraceId*)>(::dlsym(plugin, "soak_pair"));
        if (pair == nullptr) fail();
        const TraceId trace = trace_of(my_life, thread_);
        pair(&at(), &trace);
        ::dlclose(plugin);
    }

    void exec() {
        ++ledger->execs;
        ::execv("/proc/self/exe", arguments);
        fail();
    }

    unsigned thread_;
    std::minstd_rand random_;
};

void trace_forever(unsigned thread, std::uint64_t seed) {
    Walker walker(thread, seed);
    std::minstd_rand random(seed + 1);
    walker.step();  // so that each process has a ring
    for (;;) {
        if (ledger->pause != 0) {
            ++waiting;
            while (ledger->pause != 0) std::this_thread::sleep_for(2ms);
            --waiting;
        }
        walker.step();
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 40'000));
    }
}

[[noreturn]] void keep_pauses() {
    for (;;) {
        std::this_thread::sleep_for(5ms);
        const std::uint32_t wanted = ledger->pause;
        if (wanted == 0 || ledger->paused[my_index] == wanted || waiting != kThreads) continue;
        if (flush(5s)) ledger->paused[my_index] = wanted;
    }
}

Ledger* map(const char* path) {
    const int fd = ::open(path, O_RDWR | O_CLOEXEC);
    void* data = ::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    return data == MAP_FAILED ? nullptr : static_cast<Ledger*>(data);
}

int run(int count, char** words) {
    if (count != 4 || (ledger = map(words[1])) == nullptr) return 2;
    arguments = words;
    my_index = static_cast<unsigned>(std::stoul(words[2]));
    ::signal(SIGCHLD, SIG_IGN);
    my_life = begin_life();
    // Odd ones lose nothing while there is room; even ones have small rings, and drop.
    const bool blocks = my_index % 2 == 1;
    Configuration configuration;
    configuration.policy = blocks ? Policy::kBlock : Policy::kDrop;
    configuration.policy_set = true;
    configuration.page_bytes = 1024;
    configuration.ring_bytes_initial = 64u << 10;
    configuration.ring_bytes_max = blocks ? 2u << 20 : 64u << 10;
    if (!configure(configuration)) return 3;
    const std::uint64_t seed = std::stoull(words[3]) * kLivesMax + my_life;
    std::vector<std::thread> threads;
    for (unsigned thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back(trace_forever, thread, seed * kThreads + thread);
    }
    keep_pauses();
}

}  // namespace
}  // namespace spanring::soak

int main(int count, char** words) {
    return spanring::soak::run(count, words);
}
