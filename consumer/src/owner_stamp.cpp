#include "owner_stamp.hpp"

#include <cstring>
#include <string_view>

#include "spanring/abi/record_layout.h"

namespace spanring::consumer {
namespace {

constexpr std::string_view kKey = "process.user.id";  // of OpenTelemetry's conventions

template <typename T>
void put(std::vector<std::byte>& out, const T& value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    out.insert(out.end(), bytes, bytes + sizeof value);
}

/// Length of the record at the front; 0: there is none, the assembler will say what is wrong.
std::size_t record_bytes(std::span<const std::byte> records) {
    std::uint64_t head = 0;
    if (records.size() < sizeof head) return 0;
    std::memcpy(&head, records.data(), sizeof head);
    const std::size_t bytes = spanring_record_bytes(head);
    return bytes > records.size() ? 0 : bytes;
}

bool names_the_key(std::span<const std::byte> record) {
    std::uint64_t head = 0;
    std::memcpy(&head, record.data(), sizeof head);
    const auto* text = reinterpret_cast<const char*>(record.data()) + sizeof head;
    return spanring_record_kind(head) == SPANRING_REC_NAME &&
           spanring_record_low(head) == kKey.size() && std::string_view(text, kKey.size()) == kKey;
}

}  // namespace

std::vector<std::byte> stamp_owner(std::span<const std::byte> resource, std::uint32_t uid) {
    std::vector<std::byte> out;
    while (!resource.empty()) {
        const std::size_t bytes = record_bytes(resource);
        if (bytes == 0) break;
        if (names_the_key(resource)) {
            resource = resource.subspan(bytes);
            resource = resource.subspan(record_bytes(resource));  // the value behind the name
            continue;
        }
        out.insert(out.end(), resource.begin(), resource.begin() + static_cast<long>(bytes));
        resource = resource.subspan(bytes);
    }
    out.insert(out.end(), resource.begin(), resource.end());
    put(out, spanring_record_head(SPANRING_REC_NAME, 0, kKey.size()));
    out.insert(out.end(), reinterpret_cast<const std::byte*>(kKey.data()),
               reinterpret_cast<const std::byte*>(kKey.data()) + kKey.size());
    out.resize((out.size() + 7) & ~std::size_t{7});
    put(out, spanring_record_head(SPANRING_REC_ATTR_INT, SPANRING_ID_INLINE, 0));
    put(out, std::int64_t{uid});
    return out;
}

}  // namespace spanring::consumer
