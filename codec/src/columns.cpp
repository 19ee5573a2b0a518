#include "columns.hpp"

#include <cstring>

#include "integers.hpp"
#include "spanring/abi/record_layout.h"

namespace spanring::codec {
namespace {

constexpr std::size_t kLinkBytes = 24;
constexpr std::size_t kCountsOfDropped = 3;

std::uint32_t kind_of(std::uint32_t kind_and_target) noexcept {
    return kind_and_target & SPANRING_REC_DETAIL_MASK;
}

void put_record(std::vector<std::byte>* out, Head head, std::uint32_t low,
                std::span<const std::byte> body) {
    const std::size_t at = out->size();
    const std::uint64_t word = (static_cast<std::uint64_t>(low) << 32) | head;
    out->resize(at + 8 + ((body.size() + 7) & ~std::size_t{7}));
    std::memcpy(out->data() + at, &word, 8);
    if (!body.empty()) std::memcpy(out->data() + at + 8, body.data(), body.size());
}

}  // namespace

bool head_is_storable(Head head) noexcept {
    const std::uint32_t target = kind_with_target(head) & SPANRING_TARGET_MASK;
    const std::uint32_t kind = kind_of(kind_with_target(head));
    if (target == SPANRING_TARGET_MASK) return false;
    switch (kind) {
        case SPANRING_REC_STATUS: return id_of(head) <= SPANRING_STATUS_ERROR;
        case SPANRING_REC_EVENT_AT:
        case SPANRING_REC_LINK:
        case SPANRING_REC_TRACESTATE:
        case SPANRING_REC_DROPPED: return true;
        default: return is_attribute(kind);
    }
}

bool head_names_string(Head head) noexcept {
    const std::uint32_t kind = kind_of(kind_with_target(head));
    return kind <= SPANRING_REC_ATTR_STRING_ARRAY || kind == SPANRING_REC_EVENT_AT;
}

ColumnWriter::ColumnWriter(Head head) noexcept
    : kind_(kind_of(kind_with_target(head))),
      is_word_(kind_ == SPANRING_REC_ATTR_INT || kind_ == SPANRING_REC_ATTR_DOUBLE),
      is_payload_(spanring_record_has_payload(kind_) != 0) {
    if (!is_payload_) fixed_bytes_ = spanring_record_bytes(head);
}

void ColumnWriter::add_other(const std::byte* record, std::int64_t span_start_ns) {
    const std::uint32_t low = spanring_record_low(load_word(record));
    const std::span body(record + 8, fixed_bytes_ - 8);
    switch (kind_) {
        case SPANRING_REC_ATTR_BOOL: words_.push_back(low != 0 ? 1 : 0); return;
        case SPANRING_REC_EVENT_AT:
            words_.push_back(
                zigzag(load_word(body.data()) - static_cast<std::uint64_t>(span_start_ns)));
            return;
        case SPANRING_REC_DROPPED: {
            const std::uint64_t rest = load_word(body.data());
            words_.insert(words_.end(), {low, rest & 0xffffffffu, rest >> 32});
            return;
        }
        default:  // a link
            words_.push_back(low);
            put_bytes(bytes_, body);
            return;
    }
}

void ColumnWriter::put(Buffer& out) const {
    if (kind_ == SPANRING_REC_ATTR_DOUBLE) {
        put_plain(out, std::span(words_));
    } else {
        put_integers(out, words_);
    }
    put_bytes(out, bytes_);
}

bool ColumnReader::read(std::span<const std::byte> content, Buffer&& owned,
                        bool may_be_dictionary) {
    owned_ = std::move(owned);
    const std::uint32_t kind = kind_of(kind_with_target(head_));
    const bool is_counts = kind == SPANRING_REC_DROPPED;
    ByteReader in(content);
    const bool is_payload = spanring_record_has_payload(kind) != 0;
    if (may_be_dictionary && is_payload && !content.empty() && content.front() == kDictionaryTag) {
        return dictionary_.emplace().read(in, values_) && in.finished();
    }
    if (!get_integers(in, values_ * (is_counts ? kCountsOfDropped : 1), &words_)) return false;
    std::uint64_t body_bytes = 0;
    if (kind == SPANRING_REC_LINK) {
        body_bytes = values_ * kLinkBytes;
    } else if (is_payload) {
        for (std::uint64_t& word : words_) {
            if (word > SPANRING_SPAN_BYTES_MAX - 8) return false;
            word = body_bytes += word;
        }
    }
    bytes_ = in.bytes(body_bytes);
    return in.finished();
}

void ColumnReader::put(std::size_t i, std::int64_t span_start_ns,
                       std::vector<std::byte>* details) const {
    const std::uint32_t kind = kind_of(kind_with_target(head_));
    const auto put_word = [&](std::uint32_t low, std::uint64_t body) {
        put_record(details, head_, low, std::as_bytes(std::span(&body, 1)));
    };
    switch (kind) {
        case SPANRING_REC_ATTR_BOOL:
            put_record(details, head_, static_cast<std::uint32_t>(words_[i] & 1), {});
            return;
        case SPANRING_REC_ATTR_INT:
        case SPANRING_REC_ATTR_DOUBLE: put_word(0, words_[i]); return;
        case SPANRING_REC_EVENT_AT:
            put_word(0, unzigzag(words_[i]) + static_cast<std::uint64_t>(span_start_ns));
            return;
        case SPANRING_REC_DROPPED: {
            const std::uint64_t* counts = &words_[i * kCountsOfDropped];
            put_word(static_cast<std::uint32_t>(counts[0]),
                     (counts[1] & 0xffffffffu) | (counts[2] << 32));
            return;
        }
        case SPANRING_REC_LINK:
            put_record(details, head_, static_cast<std::uint32_t>(words_[i]),
                       bytes_.subspan(i * kLinkBytes, kLinkBytes));
            return;
        default: break;
    }
    const auto body = payload(i);
    put_record(details, head_, static_cast<std::uint32_t>(body.size()), body);
}

}  // namespace spanring::codec
