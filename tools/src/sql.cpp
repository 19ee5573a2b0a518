// `spanring sql`: a statement over the spans and the catalogue.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "json.hpp"
#include "select.hpp"
#include "spanring/sql/session.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using sql::Value;
using Names = sql::Session::Names;
using Row = sql::Session::Row;

constexpr std::size_t kFlushBytes = 64u << 10;
constexpr std::size_t kScreenRows = 10'000;  // are aligned; more come as they are
constexpr std::size_t kCellColumns = 60;
constexpr std::size_t kStatementMax = 1u << 20;

struct SqlOptions {
    std::string statement;
    bool schema{false};
    std::string time_max{"30s"};
    std::string memory_max{"256MiB"};
};

std::string number_text(double number) {
    return fmt::format("{}", number);
}

std::string blob_text(std::string_view bytes) {
    std::string out = "x'";
    for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return out + "'";
}

/// As text; NULL is empty.
std::string text_of(const Value& value) {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *whole);
    if (const auto* real = std::get_if<double>(&value)) return number_text(*real);
    if (const auto* text = std::get_if<std::string_view>(&value)) return std::string(*text);
    if (const auto* blob = std::get_if<sql::Blob>(&value)) return blob_text(blob->bytes);
    return {};
}

/// A cell of a line: what would end it, or the line, is written as \t, \n, \r, \\.
std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '\t': out += "\\t"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\\': out += "\\\\"; break;
            default: out += c;
        }
    }
    return out;
}

void put(Json& json, const Value& value) {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
        json.value(*whole);
    } else if (const auto* real = std::get_if<double>(&value)) {
        json.value(*real);
    } else if (const auto* text = std::get_if<std::string_view>(&value)) {
        json.value(*text);
    } else if (const auto* blob = std::get_if<sql::Blob>(&value)) {
        json.value(blob_text(blob->bytes));
    } else {
        json.null();
    }
}

/// Takes the rows of a result, and writes them as they come.
class Output {
public:
    virtual ~Output() = default;
    virtual void row(const Names& names, const Row& row) = 0;
    virtual Result<void> finish(const Names& names) = 0;

    [[nodiscard]] bool failed() const noexcept { return !written_.ok(); }

protected:
    void write(std::string_view text) {
        buffer_ += text;
        if (buffer_.size() >= kFlushBytes) (void)flush();
    }
    Result<void> flush() {
        if (written_) written_ = print(buffer_);
        buffer_.clear();
        return written_;
    }

private:
    std::string buffer_;
    Result<void> written_;
};

/// Values with tabs between them, nothing else: for other programs.
class Lines : public Output {
public:
    void row(const Names&, const Row& row) override {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i)
            line += (i == 0 ? "" : "\t") + escaped(text_of(row[i]));
        write(line + "\n");
    }
    Result<void> finish(const Names&) override { return flush(); }
};

class JsonRows : public Output {
public:
    void row(const Names& names, const Row& row) override {
        begin(names);
        Json json;
        json.open_array();
        for (const Value& value : row) put(json, value);
        json.close_array();
        write(std::string(rows_++ == 0 ? "" : ",") + std::string(json.text()));
    }
    Result<void> finish(const Names& names) override {
        begin(names);
        write("]}\n");
        return flush();
    }

private:
    void begin(const Names& names) {
        if (std::exchange(begun_, true)) return;
        Json json;
        json.open_array();
        for (const std::string& name : names) json.value(name);
        json.close_array();
        write("{\"columns\":" + std::string(json.text()) + ",\"rows\":[");
    }

    bool begun_{false};
    std::uint64_t rows_{0};
};

/// For people.
class Aligned : public Output {
public:
    void row(const Names& names, const Row& row) override {
        std::vector<std::string> cells;
        for (const Value& value : row)
            cells.push_back(cut_to_width(printable(text_of(value)), kCellColumns));
        if (!table_) begin(names, row);
        table_->row(std::move(cells));
        if (++rows_ % kScreenRows == 0) show();
    }
    Result<void> finish(const Names&) override {
        show();
        return flush();
    }

private:
    void begin(const Names& names, const Row& row) {
        std::vector<Table::Column> columns;
        for (std::size_t i = 0; i < names.size(); ++i) {
            const bool is_text = std::holds_alternative<std::string_view>(row[i]);
            columns.push_back({names[i], is_text ? Table::Align::kLeft : Table::Align::kRight});
        }
        table_ = std::make_unique<Table>(std::move(columns));
    }
    void show() {
        if (table_) write(table_->render(Terminal::of(STDOUT_FILENO)));
        table_.reset();
    }

