// A configuration file of any bytes: values within their limits, or one line that says what is
// wrong and where.
#include <string>

#include "require.hpp"
#include "spanring/consumer/config.hpp"

using namespace spanring;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    const std::string text(reinterpret_cast<const char*>(data), count);
    const auto config = consumer::parse_config(text, "fuzz.toml");
    if (!config) {
        const std::string& said = config.error().message;
        require(said.find("fuzz.toml") != std::string::npos, "an error names the file");
        require(said.find('\n') == std::string::npos, "an error is one line");
        return 0;
    }
    require(config->max_delay.count() > 0, "a turn has a length");
    require(config->workers <= 64, "workers are bounded");
    require(config->store.window_bytes_max >= 1u << 16, "a window holds a frame");
    return 0;
}
