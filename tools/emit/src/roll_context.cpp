#include "roll_context.hpp"

#include <cstdio>

namespace spanring::tools::emit {

std::string roll_hex(Dice& dice, int words) {
    std::string out;
    for (int i = 0; i < words; ++i) {
        char digits[17];
        std::snprintf(digits, sizeof digits, "%016llx",
                      static_cast<unsigned long long>(dice.next() | 1));  // never all zero
        out += digits;
    }
    return out;
}

Context roll_remote(Dice& dice, Place& place) {
    place = {};
    place.remote = true;
    place.trace_id = roll_hex(dice, 2);
    place.span_id = roll_hex(dice, 1);
    place.suppressed = dice.chance(15);
    if (dice.chance(40)) place.trace_state = "vendor=" + roll_hex(dice, 1) + ",other=t61rcWkgMzE";
    if (dice.chance(40)) place.request_id = "r-" + std::to_string(dice.below(1000));
    if (dice.chance(30)) place.user_id = "ada lovelace";
    std::string baggage = "shop.cart=17";
    if (!place.request_id.empty()) baggage += ",request.id=" + place.request_id;
    if (!place.user_id.empty()) baggage += ", user.id=ada%20lovelace;property=1";
    const std::string parent =
        "00-" + place.trace_id + "-" + place.span_id + (place.suppressed ? "-00" : "-01");
    return Context::from_headers(parent, place.trace_state, baggage);
}

}  // namespace spanring::tools::emit
