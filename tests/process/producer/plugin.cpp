// A shared object with a copy of the library of its own, linked statically.
#include "spanring/spanring.hpp"

extern "C" __attribute__((visibility("default"))) void plugin_work() {
    SPANRING_SPAN("plugin");
    spanring::set("in", "plugin");
}