    std::unique_ptr<Table> table_;
    std::uint64_t rows_{0};
};

Result<std::string> statement_of(const SqlOptions& wanted) {
    if (wanted.statement != "-") return wanted.statement;
    std::string text;
    char block[4096];
    for (std::size_t n = 0; (n = std::fread(block, 1, sizeof block, stdin)) != 0;) {
        text.append(block, n);
        if (text.size() > kStatementMax)
            return Error{ErrorCode::kInvalidArgument, "the statement is longer than 1 MiB"};
    }
    return text;
}

std::string schema_of(const std::vector<sql::TableInfo>& tables) {
    const Terminal terminal = Terminal::of(STDOUT_FILENO);
    std::string out;
    for (const sql::TableInfo& table : tables) {
        out += (out.empty() ? "" : "\n") + terminal.paint(Style::kBold, table.name) + ": " +
               table.what + "\n";
        for (const auto& column : table.columns) {
            out += "  " + (column.what == "attribute" ? "\"" + printable(column.name) + "\""
                                                      : column.name);
            if (!column.type.empty()) out += " " + column.type;
            if (!column.what.empty()) out += "  " + terminal.paint(Style::kDim, column.what);
            if (!column.shown && column.what != "attribute")
                out += terminal.paint(Style::kDim, " (not in SELECT *)");
            out += "\n";
        }
    }
    return out + "\nFunctions beside SQLite's own: percentile(X, P), X REGEXP PATTERN\n";
}

Result<int> run_sql(const GlobalOptions& options, const SqlOptions& wanted) {
    auto time_max = parse_duration(wanted.time_max);
    if (!time_max) return std::move(time_max).error().in("--timeout");
    auto memory_max = parse_bytes(wanted.memory_max);
    if (!memory_max) return std::move(memory_max).error().in("--memory");
    if (wanted.statement.empty() && !wanted.schema)
        return Error{ErrorCode::kInvalidArgument,
                     "sql: give a statement (- reads it from standard input), or --schema"};
    auto path = database_path(options);
    if (!path) return std::move(path).error();
    sql::Limits limits;
    limits.time_max = std::chrono::milliseconds(*time_max / 1'000'000);
    limits.bytes_max = static_cast<std::size_t>(*memory_max);
    auto session = sql::Session::open(*path, limits);
    if (!session) return std::move(session).error();
    if (wanted.schema) {
        auto tables = (*session)->tables();
        if (!tables) return std::move(tables).error();
        if (auto done = print(schema_of(*tables)); !done) return std::move(done).error();
        return kExitOk;
    }
    auto statement = statement_of(wanted);
    if (!statement) return std::move(statement).error();
    std::unique_ptr<Output> output;
    if (options.json) {
        output = std::make_unique<JsonRows>();
    } else if (Terminal::of(STDOUT_FILENO).interactive) {
        output = std::make_unique<Aligned>();
    } else {
        output = std::make_unique<Lines>();
    }
    auto names = (*session)->run(*statement, [&](const auto& columns, const auto& row) {
        output->row(columns, row);
        return !output->failed();
    });
    if (!names) return std::move(names).error().in("sql");
    remark_all((*session)->warnings(), options);
    if (auto done = output->finish(*names); !done) return std::move(done).error();
    return kExitOk;
}

}  // namespace

void add_sql(CLI::App& app, Session& session) {
    CLI::App* command = new_command(
        app, session, "sql", "Ask with SQL: the table spans, and what the catalogue knows",
        "spanring sql \"SELECT service, count(*) FROM spans GROUP BY service\"\n"
        "spanring sql 'SELECT trace_id, name FROM spans WHERE \"http.status_code\" >= 500\n"
        "    ORDER BY start_ns DESC LIMIT 20'\n"
        "spanring sql \"SELECT name, percentile(duration_ns, 99) FROM spans\n"
        "    WHERE service = 'cart' GROUP BY name\" --json\n"
        "spanring sql --schema");
    auto wanted = std::make_shared<SqlOptions>();
    command->add_option("statement", wanted->statement, "In SQLite's SQL; - reads standard input")
        ->type_name("SELECT ...");
    command->add_flag("--schema", wanted->schema, "Show the tables and their columns");
    command->add_option("--timeout", wanted->time_max, "Give up after so long")
        ->type_name("TIME")
        ->capture_default_str();
    command->add_option("--memory", wanted->memory_max, "Give up above so much memory")
        ->type_name("BYTES")
        ->capture_default_str();
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return run_sql(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
