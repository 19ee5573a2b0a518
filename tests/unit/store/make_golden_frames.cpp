// Writes tests/golden/store/{good,bad,torn}.frame: `make_golden_frames FOLDER`. Run once per format
// version; the files then stand for what that version wrote.
#include <cstdio>
#include <fstream>
#include <string>

#include "spanring/store/frame.hpp"

using namespace spanring;

namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
    const auto* data = reinterpret_cast<const std::byte*>(text.data());
    return {data, data + text.size()};
}

void write(const std::string& path, const std::vector<std::byte>& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: make_golden_frames FOLDER\n");
        return 2;
    }
    const std::string folder = argv[1];
    store::InstanceDelta delta;
    for (std::size_t i = 0; i < delta.id.bytes.size(); ++i)
        delta.id.bytes[i] = static_cast<std::uint8_t>(i + 1);
    delta.pid = 4242;
    delta.process_name = "shop";
    delta.tracepoints = 300;
    delta.pages = {{3, 2, 8192}, {4, 1, 128}};
    delta.pages_released = {1, 2};
    delta.streams = {{5, 1000, 7, bytes_of("stack")}};
    delta.losses = {{5, {1, 2, 3, 4}, {5, 6, 7, 8}, {10, 11, 12, 1ull << 40}}};
    store::Frame frame;
    frame.number = 77;
    frame.committed_ns = 1'700'000'000'123'456'789;
    frame.snapshot = true;
    frame.instances = {delta};
    frame.batches = {bytes_of("first batch"), bytes_of("the second batch")};
    frame.open_spans = {bytes_of("open")};
    frame.deferred = bytes_of("later");
    auto bytes = store::encode(frame, {9, -5, 600});
    write(folder + "/good.frame", bytes);
    auto torn = bytes;
    torn.resize(torn.size() - 8);
    write(folder + "/torn.frame", torn);
    bytes[bytes.size() - 20] ^= std::byte{1};
    write(folder + "/bad.frame", bytes);
    return 0;
}
