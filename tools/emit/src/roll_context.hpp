// Random contexts of other processes, ids and kinds. Threads: pure, but for the dice.
#pragma once

#include <string>

#include "dice.hpp"
#include "mailbox.hpp"
#include "spanring/spanring.hpp"

namespace spanring::tools::emit {

inline constexpr SpanKind kKinds[] = {SpanKind::kInternal, SpanKind::kServer, SpanKind::kClient,
                                      SpanKind::kProducer, SpanKind::kConsumer};
/// The export's words for kKinds.
inline constexpr const char* kKindNames[] = {"internal", "server", "client", "producer",
                                             "consumer"};

/// 16 hex characters for each of `words`, never all zero.
[[nodiscard]] std::string roll_hex(Dice& dice, int words);

/// Headers that a caller might send, read by the library; `place` becomes what they mean.
[[nodiscard]] Context roll_remote(Dice& dice, Place& place);

}  // namespace spanring::tools::emit
