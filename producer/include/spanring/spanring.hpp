// spanring: everything that an application needs to write tracepoints.
//
//     #include <spanring/spanring.hpp>
//
//     void charge(const Order& order) {
//         spanring::Span span("charge card");
//         span.set("order.id", order.id);
//     }
//
// Compiled with SPANRING_OFF the whole interface stays and does nothing.
#pragma once

#ifdef SPANRING_OFF
#include "spanring/off.hpp"
#else
#include "spanring/async_span.hpp"
#include "spanring/attribute.hpp"
#include "spanring/call_sites.hpp"
#include "spanring/context.hpp"
#include "spanring/event.hpp"
#include "spanring/import.hpp"
#include "spanring/macros.hpp"
#include "spanring/process.hpp"
#include "spanring/span.hpp"
#endif
