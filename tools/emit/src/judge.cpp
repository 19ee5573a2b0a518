#include "judge.hpp"

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>

#include <map>
#include <unordered_map>

#include "canonical.hpp"
#include "model.hpp"
#include "span_compare.hpp"

namespace spanring::tools::emit {
namespace {

using rapidjson::Document;
using rapidjson::Value;

/// Notes of missing things that are kept, to be shown if the balance is not even.
constexpr std::size_t kNotesMax = 200;

struct Expected {
    std::string line;
    bool found{false};
};

Result<void> parse(std::string_view line, Document& document) {
    document.Parse<rapidjson::kParseFullPrecisionFlag>(line.data(), line.size());
    if (document.HasParseError()) {
        return Error{ErrorCode::kInvalidArgument,
                     std::string("not JSON: ") +
                         rapidjson::GetParseError_En(document.GetParseError()) + " at column " +
                         std::to_string(document.GetErrorOffset() + 1)};
    }
    if (!document.IsObject()) return Error{ErrorCode::kInvalidArgument, "not a JSON object"};
    return {};
}

std::string key_of(const Value& span) {
    if (text_of(span, "span_id") == kAnyId) return "*" + std::string(text_of(span, "name"));
    return std::string(text_of(span, "trace_id")) + "/" + std::string(text_of(span, "span_id"));
}

std::string title_of(const Value& span) {
    return "span " + std::string(text_of(span, "span_id")) + " '" +
           std::string(text_of(span, "name")) + "' of " + std::string(text_of(span, "service"));
}

std::uint64_t number_of(const Value& object, const char* key) {
    const Value& value = member_of(object, key);
    return value.IsUint64() ? value.GetUint64() : 0;
}

std::string unevenness(const std::string& service, const Balance& b) {
    const auto part = [](const char* what, std::uint64_t missing, std::uint64_t counted) {
        return std::string(what) + " " + std::to_string(missing) + " missing, " +
               std::to_string(counted) + " counted as lost";
    };
    return service + ": " + part("spans", b.missing_spans, b.counted_spans) + "; " +
           part("ends", b.missing_ends, b.counted_ends) + "; " +
           part("details", b.missing_details, b.counted_details);
}

}  // namespace

struct Judge::State {
    std::unordered_map<std::string, std::vector<Expected>> expected;
    std::map<std::string, Balance> services;
    std::map<std::string, std::vector<std::string>> notes;  // of what is missing, by service
    Verdict verdict;

    void difference(std::string text) {
        ++verdict.difference_count;
        if (verdict.differences.size() < kDifferencesMax) {
            verdict.differences.push_back(std::move(text));
        }
    }
    void note(const std::string& service, std::string text) {
        std::vector<std::string>& list = notes[service];
        if (list.size() < kNotesMax) list.push_back(std::move(text));
    }
    Expected* find(const Value& span, bool* known) {
        for (const std::string& key : {key_of(span), "*" + std::string(text_of(span, "name"))}) {
            const auto entry = expected.find(key);
            if (entry == expected.end()) continue;
            *known = true;
            for (Expected& candidate : entry->second) {
                if (!candidate.found) return &candidate;
            }
        }
        return nullptr;
    }
    void compare(const Expected& match, const Value& exported) {
        Document oracle;
        if (!parse(match.line, oracle).ok()) return;  // was parsed when it came in
        const SpanComparison result = compare_span(oracle, exported);
        const std::string service(text_of(oracle, "service"));
        Balance& balance = services[service];
        balance.missing_details += result.missing.size();
        if (result.end_missing) ++balance.missing_ends;
        for (const std::string& text : result.missing) {
            note(service, title_of(exported) + ": missing " + text);
        }
        if (result.end_missing) note(service, title_of(exported) + ": its end is missing");
        for (const std::string& text : result.wrong) {
            difference(title_of(exported) + ": " + text);
        }
        if (result.wrong.empty()) ++verdict.matched_spans;
    }
    void count_missing_spans() {
        for (const auto& [key, list] : expected) {
            for (const Expected& one : list) {
                if (one.found) continue;
                Document oracle;
                if (!parse(one.line, oracle).ok()) continue;
                const std::string service(text_of(oracle, "service"));
                ++services[service].missing_spans;
                note(service, title_of(oracle) + " is missing");
            }
        }
    }
    void settle(const std::string& service, const Balance& balance) {
        verdict.total.missing_spans += balance.missing_spans;
        verdict.total.missing_ends += balance.missing_ends;
        verdict.total.missing_details += balance.missing_details;
        verdict.total.counted_spans += balance.counted_spans;
        verdict.total.counted_ends += balance.counted_ends;
        verdict.total.counted_details += balance.counted_details;
        if (balance.even()) return;
        difference(unevenness(service, balance));
        for (const std::string& text : notes[service]) {
            if (verdict.differences.size() < kDifferencesMax) verdict.differences.push_back(text);
        }
    }
};

Judge::Judge() : state_(std::make_unique<State>()) {}
Judge::~Judge() = default;

Result<void> Judge::oracle_line(std::string_view line) {
    Document document;
    if (Result<void> parsed = parse(line, document); !parsed) return parsed;
    const Value& losses = member_of(document, "losses");
    if (losses.IsObject()) {
        Balance& balance = state_->services[std::string(text_of(losses, "service"))];
        balance.counted_spans += number_of(losses, "spans");
        balance.counted_ends += number_of(losses, "ends");
        balance.counted_details += number_of(losses, "details");
        return {};
    }
    if (text_of(document, "span_id").empty()) {
        return Error{ErrorCode::kInvalidArgument, "neither a span nor losses"};
    }
    state_->expected[key_of(document)].push_back({std::string(line)});
    ++state_->verdict.oracle_spans;
    return {};
}

Result<void> Judge::export_line(std::string_view line) {
    Document document;
    if (Result<void> parsed = parse(line, document); !parsed) return parsed;
    if (text_of(document, "span_id").empty()) {
        return Error{ErrorCode::kInvalidArgument, "not a span"};
    }
    ++state_->verdict.exported_spans;
    bool known = false;
    Expected* match = state_->find(document, &known);
    if (match == nullptr) {
        state_->difference(title_of(document) +
                           (known ? ": is stored more than once" : ": was never made"));
        return {};
    }
    match->found = true;
    state_->compare(*match, document);
    return {};
}

Verdict Judge::verdict() {
    state_->count_missing_spans();
    for (const auto& [service, balance] : state_->services) state_->settle(service, balance);
    return std::move(state_->verdict);
}

Result<Verdict> judge(std::istream& oracle, const std::string& oracle_name, std::istream& exported,
                      const std::string& export_name) {
    Judge judge;
    const auto feed = [&](std::istream& in, const std::string& name,
                          Result<void> (Judge::*take)(std::string_view)) -> Result<void> {
        std::string line;
        for (std::uint64_t number = 1; std::getline(in, line); ++number) {
            if (line.empty()) continue;
            if (Result<void> taken = (judge.*take)(line); !taken) {
                return std::move(taken).error().in(name + ":" + std::to_string(number));
            }
        }
        return {};
    };
    if (Result<void> fed = feed(oracle, oracle_name, &Judge::oracle_line); !fed) {
        return std::move(fed).error();
    }
    if (Result<void> fed = feed(exported, export_name, &Judge::export_line); !fed) {
        return std::move(fed).error();
    }
    return judge.verdict();
}

}  // namespace spanring::tools::emit
