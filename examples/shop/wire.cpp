#include "wire.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <thread>

namespace shop {
namespace {

constexpr std::size_t kMessageBytesMax = 64u << 10;  // far above what the shop sends
constexpr int kReplySecondsMax = 10;

std::atomic<bool> stopping{false};
int listening_socket = -1;

sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

void send_message(int socket, const Message& message) {
    std::string text = message.line + "\n";
    for (const auto& [name, value] : message.headers) text += name + ": " + value + "\n";
    text += "\n";
    std::size_t sent = 0;
    while (sent < text.size()) {
        const ssize_t n = ::send(socket, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += static_cast<std::size_t>(n);
    }
}

/// Returns an empty first line if the other side went away.
Message receive_message(int socket) {
    std::string text;
    char buffer[4096];
    while (text.find("\n\n") == std::string::npos && text.size() < kMessageBytesMax) {
        const ssize_t n = ::recv(socket, buffer, sizeof buffer, 0);
        if (n <= 0) return {};
        text.append(buffer, static_cast<std::size_t>(n));
    }
    Message message;
    std::size_t at = text.find('\n');
    message.line = text.substr(0, at);
    while (at + 1 < text.size() && text[at + 1] != '\n') {
        const std::size_t end = text.find('\n', at + 1);
        const std::string line = text.substr(at + 1, end - at - 1);
        const std::size_t colon = line.find(": ");
        if (colon != std::string::npos) {
            message.headers[line.substr(0, colon)] = line.substr(colon + 2);
        }
        at = end;
    }
    return message;
}

/// The listening socket stops accepting; `serve` then comes to its end.
void stop(int) {
    stopping = true;
    ::shutdown(listening_socket, SHUT_RDWR);
}

bool write_port(const std::string& path) {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    ::getsockname(listening_socket, reinterpret_cast<sockaddr*>(&address), &length);
    const std::string unfinished = path + ".new";
    std::ofstream(unfinished) << ntohs(address.sin_port) << "\n";
    return std::rename(unfinished.c_str(), path.c_str()) == 0;  // seen whole or not at all
}

void answer(int socket, const Handler& handler) {
    const timeval patience{kReplySecondsMax, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const Message request = receive_message(socket);
    if (!request.line.empty()) send_message(socket, handler(request));
    ::close(socket);
}

}  // namespace

std::string Message::header(std::string_view name) const {
    const auto found = headers.find(std::string(name));
    return found == headers.end() ? "" : found->second;
}

std::string Message::query(std::string_view name) const {
    std::size_t at = line.find('?');
    while (at != std::string::npos) {
        const std::size_t end = line.find('&', at + 1);
        const std::string pair = line.substr(at + 1, end == std::string::npos ? end : end - at - 1);
        if (pair.rfind(std::string(name) + "=", 0) == 0) return pair.substr(name.size() + 1);
        at = end;
    }
    return "";
}

std::string Message::route() const {
    return line.substr(0, line.find('?'));
}

int number(std::string_view text) {
    int value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

int serve(const std::string& port_file, const Handler& handler) {
    listening_socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(0);
    if (::bind(listening_socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
            0 ||
        ::listen(listening_socket, SOMAXCONN) != 0 || !write_port(port_file)) {
        std::perror("cannot listen on 127.0.0.1");
        return 2;
    }
    struct sigaction action {};
    action.sa_handler = stop;
    ::sigaction(SIGTERM, &action, nullptr);
    ::sigaction(SIGINT, &action, nullptr);

    std::atomic<int> in_progress{0};
    while (!stopping) {
        const int socket = ::accept4(listening_socket, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket < 0) continue;
        ++in_progress;
        std::thread([socket, &handler, &in_progress] {
            answer(socket, handler);
            --in_progress;
        }).detach();
    }
    while (in_progress != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ::close(listening_socket);
    return 0;
}

Message call(int port, const Message& request) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{kReplySecondsMax, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const sockaddr_in address = loopback(port);
    Message reply;
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        send_message(socket, request);
        reply = receive_message(socket);
    }
    ::close(socket);
    if (reply.line.empty()) reply.line = "503 unreachable";
    return reply;
}

}  // namespace shop
