// The shop's messages over a real socket.
#include "wire.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

namespace shop {
namespace {

TEST(Message, takes_the_first_line_apart) {
    const Message message{"GET /cart?user=ada&items=3&empty=", {{"traceparent", "00-..."}}};
    EXPECT_EQ(message.route(), "GET /cart");
    EXPECT_EQ(message.query("user"), "ada");
    EXPECT_EQ(message.query("items"), "3");
    EXPECT_EQ(message.query("empty"), "");
    EXPECT_EQ(message.query("absent"), "");
    EXPECT_EQ(message.header("traceparent"), "00-...");
    EXPECT_EQ(message.header("baggage"), "");
    EXPECT_FALSE(message.ok());
    EXPECT_TRUE((Message{"200 ok", {}}.ok()));
}

TEST(Call, an_unreachable_server_is_a_reply) {
    EXPECT_EQ(call(1, {"GET /", {}}).line, "503 unreachable");
}

TEST(Serve, answers_with_what_the_handler_says_and_ends_on_sigterm) {
    char folder[] = "/tmp/spanring-shop-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    const std::string port_file = std::string(folder) + "/port";
    const pid_t server = ::fork();
    if (server == 0) {
        ::_exit(serve(port_file, [](const Message& request) {
            return Message{"200 ok", {{"echo", request.header("say")}, {"route", request.route()}}};
        }));
    }
    int port = 0;
    while (!(std::ifstream(port_file) >> port)) {
        ASSERT_EQ(::waitpid(server, nullptr, WNOHANG), 0) << "the server died";
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const Message reply = call(port, {"GET /echo?x=1", {{"say", "Größe: 猫"}}});
    EXPECT_EQ(reply.line, "200 ok");
    EXPECT_EQ(reply.header("echo"), "Größe: 猫");
    EXPECT_EQ(reply.header("route"), "GET /echo");
    ::kill(server, SIGTERM);
    int status = -1;
    ::waitpid(server, &status, 0);
    EXPECT_EQ(status, 0);
    ::unlink(port_file.c_str());
    ::rmdir(folder);
}

}  // namespace
}  // namespace shop
