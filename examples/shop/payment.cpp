// The payment service: POST /charge?cents=N
//
// Shows a server span below a remote parent, children, attributes, an event, an exception.
#include <stdexcept>
#include <string>

#include "tracing.hpp"
#include "weather.hpp"

using namespace std::chrono_literals;
using namespace spanring::literals;

namespace {

bool looks_like_fraud(int cents) {
    SPANRING_SPAN("check fraud");
    shop::work_for(800us);
    return cents > 150'000;
}

/// Throws if the bank says no.
void ask_bank(int cents) {
    spanring::Span span("POST bank/transfer", spanring::SpanKind::kClient);
    span.set("bank.name"_key, "First Tidewater").set("amount.cents"_key, cents);
    for (int attempt = 1; shop::chance(15) && attempt <= 3; ++attempt) {
        span.event("retry", {{"attempt"_key, attempt}, {"reason"_key, "connection reset"}});
        shop::work_for(4ms);
    }
    shop::work_for(shop::chance(2) ? 120ms : 3ms);  // now and then the bank takes its time
    if (shop::chance(4)) throw std::runtime_error("card declined: insufficient funds");
}

shop::Message charge(const shop::Message& request) {
    const spanring::Scope scope = shop::context_of(request).attach();
    spanring::Span span("POST /charge", spanring::SpanKind::kServer);
    const int cents = shop::number(request.query("cents"));
    span.set("amount.cents"_key, cents);
    try {
        if (looks_like_fraud(cents)) {
            span.set_status(spanring::StatusCode::kError, "refused: looks like fraud");
            return {"403 refused", {}};
        }
        ask_bank(cents);
    } catch (const std::exception& error) {
        span.record_exception(error).set_status(spanring::StatusCode::kError, error.what());
        return {"402 payment required", {}};
    }
    return {"200 ok", {}};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    if (!spanring::configure({.service_name = "payment"}).ok()) return 2;
    return shop::serve(argv[1], charge);
}
