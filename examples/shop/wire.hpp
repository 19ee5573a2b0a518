// The shop's wire: one request and one reply per TCP connection on the loopback interface.
//
// A message is a first line, header lines "name: value", and an empty line:
//
//     POST /charge?cents=4200
//     traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
//
// Nothing here knows of tracing: the services put the headers in and take them out.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace shop {

struct Message {
    std::string line;                            ///< "GET /cart?user=ada" or "200 ok"
    std::map<std::string, std::string> headers;  ///< names in lower case

    /// Returns the header, or "".
    [[nodiscard]] std::string header(std::string_view name) const;
    /// Returns the value of `name` in the query part of the first line, or "".
    [[nodiscard]] std::string query(std::string_view name) const;
    /// Returns the first line without the query: "GET /cart".
    [[nodiscard]] std::string route() const;
    [[nodiscard]] bool ok() const { return line.rfind("200", 0) == 0; }
};

/// Returns the number that `text` is, or 0.
[[nodiscard]] int number(std::string_view text);

using Handler = std::function<Message(const Message& request)>;

/// Serves on a free port of 127.0.0.1, each connection on a thread of its own, until SIGTERM or
/// SIGINT; then lets the requests in progress end. Writes the port into `port_file` once it
/// listens. Returns the program's exit code.
int serve(const std::string& port_file, const Handler& handler);

/// Sends `request` to 127.0.0.1:port and waits for the reply. An unreachable or silent server is
/// the reply "503 unreachable".
[[nodiscard]] Message call(int port, const Message& request);

}  // namespace shop
