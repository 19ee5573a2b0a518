// Loaded and unloaded again and again while its process traces.
#include "pair.hpp"

extern "C" __attribute__((visibility("default"))) void soak_pair(spanring::soak::ThreadLedger* at,
                                                                 const spanring::TraceId* trace) {
    spanring::soak::write_pair(*at, *trace);
}
