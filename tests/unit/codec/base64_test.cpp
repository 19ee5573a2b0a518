#include "base64.hpp"

#include <gtest/gtest.h>

namespace spanring::codec {
namespace {

TEST(Base64, gives_the_vectors_of_rfc_4648) {
    const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                           {"f", "Zg=="},
                                                           {"fo", "Zm8="},
                                                           {"foo", "Zm9v"},
                                                           {"foob", "Zm9vYg=="},
                                                           {"fooba", "Zm9vYmE="},
                                                           {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : vectors) {
        EXPECT_EQ(to_base64(bytes), text);
        EXPECT_EQ(from_base64(text), bytes);
    }
}

TEST(Base64, keeps_every_byte) {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
}

TEST(Base64, refuses_what_is_not_base64) {
    for (const char* text : {"Zg=", "Zg", "Z!==", "====", "Zm9v\n", "=Zg="}) {
        EXPECT_FALSE(from_base64(text).has_value()) << text;
    }
}

}  // namespace
}  // namespace spanring::codec
