#include "notice_board.hpp"

#include <algorithm>
#include <utility>

#include "spanring/base/clock.hpp"

namespace spanring::consumer {

using shm::Notice;

NoticeBoard::NoticeBoard(const shm::RingDirectory& directory, Log& log)
    : directory_(directory), log_(log) {
    auto last = shm::read_notices(directory_);
    if (!last) {
        log_.warn("what the last consumer had to refuse cannot be read: " + last.error().message);
        return;
    }
    notices_ = std::move(*last);
    const auto past = [](const Notice& notice) {
        return notice.kind != Notice::Kind::kQuarantined;
    };
    if (std::erase_if(notices_, past) != 0) write();
}

void NoticeBoard::quarantined(const Notice& what) {
    add(what, Notice::Kind::kQuarantined);
}

void NoticeBoard::refused(const Notice& what) {
    for (Notice& known : notices_) {
        if (known.kind != Notice::Kind::kRefused || known.uid != what.uid ||
            known.reason != what.reason) {
            continue;
        }
        if (known.count == what.count && known.file == what.file) return;
        known = what;
        known.kind = Notice::Kind::kRefused;
        known.at_s = wall_clock_ns() / 1'000'000'000;
        write();
        return;
    }
    add(what, Notice::Kind::kRefused);
}

void NoticeBoard::served_again(const std::string& reason, std::uint32_t uid) {
    const auto is_it = [&](const Notice& notice) {
        return notice.kind == Notice::Kind::kRefused && notice.uid == uid &&
               notice.reason == reason;
    };
    if (std::erase_if(notices_, is_it) != 0) write();
}

void NoticeBoard::degraded(const std::string& reason) {
    const auto at = std::find_if(notices_.begin(), notices_.end(), [](const Notice& notice) {
        return notice.kind == Notice::Kind::kDegraded;
    });
    const bool known = at != notices_.end();
    if (known ? at->reason == reason : reason.empty()) return;
    if (known) notices_.erase(at);
    if (reason.empty()) {
        write();
        return;
    }
    Notice notice;
    notice.reason = reason;
    add(std::move(notice), Notice::Kind::kDegraded);
}

void NoticeBoard::add(Notice notice, Notice::Kind kind) {
    notice.kind = kind;
    notice.at_s = wall_clock_ns() / 1'000'000'000;
    const auto same = [kind](const Notice& other) { return other.kind == kind; };
    if (std::count_if(notices_.begin(), notices_.end(), same) >=
        static_cast<std::ptrdiff_t>(shm::kNoticesMax)) {
        notices_.erase(std::find_if(notices_.begin(), notices_.end(), same));  // the oldest
    }
    notices_.push_back(std::move(notice));
    write();
}

void NoticeBoard::write() {
    if (auto written = shm::write_notices(directory_, notices_); !written) {
        log_.warn_sometimes("notices",
                            "status cannot show what was refused: " + written.error().message);
    }
}

}  // namespace spanring::consumer
