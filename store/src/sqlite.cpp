#include "sqlite.hpp"

#include <sqlite3.h>

#include <array>

#include "checksum_vfs.hpp"

namespace spanring::store {
namespace {

// Long enough for the writer's group commit (about a millisecond) many times over.
constexpr int kBusyTimeoutMs = 2000;

ErrorCode code_of(int sqlite_code) {
    switch (sqlite_code & 0xff) {
        case SQLITE_PERM:
        case SQLITE_READONLY:
        case SQLITE_AUTH: return ErrorCode::kPermission;
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return ErrorCode::kBusy;
        case SQLITE_FULL:
        case SQLITE_NOMEM: return ErrorCode::kNoSpace;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        // A statement that does not fit the schema, or a row that does not fit a constraint: the
        // file is not what we wrote.
        case SQLITE_ERROR:
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH:
        case SQLITE_FORMAT: return ErrorCode::kCorrupt;
        default: return ErrorCode::kIo;
    }
}

Error error_of(sqlite3* handle, const std::string& file) {
    return {code_of(sqlite3_errcode(handle)), file + ": " + sqlite3_errmsg(handle)};
}

Error error_of(sqlite3_stmt* statement) {
    sqlite3* handle = sqlite3_db_handle(statement);
    const char* file = sqlite3_db_filename(handle, "main");
    return error_of(handle, file != nullptr ? file : "catalogue");
}

}  // namespace

void Database::Close::operator()(sqlite3* handle) const noexcept {
    sqlite3_close(handle);
}

void Statement::Finalize::operator()(sqlite3_stmt* handle) const noexcept {
    sqlite3_finalize(handle);
}

Result<Database> Database::open(const std::string& file, Mode mode) {
    const int flags = SQLITE_OPEN_NOMUTEX |
                      (mode == Mode::kRead ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                      (mode == Mode::kCreate ? SQLITE_OPEN_CREATE : 0);
    sqlite3* handle = nullptr;
    const char* vfs = checksum_vfs();
    if (vfs == nullptr) return Error{ErrorCode::kNoSpace, file + ": out of memory"};
    const int code = sqlite3_open_v2(file.c_str(), &handle, flags, vfs);
    Database database;
    database.handle_.reset(handle);
    database.file_ = file;
    if (handle == nullptr) return Error{ErrorCode::kNoSpace, file + ": out of memory"};
    if (code != SQLITE_OK) return error_of(handle, file);
    sqlite3_busy_timeout(handle, kBusyTimeoutMs);
    // Of a file that is still empty; any other says for itself what it keeps free.
    int reserved = kPageChecksumBytes;
    sqlite3_file_control(handle, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    return database;
}

Result<void> Database::run(const char* sql) {
    if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error();
    return {};
}

Result<Statement> Database::prepare(const char* sql) {
    sqlite3_stmt* handle = nullptr;
    if (sqlite3_prepare_v3(handle_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, nullptr) !=
        SQLITE_OK)
        return error();
    Statement statement;
    statement.handle_.reset(handle);
    return statement;
}

Result<void> Database::check_pages() {
    // Through SQLite's own descriptor: closing another one of the file would drop its locks.
    sqlite3_file* file = nullptr;
    sqlite3_int64 bytes = 0;
    if (sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file) !=
            SQLITE_OK ||
        file->pMethods == nullptr || file->pMethods->xFileSize(file, &bytes) != SQLITE_OK)
        return Error{ErrorCode::kIo, file_ + ": its size is not to be had"};
    std::array<std::byte, kCataloguePageBytes> page;
    for (sqlite3_int64 at = 0; at < bytes; at += kCataloguePageBytes) {
        const int code = file->pMethods->xRead(file, page.data(), page.size(), at);
        if (code != SQLITE_OK)
            return Error{
                code_of(code),
                file_ + ": page " + std::to_string(at / kCataloguePageBytes + 1) + " is damaged"};
    }
    return {};
}

Error Database::error() const {
    return error_of(handle_.get(), file_);
}

Statement& Statement::bind(int index, std::int64_t value) {
    sqlite3_bind_int64(handle_.get(), index, value);
    return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
    sqlite3_bind_text64(handle_.get(), index, text.data() != nullptr ? text.data() : "",
                        text.size(), SQLITE_STATIC, SQLITE_UTF8);
    return *this;
}

Statement& Statement::bind(int index, std::span<const std::byte> bytes) {
    sqlite3_bind_blob64(handle_.get(), index, bytes.data(), bytes.size(), SQLITE_STATIC);
    return *this;
}

Result<bool> Statement::step() {
    switch (sqlite3_step(handle_.get())) {
        case SQLITE_ROW: return true;
        case SQLITE_DONE: return false;
        default: {
            Error error = error_of(handle_.get());
            reset();
            return error;
        }
    }
}

Result<void> Statement::run() {
    auto stepped = step();
    reset();
    if (!stepped) return std::move(stepped).error();
    return {};
}

void Statement::reset() noexcept {
    sqlite3_reset(handle_.get());
}

std::int64_t Statement::integer(int column) const noexcept {
    return sqlite3_column_int64(handle_.get(), column);
}

std::string Statement::text(int column) const {
    const auto found = bytes(column);
    return {reinterpret_cast<const char*>(found.data()), found.size()};
}

std::span<const std::byte> Statement::bytes(int column) const noexcept {
    const void* data = sqlite3_column_blob(handle_.get(), column);
    const int length = sqlite3_column_bytes(handle_.get(), column);
    return {static_cast<const std::byte*>(data),
            data != nullptr ? static_cast<std::size_t>(length) : 0};
}

}  // namespace spanring::store
