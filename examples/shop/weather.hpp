// What makes the shop's traces worth looking at: work of changing length, now and then trouble.
// A stand-in for databases, banks and the network.
#pragma once

#include <chrono>
#include <random>
#include <thread>

namespace shop {

inline std::mt19937& dice() {
    thread_local std::mt19937 generator{std::random_device{}()};
    return generator;
}
inline bool chance(double percent) {
    return std::uniform_real_distribution<>(0, 100)(dice()) < percent;
}
inline int between(int low, int high) {
    return std::uniform_int_distribution<>(low, high)(dice());
}
/// Takes about that long, sometimes twice as long.
inline void work_for(std::chrono::microseconds about) {
    std::this_thread::sleep_for(about * between(60, chance(10) ? 200 : 130) / 100);
}

}  // namespace shop
