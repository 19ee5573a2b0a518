// What the tests share in which each call of a life fails in turn, kind by kind.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <string>
#include <utility>

#include "spanring/base/os.hpp"

namespace spanring::testing {

struct CallFault {
    os::Call call{os::Call::kAny};
    std::uint64_t nth{0};  ///< 0: none
    int errno_value{0};
};

/// What a test is instantiated with: the name of an error and its number.
using CallError = std::pair<const char*, int>;

inline auto call_errors() {
    return ::testing::Values(CallError{"eio", EIO}, CallError{"enospc", ENOSPC},
                             CallError{"eintr", EINTR}, CallError{"enomem", ENOMEM},
                             CallError{"emfile", EMFILE}, CallError{"short", os::kShortTransfer});
}
inline std::string name_of(const ::testing::TestParamInfo<CallError>& tested) {
    return tested.param.first;
}

/// Calls `survives(fault)` for every `stride`-th call of each kind until it says that a call was
/// not reached, or the test has failed. Returns how many were.
template <typename Survives>
std::uint64_t fail_each_call(int errno_value, std::uint64_t stride, Survives&& survives) {
    std::uint64_t failed = 0;
    for (int kind = 1; kind < os::kCallKinds; ++kind) {
        CallFault fault{static_cast<os::Call>(kind), 1, errno_value};
        for (bool reached = true; reached && !::testing::Test::HasFailure(); fault.nth += stride) {
            SCOPED_TRACE("kind " + std::to_string(kind) + ", call " + std::to_string(fault.nth));
            reached = survives(fault);
            failed += reached ? 1 : 0;
        }
    }
    return failed;
}

/// Of this process.
inline std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace spanring::testing
