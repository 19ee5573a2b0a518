// The frontend: GET /checkout?user=NAME. Calls the cart, then the payment, then the cart again.
//
// Shows where a trace begins, who it is for (user id and request id travel with it), and calls.
#include <atomic>
#include <string>

#include "spanring/spanring.hpp"
#include "tracing.hpp"
#include "weather.hpp"

using namespace std::chrono_literals;
using namespace spanring::literals;

namespace {

int cart_port = 0;
int payment_port = 0;
std::atomic<unsigned> request_number{0};

shop::Message fetch_cart(const std::string& user) {
    spanring::Span span("call cart", spanring::SpanKind::kClient);
    return shop::traced_call(cart_port, {"GET /cart?user=" + user, {}}, span);
}

shop::Message pay(const std::string& cents) {
    spanring::Span span("call payment", spanring::SpanKind::kClient);
    return shop::traced_call(payment_port, {"POST /charge?cents=" + cents, {}}, span);
}

void empty_cart(const std::string& user) {
    spanring::Span span("call cart", spanring::SpanKind::kClient);
    (void)shop::traced_call(cart_port, {"POST /empty?user=" + user, {}}, span);
}

void render(const shop::Message& reply) {
    SPANRING_SPAN("render page");
    shop::work_for(400us);
    SPANRING_EVENT("template", "name"_key, reply.ok() ? "thanks.html" : "sorry.html");
}

shop::Message checkout(const shop::Message& request) {
    // Everything below, in every process, can be found by user.id and request.id.
    const std::string user = request.query("user");
    const spanring::Scope scope = shop::context_of(request)
                                      .with_user_id(user)
                                      .with_request_id("r-" + std::to_string(++request_number))
                                      .attach();
    spanring::Span span("GET /checkout", spanring::SpanKind::kServer);
    span.set("http.route"_key, "/checkout");
    shop::Message reply = fetch_cart(user);
    if (reply.ok()) reply = pay(reply.header("cents"));
    if (reply.ok()) empty_cart(user);
    render(reply);
    if (!reply.ok()) span.set_status(spanring::StatusCode::kError, reply.line);
    return reply;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    cart_port = shop::number(argv[2]);
    payment_port = shop::number(argv[3]);
    if (!spanring::configure({.service_name = "frontend"}).ok()) return 2;
    return shop::serve(argv[1], checkout);
}
