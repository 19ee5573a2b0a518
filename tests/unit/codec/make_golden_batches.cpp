// Writes the golden batches of this format version into a folder:
//
//   build/dev/bin/make_golden_batches tests/golden/codec
//
// Run it once for a new version of the format, never to make a failing test pass: the files of a
// released version do not change. Per sample: NAME.batch (good), NAME.jsonl (its spans),
// NAME-truncated.bad and NAME-flipped.bad.
#include <cstdio>
#include <fstream>
#include <string>

#include "golden_samples.hpp"
#include "spanring/codec/jsonl.hpp"

namespace {

using namespace spanring::codec;

bool write(const std::string& path, std::span<const std::byte> bytes) {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return file.good();
}

bool write_sample(const std::string& base, const Batch& batch, const EncodeOptions& options) {
    auto bytes = encode(batch, options);
    if (!bytes) return false;
    auto read = decode(*bytes);
    if (!read) return false;
    std::string lines;
    for (std::size_t i = 0; i < read->rows.size(); ++i) lines += to_jsonl(*read->span(i)) + "\n";
    bool ok = write(base + ".batch", *bytes);
    ok &= write(base + ".jsonl", std::as_bytes(std::span(lines)));
    ok &= write(base + "-truncated.bad", std::span(*bytes).first(bytes->size() * 2 / 3));
    (*bytes)[bytes->size() - 3] ^= std::byte{0x10};
    ok &= write(base + "-flipped.bad", *bytes);
    return ok;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: make_golden_batches FOLDER\n");
        return 2;
    }
    for (const auto& [name, batch] : test::golden_batches()) {
        if (!write_sample(std::string(argv[1]) + "/" + name, batch, test::golden_options(name))) {
            std::fprintf(stderr, "cannot write %s\n", name.c_str());
            return 1;
        }
    }
    return 0;
}
