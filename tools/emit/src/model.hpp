// What must come out: the oracle's own idea of a span, and the file in which it is written down.
//
// Nothing here uses the library's data structures: ids are hex strings, values are JSON text. Only
// the ids are taken from the library, once, as hex, right after the begin.
// Threads: a ModelSpan's details may be added by several threads (its mutex); everything else
// belongs to the thread that made it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "spanring/base/unique_fd.hpp"

namespace spanring::tools::emit {

/// Key and JSON text, in the order of the calls; a key that was set twice stands twice.
using ModelAttributes = std::vector<std::pair<std::string, std::string>>;

struct ModelEvent {
    std::string name;
    ModelAttributes attributes;
};

struct ModelLink {
    std::string trace_id;
    std::string span_id;
    std::string trace_state;
    ModelAttributes attributes;
};

/// Stands for an id that the program cannot learn: that of the span which a free event makes.
inline constexpr const char* kAnyId = "*";

struct ModelSpan {
    std::string trace_id;
    std::string span_id;
    std::string parent_id;
    std::string service;
    std::string name;
    std::string kind{"unset"};
    std::string status{"unset"};
    std::string status_message;
    std::string trace_state;
    ModelAttributes attributes;
    std::vector<ModelEvent> events;
    std::vector<ModelLink> links;
    bool unfinished{false};
    /// Of imported spans, as JSON; empty: the library's own times, which are not compared.
    std::string start_ns;
    std::string duration_ns;
    /// Details came from several threads: the order between them is not defined.
    bool any_order{false};
    /// What the export shows if update_name, set_kind or set_status was lost; empty: not called.
    std::string name_before;
    std::string kind_before;
    std::string status_before;

    /// Not part of the span: guards the members above while the span is lent to another thread.
    std::mutex mutex;
    /// Threads that have this span's context attached right now.
    std::atomic<int> borrowers{0};

    [[nodiscard]] std::string json() const;
};

/// Counted losses, as the library says.
struct ModelLosses {
    std::uint64_t spans{0};
    std::uint64_t ends{0};
    std::uint64_t details{0};
};

/// One part of the oracle: a file that one thread appends lines to. Written in blocks and at
/// `close`; durable against nothing but a normal exit.
class OracleFile {
public:
    /// Throws nothing; a file that cannot be made is reported by `ok`.
    explicit OracleFile(const std::string& path);
    ~OracleFile();
    OracleFile(const OracleFile&) = delete;
    OracleFile& operator=(const OracleFile&) = delete;

    void span(const ModelSpan& span);
    void losses(const std::string& service, const ModelLosses& losses);
    void flush();
    /// In a forked child: the lines that were not written yet are the parent's.
    void forget() { pending_.clear(); }
    [[nodiscard]] bool ok() const noexcept { return ok_; }

private:
    void line(const std::string& text);

    UniqueFd fd_;
    std::string pending_;
    bool ok_{true};
};

}  // namespace spanring::tools::emit
