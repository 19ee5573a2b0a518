// Arguments of any bytes, one to a line: parsed, or refused; never carried out.
#include <sstream>
#include <string>
#include <vector>

#include "commands.hpp"
#include "require.hpp"

using namespace spanring;
using fuzz::require;

namespace {

/// All commands, declared once: that takes a hundred times what parsing does. CLI11 forgets what it
/// parsed before it parses again; values that options gave remain, and only an action would look.
struct Program {
    CLI::App app{"fuzz", "spanring"};
    tools::Session session;

    Program() {
        app.require_subcommand(1);
        tools::add_every_command(app, session);
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    // Longer ones only repeat.
    constexpr std::size_t kBytesMax = 512;
    if (count > kBytesMax) return 0;
    static Program program;
    std::istringstream in(std::string(reinterpret_cast<const char*>(data), count));
    std::vector<std::string> words;
    for (std::string word; std::getline(in, word);) words.insert(words.begin(), word);
    program.session = {};
    try {
        program.app.parse(words);  // in reverse, as CLI11 wants them
    } catch (const CLI::Error& refused) {
        require(!program.session.action, "what is refused has no action");
        return 0;
    }
    require(static_cast<bool>(program.session.action), "what is parsed has an action");
    return 0;
}
