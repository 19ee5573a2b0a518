// The cart service: GET /cart?user=NAME and POST /empty?user=NAME
//
// Shows an async span that ends on another thread, and attributes of several types.
#include <string>
#include <thread>
#include <vector>

#include "spanring/spanring.hpp"
#include "tracing.hpp"
#include "weather.hpp"

using namespace std::chrono_literals;
using namespace spanring::literals;

namespace {

std::vector<std::int64_t> load_items(const std::string& user) {
    spanring::Span span("SELECT cart_items", spanring::SpanKind::kClient);
    span.set("db.system"_key, "sqlite")
        .set("db.statement"_key, "SELECT * FROM cart_items WHERE user = ?");
    shop::work_for(shop::chance(3) ? 40ms : 1200us);  // now and then a table scan
    std::vector<std::int64_t> items(static_cast<std::size_t>(shop::between(1, 6)));
    for (auto& item : items) item = shop::between(1000, 9999);
    span.set("db.rows"_key, items.size()).set("user.known"_key, !user.empty());
    return items;
}

int price_of(const std::vector<std::int64_t>& items) {
    spanring::Span span("price items");
    span.set("items"_key, items);
    shop::work_for(300us);
    if (shop::chance(30)) span.event("discount", {{"percent"_key, 12.5}, {"code"_key, "AUTUMN"}});
    int cents = 0;
    for (const std::int64_t item : items) cents += static_cast<int>(item) * 3;
    return cents;
}

/// Goes on after the reply: the span is begun here and ends on the other thread.
void refresh_recommendations() {
    spanring::AsyncSpan span("refresh recommendations");
    std::thread([span = std::move(span)]() mutable {
        shop::work_for(5ms);
        span.set("recommendations"_key, shop::between(3, 12));
        span.end();
    }).detach();
}

shop::Message get_cart(const shop::Message& request) {
    spanring::Span span("GET /cart", spanring::SpanKind::kServer);
    const std::vector<std::int64_t> items = load_items(request.query("user"));
    const int cents = price_of(items);
    span.set("cart.items"_key, items.size()).set("cart.cents"_key, cents);
    refresh_recommendations();
    return {"200 ok", {{"cents", std::to_string(cents)}}};
}

shop::Message empty_cart(const shop::Message&) {
    spanring::Span span("POST /empty", spanring::SpanKind::kServer);
    shop::work_for(500us);
    return {"200 ok", {}};
}

shop::Message answer(const shop::Message& request) {
    const spanring::Scope scope = shop::context_of(request).attach();
    if (request.route() == "GET /cart") return get_cart(request);
    if (request.route() == "POST /empty") return empty_cart(request);
    SPANRING_EVENT("unknown route", "line"_key, request.line);
    return {"404 not found", {}};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    if (!spanring::configure({.service_name = "cart"}).ok()) return 2;
    return shop::serve(argv[1], answer);
}
