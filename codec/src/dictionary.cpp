#include "dictionary.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "integers.hpp"
#include "spanring/abi/record_layout.h"

namespace spanring::codec {
namespace {

/// Fewer values are not worth the search.
constexpr std::size_t kValuesMin = 64;
/// Of all entries together: what a reader allocates before it knows whether they are sound.
constexpr std::size_t kTextBytesMax = 4u << 20;
/// As of any payload.
constexpr std::size_t kValueBytesMax = SPANRING_SPAN_BYTES_MAX - 8;

struct Entries {
    std::vector<std::string_view> texts;  // ascending
    std::vector<std::uint64_t> entry_of;  // of each value
};

// Returns false if more than half of the values are new ones.
bool find_entries(std::span<const std::uint64_t> lengths, std::string_view bytes, Entries* out) {
    std::unordered_map<std::string_view, std::uint32_t> numbers;
    out->entry_of.reserve(lengths.size());
    for (const std::uint64_t length : lengths) {
        const std::string_view text = bytes.substr(0, length);
        bytes.remove_prefix(length);
        const auto number = static_cast<std::uint32_t>(out->texts.size());
        const auto [known, is_new] = numbers.try_emplace(text, number);
        out->entry_of.push_back(known->second);
        if (!is_new) continue;
        out->texts.push_back(text);
        if (out->texts.size() > lengths.size() / 2) return false;
    }
    std::sort(out->texts.begin(), out->texts.end());
    std::vector<std::uint32_t> sorted(out->texts.size());
    for (std::uint32_t i = 0; i < sorted.size(); ++i) sorted[numbers[out->texts[i]]] = i;
    for (std::uint64_t& entry : out->entry_of) entry = sorted[entry];
    return true;
}

std::size_t shared_with(std::string_view before, std::string_view text) noexcept {
    const auto differs = std::mismatch(before.begin(), before.end(), text.begin(), text.end());
    return static_cast<std::size_t>(differs.second - text.begin());
}

}  // namespace

bool put_dictionary(Buffer& out, std::span<const std::uint64_t> lengths,
                    std::span<const std::byte> bytes) {
    Entries entries;
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (lengths.size() < kValuesMin || !find_entries(lengths, text, &entries)) return false;
    std::vector<std::uint64_t> entry_lengths;
    std::vector<std::uint64_t> shared;
    std::vector<std::uint64_t> rest;
    std::size_t text_bytes = 0;
    std::string_view before;
    for (const std::string_view entry : entries.texts) {
        entry_lengths.push_back(entry.size());
        shared.push_back(shared_with(before, entry));
        for (const char c : entry.substr(shared.back())) {
            rest.push_back(static_cast<unsigned char>(c));
        }
        before = entry;
        text_bytes += entry.size();
        if (text_bytes > kTextBytesMax) return false;
    }
    out.push_back(kDictionaryTag);
    put_varint(out, entries.texts.size());
    put_integers(out, entry_lengths);
    put_packed(out, shared);
    put_integers(out, entries.entry_of);
    put_packed(out, rest);
    return true;
}

bool Dictionary::read(ByteReader& in, std::size_t count) {
    if (in.fixed<std::byte>() != kDictionaryTag) in.fail();
    const std::size_t entries = in.varint_up_to(std::min(count, kTextBytesMax + 1));
    std::vector<std::uint64_t> lengths;
    std::vector<std::uint64_t> shared;
    if (!get_integers(in, entries, &lengths) || !get_integers(in, entries, &shared) ||
        !get_integers(in, count, &entry_of_) || !read_entries(in, lengths, shared)) {
        return false;
    }
    value_bytes_ = 0;
    for (const std::uint64_t entry : entry_of_) {
        if (entry >= entries) {
            in.fail();
            return false;
        }
        value_bytes_ += lengths[entry];
    }
    return true;
}

bool Dictionary::read_entries(ByteReader& in, std::span<const std::uint64_t> lengths,
                              std::span<const std::uint64_t> shared) {
    std::uint64_t text_bytes = 0;
    std::uint64_t rest_bytes = 0;
    std::uint64_t before = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        if (lengths[i] > std::min(kValueBytesMax, kTextBytesMax - text_bytes) ||
            shared[i] > std::min(before, lengths[i])) {
            in.fail();
            return false;
        }
        text_bytes += lengths[i];
        rest_bytes += lengths[i] - shared[i];
        before = lengths[i];
    }
    std::vector<std::uint64_t> rest;
    if (!get_integers(in, rest_bytes, &rest)) return false;
    text_.resize(text_bytes);
    ends_.resize(lengths.size());
    std::size_t end = 0;
    std::size_t next = 0;
    std::size_t entry_before = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        std::byte* const entry = text_.data() + end;
        std::copy_n(text_.data() + entry_before, shared[i], entry);
        for (std::size_t at = shared[i]; at < lengths[i]; ++at) {
            if (rest[next] > 0xff) {
                in.fail();
                return false;
            }
            entry[at] = static_cast<std::byte>(rest[next++]);
        }
        entry_before = end;
        end += lengths[i];
        ends_[i] = end;
    }
    return true;
}

}  // namespace spanring::codec
