// A database that holds given spans. Threads: one.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "spanring/codec/batch.hpp"
#include "spanring/store/database.hpp"
#include "support.hpp"

namespace spanring::query::test {

/// Adds them to the database, which is made if it is not there. Nothing waits for the disk:
/// property tests make hundreds.
inline void make_database(const std::string& path, const std::vector<codec::Span>& spans,
                          std::size_t batch_spans) {
    store::WriterOptions options;
    options.background = Background::kCaller;
    auto writer = store::Writer::open(path, options);
    ASSERT_TRUE(writer.ok()) << writer.error().message;
    for (std::size_t begin = 0; begin < spans.size(); begin += batch_spans) {
        codec::Batch batch;
        for (std::size_t i = begin; i < std::min(begin + batch_spans, spans.size()); ++i)
            batch.add(spans[i]);
        store::Frame frame;
        frame.snapshot = (*writer)->wants_snapshot();
        frame.batches.push_back(codec::encode(batch).value());
        store::BatchFacts facts{store::facts_of(batch)};
        const auto summary = store::summary_of(facts);
        ASSERT_TRUE((*writer)->commit(frame, summary, std::move(facts)).ok());
    }
}

}  // namespace spanring::query::test
