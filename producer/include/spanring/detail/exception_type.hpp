// The readable type of an exception object: demangled where there is RTTI, "std::exception" where
// not.
#pragma once

#include <cstdlib>
#include <exception>
#include <string_view>
#if defined(__GXX_RTTI)
#include <cxxabi.h>

#include <typeinfo>
#endif

namespace spanring::detail {

class ExceptionType {
public:
    explicit ExceptionType(const std::exception& exception) noexcept {
#if defined(__GXX_RTTI)
        int status = 0;
        name_ = abi::__cxa_demangle(typeid(exception).name(), nullptr, nullptr, &status);
#else
        (void)exception;
#endif
    }
    ExceptionType(const ExceptionType&) = delete;
    ExceptionType& operator=(const ExceptionType&) = delete;
    ~ExceptionType() {
        std::free(name_);
    }
    [[nodiscard]] std::string_view text() const noexcept {
        return name_ != nullptr ? std::string_view(name_) : std::string_view("std::exception");
    }

private:
    char* name_{nullptr};
};

}  // namespace spanring::detail
