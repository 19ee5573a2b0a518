#include "spans_table.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "batch_rows.hpp"
#include "columns.hpp"
#include "grouped_rows.hpp"
#include "pushdown.hpp"
#include "table_support.hpp"

namespace spanring::sql {
namespace {

class SpansTable {
public:
    using Registration = std::shared_ptr<Source>;

    SpansTable(Registration source, Columns columns)
        : source_(std::move(source)), columns_(std::move(columns)) {}

    static Result<std::unique_ptr<SpansTable>> connect(const Registration& source) {
        const auto keys = source->reader->attribute_keys();
        if (!keys) return keys.error();
        return std::make_unique<SpansTable>(source, Columns(*keys));
    }
    [[nodiscard]] std::string declaration() const { return columns_.declaration(); }
    int choose(sqlite3_index_info* info) const { return choose_plan(columns_, info); }
    [[nodiscard]] Source& source() noexcept { return *source_; }
    [[nodiscard]] const Columns& columns() const noexcept { return columns_; }

private:
    Registration source_;
    Columns columns_;
};

/// A batch that stays when the store's cursor has gone on.
struct HeldBatch {
    std::vector<std::byte> encoded;
    std::optional<codec::BatchView> view;
    std::optional<BatchRows> rows;
};

/// Rows in the order in which a plan wants them.
class SpansCursor {
public:
    explicit SpansCursor(SpansTable& of) : table_(of) {}

    Result<void> filter(const char* plan_text, sqlite3_value** arguments) {
        const Plan plan = Plan::parse(plan_text);
        rows_.reset();
        heap_.clear();
        grouped_.reset();
        if (!plan.groups.empty()) return filter_grouped(plan, arguments);
        newest_first_ = plan.newest_first;
        store::VisitOptions options;
        if (newest_first_) options.order = store::VisitOptions::Order::kNewest;
        options.go_on = [this](std::int64_t) { return !table_.source().is_late(); };
        auto found = table_.source().reader->select(
            condition_of(plan, table_.columns(), table_.source().texts, arguments), options);
        if (!found) return std::move(found).error();
        batches_ = std::move(*found);
        return newest_first_ ? next_newest() : next_batch();
    }
    Result<void> next() {
        if (grouped_) return grouped_->next();
        if (newest_first_) {
            pop();
            return next_newest();
        }
        if (++position_ < rows_->size()) return {};
        return next_batch();
    }
    [[nodiscard]] bool at_end() const noexcept {
        if (grouped_) return grouped_->at_end();
        return newest_first_ ? heap_.empty() : !rows_.has_value();
    }
    Result<void> put(sqlite3_context* context, int column) {
        if (grouped_) {
            grouped_->put(context, static_cast<Column>(column));
            return {};
        }
        if (newest_first_)
            return heap_.front().batch->rows->put(context, column, heap_.front().position);
        return rows_->put(context, column, position_);
    }
    [[nodiscard]] std::int64_t number() const noexcept {
        if (grouped_) return grouped_->number();
        return newest_first_ ? heap_.front().batch->rows->number(heap_.front().position)
                             : rows_->number(position_);
    }

private:
    Result<void> filter_grouped(const Plan& plan, sqlite3_value** arguments) {
        std::vector<Column> used;
        for (int c = 0; c < static_cast<int>(Column::kFirstAttribute); ++c)
            if ((plan.used >> c & 1) != 0) used.push_back(static_cast<Column>(c));
        grouped_ = std::make_unique<GroupedRows>(
            table_.source(), condition_of(plan, table_.columns(), table_.source().texts, arguments),
            plan.groups, used);
        return grouped_->begin();
    }

    Result<void> next_batch() {
        rows_.reset();
        if (batches_->next()) {
            rows_.emplace(batches_->batch(), batches_->matching(), batches_->place(),
                          table_.columns(), table_.source());
            position_ = 0;
            return {};
        }
        return late();
    }
    [[nodiscard]] Result<void> late() const {
        if (table_.source().is_late()) return Error{ErrorCode::kTimeout, late_message()};
        return {};
    }

    // ---- newest first: rows of the batches that may hold the next one, the latest on top
    struct Entry {
        std::int64_t start_ns{0};
        std::size_t position{0};
        std::shared_ptr<HeldBatch> batch;
    };
    static bool is_earlier(const Entry& a, const Entry& b) noexcept {
        return a.start_ns < b.start_ns;
    }
    void pop() {
        std::ranges::pop_heap(heap_, is_earlier);
        heap_.pop_back();
    }
    /// Reads on until no batch that is yet to come holds a later row than the one on top.
    Result<void> next_newest() {
        while (batches_ &&
               (heap_.empty() || heap_.front().start_ns < batches_->later_start_ns_max())) {
            if (!batches_->next()) {
                batches_.reset();
                return late();
            }
            if (auto held = hold(); !held) batches_->refuse(held.error());
        }
        return {};
    }
    Result<void> hold() {
        auto held = std::make_shared<HeldBatch>();
        const auto bytes = batches_->encoded();
        held->encoded.assign(bytes.begin(), bytes.end());
        auto view = codec::BatchView::open(held->encoded);
        if (!view) return std::move(view).error();
        held->view.emplace(std::move(*view));
        held->rows.emplace(*held->view, batches_->matching(), batches_->place(), table_.columns(),
                           table_.source());
        std::vector<Entry> entries;
        for (std::size_t i = 0; i < held->rows->size(); ++i) {
            const auto start = held->rows->start_ns(i);
            if (!start) return start.error();
            entries.push_back({*start, i, held});
        }
        for (Entry& entry : entries) {
            heap_.push_back(std::move(entry));
            std::ranges::push_heap(heap_, is_earlier);
        }
        return {};
    }

    SpansTable& table_;
    std::unique_ptr<store::BatchCursor> batches_;
    bool newest_first_{false};
    std::optional<BatchRows> rows_;
    std::size_t position_{0};
    std::vector<Entry> heap_;
    std::unique_ptr<GroupedRows> grouped_;
};

}  // namespace

int add_spans_module(sqlite3* connection, const std::shared_ptr<Source>& source) {
    return TableModule<SpansTable, SpansCursor>::add(connection, "spans", source);
}

}  // namespace spanring::sql
