#include "spanring/codec/batch_view.hpp"

#include <numeric>
#include <utility>
#include <vector>

#include "batch_decoder.hpp"

namespace spanring::codec {
namespace {

ColumnHead head_of_column(Head head) {
    const std::uint32_t kind = kind_with_target(head);
    return {kind & SPANRING_REC_DETAIL_MASK, kind & SPANRING_TARGET_MASK, id_of(head)};
}

std::string_view text_of_bytes(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The standard allows to look at one as the other.
std::span<const std::int64_t> as_signed(const std::vector<std::uint64_t>& words) {
    return {reinterpret_cast<const std::int64_t*>(words.data()), words.size()};
}

}  // namespace

ColumnHead ColumnView::head() const noexcept {
    return head_of_column(column_->head());
}
std::size_t ColumnView::size() const noexcept {
    return column_->size();
}
std::uint64_t ColumnView::word(std::size_t i) const noexcept {
    return column_->word(i);
}
std::string_view ColumnView::text(std::size_t i) const noexcept {
    return text_of_bytes(column_->payload(i));
}
std::size_t ColumnView::entry_count() const noexcept {
    return column_->dictionary() != nullptr ? column_->dictionary()->entry_count() : 0;
}
std::string_view ColumnView::entry(std::size_t number) const noexcept {
    return text_of_bytes(column_->dictionary()->entry(number));
}
std::size_t ColumnView::entry_of(std::size_t i) const noexcept {
    return column_->dictionary()->entry_of(i);
}

BatchView::BatchView(std::unique_ptr<BatchDecoder> decoder) : decoder_(std::move(decoder)) {}
BatchView::BatchView(BatchView&&) noexcept = default;
BatchView& BatchView::operator=(BatchView&&) noexcept = default;
BatchView::~BatchView() = default;

Result<BatchView> BatchView::open(std::span<const std::byte> bytes) {
    auto sections = SectionReader::open(bytes);
    if (!sections) return std::move(sections).error();
    auto decoder = std::make_unique<BatchDecoder>(std::move(*sections));
    if (auto opened = decoder->open(); !opened) return std::move(opened).error();
    return BatchView(std::move(decoder));
}

std::size_t BatchView::row_count() const noexcept {
    return decoder_->row_count();
}
const Batch& BatchView::tables() const noexcept {
    return decoder_->tables();
}
std::span<const Row> BatchView::shapes() const noexcept {
    return decoder_->rows().shapes;
}
std::span<const std::uint32_t> BatchView::columns_of(std::size_t shape) const noexcept {
    return decoder_->shapes().columns_of(decoder_->shapes().shapes[shape]);
}
std::size_t BatchView::column_count() const noexcept {
    return decoder_->column_heads().size();
}
ColumnHead BatchView::column_head(std::size_t column) const noexcept {
    return head_of_column(decoder_->column_heads()[column]);
}

Result<void> BatchView::load(unsigned parts) {
    return decoder_->load(parts);
}
std::span<const std::uint32_t> BatchView::shape_of_rows() const noexcept {
    return decoder_->rows().shape_of;
}
std::span<const std::uint32_t> BatchView::row_counts() const noexcept {
    return decoder_->rows().count_of;
}
std::span<const TraceRows> BatchView::traces() const noexcept {
    return decoder_->rows().traces;
}
std::span<const std::uint64_t> BatchView::spans() const noexcept {
    return decoder_->rows().spans;
}
std::span<const std::uint64_t> BatchView::parents() const noexcept {
    return decoder_->rows().parents;
}
std::span<const std::int64_t> BatchView::starts() const noexcept {
    return as_signed(decoder_->rows().starts);
}
std::span<const std::int64_t> BatchView::durations() const noexcept {
    return as_signed(decoder_->rows().durations);
}
std::span<const std::int64_t> BatchView::durations_by_shape() const noexcept {
    return as_signed(decoder_->rows().durations_by_shape);
}

Result<ColumnView> BatchView::column(std::size_t column) {
    auto reader = decoder_->column(column);
    if (!reader) return std::move(reader).error();
    return ColumnView(**reader, decoder_->rows_of_column(column));
}

TraceId BatchView::trace_id(const TraceRows& trace) const noexcept {
    Row row = shape_of(trace.first);
    row.trace_high = trace.high;
    row.trace_low = trace.low;
    return tables().trace_id(row);
}

Result<Batch> BatchView::rows(std::span<const std::uint32_t> numbers) {
    Batch out = decoder_->tables();
    if (auto put = decoder_->put_rows(numbers, &out); !put) return std::move(put).error();
    return out;
}

Result<Batch> BatchView::take() && {
    if (auto loaded = load(Part::kAll); !loaded) return std::move(loaded).error();
    // Also what no row uses has to be sound.
    for (std::size_t c = 0; c < column_count(); ++c)
        if (auto read = decoder_->column(c); !read) return std::move(read).error();
    std::vector<std::uint32_t> all(row_count());
    std::iota(all.begin(), all.end(), 0u);
    Batch out = std::exchange(decoder_->tables(), {});
    if (auto put = decoder_->put_rows(all, &out); !put) return std::move(put).error();
    return out;
}

Result<Batch> decode(std::span<const std::byte> bytes) {
    auto view = BatchView::open(bytes);
    if (!view) return std::move(view).error();
    return std::move(*view).take();
}

}  // namespace spanring::codec
