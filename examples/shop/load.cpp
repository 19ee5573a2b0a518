// The load generator: customers who check out, again and again.
//
//     shop-load FRONTEND_PORT SECONDS CUSTOMERS STATE_FILE
//
// Not instrumented: to the shop it is the outside world. Once a second it writes "REQUESTS ERRORS"
// into the state file.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "weather.hpp"
#include "wire.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kCustomers[] = {"ada", "grace", "edsger", "barbara", "tony", "frances"};

std::atomic<bool> stopping{false};
std::atomic<unsigned> requests{0};
std::atomic<unsigned> errors{0};

void shop_until(Clock::time_point end, int port, const std::string& name) {
    while (Clock::now() < end && !stopping) {
        const shop::Message reply = shop::call(port, {"GET /checkout?user=" + name, {}});
        ++requests;
        if (!reply.ok()) ++errors;
        std::this_thread::sleep_for(std::chrono::milliseconds(shop::between(2, 20)));
    }
}

void write_state(const std::string& path) {
    const std::string unfinished = path + ".new";
    if (std::FILE* file = std::fopen(unfinished.c_str(), "w")) {
        std::fprintf(file, "%u %u\n", requests.load(), errors.load());
        std::fclose(file);
        std::rename(unfinished.c_str(), path.c_str());
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    std::signal(SIGTERM, [](int) { stopping = true; });
    std::signal(SIGINT, [](int) { stopping = true; });
    const auto end = Clock::now() + std::chrono::seconds(shop::number(argv[2]));
    std::vector<std::thread> customers;
    for (int i = 0; i < shop::number(argv[3]); ++i) {
        customers.emplace_back(shop_until, end, shop::number(argv[1]),
                               kCustomers[static_cast<std::size_t>(i) % std::size(kCustomers)]);
    }
    while (Clock::now() < end && !stopping) {
        write_state(argv[4]);
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    for (std::thread& customer : customers) customer.join();
    write_state(argv[4]);
    return 0;
}
