// Columns of detail values: one for each (kind + target, id) that occurs in a batch. A record's
// head is in the shape of its span; the column holds what differs from span to span.
//
//   bool               integers: 0 or 1
//   int                integers
//   double             plain integers: the bits
//   event with a time  integers: zigzag difference to the start of its span
//   dropped counts     integers: attributes, events, links, attributes, ...
//   link               integers: flags; then 24 bytes of ids each
//   payload            integers: lengths; then the bytes, unpadded. Or a dictionary
//   (dictionary.hpp)
//
// Threads: plain objects.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bytes.hpp"
#include "dictionary.hpp"
#include "spanring/abi/record_layout.h"
#include "spanring/codec/details.hpp"

namespace spanring::codec {

/// The lower half of a record's head: kind with target, and id.
using Head = std::uint32_t;
constexpr Head head_of(const Detail& d) noexcept {
    return d.kind | d.target | (d.id << 8);
}
constexpr std::uint32_t kind_with_target(Head head) noexcept {
    return head & 0xffu;
}
constexpr std::uint32_t id_of(Head head) noexcept {
    return head >> 8;
}
/// Returns whether records with this head may stand in a batch.
[[nodiscard]] bool head_is_storable(Head head) noexcept;
/// Returns whether the id of this head is the number of a string.
[[nodiscard]] bool head_names_string(Head head) noexcept;

class ColumnWriter {
public:
    explicit ColumnWriter(Head head) noexcept;
    /// Bytes of a record with this head word, by which the column's head is meant; 0: none such.
    [[nodiscard]] std::size_t record_bytes(std::uint64_t head) const noexcept {
        return fixed_bytes_ != 0 ? fixed_bytes_ : spanring_record_bytes(head);
    }
    /// Takes the value of the whole record at `record`.
    void add(const std::byte* record, std::int64_t span_start_ns) {
        if (is_word_) {
            words_.push_back(load_word(record + 8));
        } else if (is_payload_) {
            const std::size_t bytes = spanring_record_low(load_word(record));
            words_.push_back(bytes);
            bytes_.insert(bytes_.end(), record + 8, record + 8 + bytes);
        } else {
            add_other(record, span_start_ns);
        }
    }
    void put(Buffer& out) const;
    /// Appends the column as a dictionary. Returns false if it cannot be, or that would not pay.
    [[nodiscard]] bool put_as_dictionary(Buffer& out) const {
        return is_payload_ && put_dictionary(out, words_, bytes_);
    }

private:
    void add_other(const std::byte* record, std::int64_t span_start_ns);

    std::uint32_t kind_;  // without target
    std::uint32_t fixed_bytes_{0};
    bool is_word_{false};     // 8 bytes as they are
    bool is_payload_{false};  // a length and bytes
    std::vector<std::uint64_t> words_;
    Buffer bytes_;
};

class ColumnReader {
public:
    ColumnReader(Head head, std::uint64_t values) noexcept : head_(head), values_(values) {}
    /// Returns false if `content` is not exactly that many values. `owned`: what it lies in, if it
    /// was compressed.
    [[nodiscard]] bool read(std::span<const std::byte> content, Buffer&& owned,
                            bool may_be_dictionary);
    /// Appends value `i` as a record to `details`.
    void put(std::size_t i, std::int64_t span_start_ns, std::vector<std::byte>* details) const;

    [[nodiscard]] Head head() const noexcept { return head_; }
    [[nodiscard]] std::size_t size() const noexcept { return values_; }
    /// Of what is neither payload nor DROPPED: its integer.
    [[nodiscard]] std::uint64_t word(std::size_t i) const noexcept { return words_[i]; }
    /// Of a payload.
    [[nodiscard]] std::span<const std::byte> payload(std::size_t i) const noexcept {
        if (dictionary_) return dictionary_->value(i);
        const std::uint64_t begin = i == 0 ? 0 : words_[i - 1];
        return bytes_.subspan(begin, words_[i] - begin);
    }
    [[nodiscard]] const Dictionary* dictionary() const noexcept {
        return dictionary_ ? &*dictionary_ : nullptr;
    }
    /// What a dictionary expands to: its entries, which are held, and what put() will make.
    [[nodiscard]] std::uint64_t repeated_bytes() const noexcept {
        return dictionary_ ? dictionary_->value_bytes() + dictionary_->text_bytes() : 0;
    }

private:
    Head head_;
    std::uint64_t values_;
    std::vector<std::uint64_t> words_;  // of payloads: where each ends in bytes_
    std::span<const std::byte> bytes_;
    Buffer owned_;
    std::optional<Dictionary> dictionary_;  // instead of words_ and bytes_
};

}  // namespace spanring::codec
