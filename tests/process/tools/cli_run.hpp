// Runs the `spanring` program as a user's shell would.
#pragma once

#include <rapidjson/document.h>

#include <string>
#include <utility>
#include <vector>

namespace spanring::tools {

struct Outcome {
    int exit_code{-1};  ///< 128 + signal if one ended it
    std::string out;
    std::string err;
};

using Variables = std::vector<std::pair<std::string, std::string>>;

/// Runs the program with `arguments`, in an environment of PATH, HOME and `variables` alone; kills
/// it after `seconds`. Output goes to files: nothing can block.
[[nodiscard]] Outcome run_spanring(std::vector<std::string> arguments,
                                   const Variables& variables = {}, unsigned seconds = 60);

/// The same as user nobody. Needs root (see can_be_nobody).
[[nodiscard]] Outcome run_spanring_as_nobody(const std::vector<std::string>& arguments);
/// Whether this process may become nobody, and nobody may run the program where it lies.
[[nodiscard]] bool can_be_nobody();

/// Returns what the command printed as JSON; a failure of the test if it is none.
[[nodiscard]] rapidjson::Document parsed(const Outcome& outcome);

/// Expects exit code 2, nothing on standard output, and one line that contains `part`.
void expect_one_line(const Outcome& outcome, const std::string& part);

/// The folder in which the built programs lie.
[[nodiscard]] std::string program_folder();

/// A folder of this test's own, removed at the end.
class Folder {
public:
    explicit Folder(const std::string& under = "/tmp");
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] std::string operator/(const std::string& name) const {
        return path_ + "/" + name;
    }

private:
    std::string path_;
};

}  // namespace spanring::tools
