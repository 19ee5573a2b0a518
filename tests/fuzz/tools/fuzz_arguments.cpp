// Arguments of any bytes, one to a line: parsed, or refused; never carried out.
#include <sstream>
#include <string>
#include <vector>

#include "commands.hpp"
#include "require.hpp"

using namespace spanring;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    // Longer ones only repeat.
    constexpr std::size_t kBytesMax = 512;
    if (count > kBytesMax) return 0;
    std::istringstream in(std::string(reinterpret_cast<const char*>(data), count));
    std::vector<std::string> words;
    for (std::string word; std::getline(in, word);) words.insert(words.begin(), word);
    CLI::App app{"fuzz", "spanring"};
    tools::Session session;
    app.require_subcommand(1);
    tools::add_every_command(app, session);
    try {
        app.parse(words);  // in reverse, as CLI11 wants them
    } catch (const CLI::Error& refused) {
        require(!session.action, "what is refused has no action");
        return 0;
    }
    require(static_cast<bool>(session.action), "what is parsed has an action");
    return 0;
}
