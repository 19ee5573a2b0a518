// decode_frame(): any bytes, and frames that are nearly right. What decodes encodes again, to a
// frame that decodes to the same.
#include "frame_maker.hpp"
#include "require.hpp"

using namespace spanring;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    FuzzedDataProvider in(data, count);
    std::vector<std::byte> bytes;
    if (in.ConsumeBool()) {
        bytes = fuzz::made_frame(in, 1);
    } else {
        for (const std::uint8_t byte : in.ConsumeRemainingBytes<std::uint8_t>()) {
            bytes.push_back(std::byte{byte});
        }
        if (bytes.size() >= 8) std::memcpy(bytes.data(), SPANRING_FRAME_MAGIC, 8);
        fuzz::mend_checksums(bytes);
    }
    std::size_t used = 0;
    const auto frame = store::decode_frame(bytes, &used);
    if (!frame) {
        require(frame.error().message.find('\n') == std::string::npos, "an error is one line");
        return 0;
    }
    require(used <= bytes.size(), "a frame ends inside its bytes");
    const auto again = store::decode_frame(store::encode(*frame, {}), &used);
    require(again.ok() && *again == *frame, "what decodes encodes");
    return 0;
}
