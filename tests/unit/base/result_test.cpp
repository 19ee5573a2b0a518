#include "spanring/base/result.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace spanring {
namespace {

TEST(Result, holds_a_value_that_can_only_be_moved) {
    Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
    ASSERT_TRUE(result.ok());
    const std::unique_ptr<int> taken = std::move(result).value();
    EXPECT_EQ(*taken, 7);
}

TEST(Result, context_is_added_in_front_of_the_message) {
    const Result<int> result = Error{ErrorCode::kNotFound, "no such file"}.in("DIR/control");
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kNotFound);
    EXPECT_EQ(result.error().message, "DIR/control: no such file");
}

TEST(Result, void_is_success_until_an_error_says_otherwise) {
    EXPECT_TRUE(Result<void>().ok());
    EXPECT_FALSE(Result<void>(Error{ErrorCode::kIo, "x"}).ok());
}

TEST(Result, os_errors_get_the_code_that_decides_what_can_help) {
    EXPECT_EQ(os_error(ENOSPC, "write").code, ErrorCode::kNoSpace);
    EXPECT_EQ(os_error(EACCES, "open").code, ErrorCode::kPermission);
    EXPECT_EQ(os_error(ENOENT, "open").code, ErrorCode::kNotFound);
    EXPECT_EQ(os_error(EIO, "read").code, ErrorCode::kIo);
    EXPECT_EQ(os_error(ENOENT, "open DIR").message, "open DIR: No such file or directory");
}

}  // namespace
}  // namespace spanring
