// A C++ application that knows spanring only by what is installed.
#include <chrono>
#include <cstdio>
#include <spanring/spanring.hpp>

using namespace spanring::literals;

int main() {
    if (!spanring::configure({.service_name = "adopter-cpp"}).ok()) return 2;
    {
        spanring::Span outer("outer");
        outer.set("answer"_key, 42);
        SPANRING_SPAN("inner");
        spanring::event("inside", {{"text", "both"}});
    }
    const bool stored = spanring::flush(std::chrono::seconds(30));
    std::printf("recording: %s\n", stored ? "yes" : spanring::status().reason.c_str());
    return stored ? 0 : 1;
}
