// What a power loss leaves.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "disk.hpp"

namespace spanring::testing {
namespace {

using Kind = DiskOperation::Kind;

// What is written whole or not at all. SQLite and we assume no more (PRAGMA powersafe_overwrite:
// bytes beside a write stay).
constexpr std::uint64_t kSectorBytes = 512;
constexpr std::uint64_t kRootId = 1;

/// splitmix64: small, seeded, the same everywhere.
class Dice {
public:
    explicit Dice(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    bool coin() { return (next() & 1) != 0; }
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }

private:
    std::uint64_t state_;
};

bool is_name(Kind kind) {
    return kind == Kind::kName || kind == Kind::kForget || kind == Kind::kRename;
}

void put(std::string& bytes, std::uint64_t offset, std::string_view data) {
    if (bytes.size() < offset + data.size()) bytes.resize(offset + data.size(), '\0');
    bytes.replace(offset, data.size(), data);
}

void apply_to(std::string& bytes, const DiskOperation& operation) {
    switch (operation.kind) {
        case Kind::kWrite: put(bytes, operation.offset, *operation.data); break;
        case Kind::kResize: bytes.resize(operation.offset, '\0'); break;
        case Kind::kGrow:
            bytes.resize(std::max<std::size_t>(bytes.size(), operation.offset), '\0');
            break;
        default: break;
    }
}

void apply_to(std::map<std::string, std::uint64_t>& names, const DiskOperation& operation) {
    switch (operation.kind) {
        case Kind::kName: names[operation.name] = operation.target; break;
        case Kind::kForget: names.erase(operation.name); break;
        case Kind::kRename:
            names.erase(operation.name);
            names[operation.new_name] = operation.target;
            break;
        default: break;
    }
}

/// Sector by sector: there, not there, or (with `garbage`) something else.
void put_torn(std::string& bytes, const DiskOperation& write, Dice& dice, bool garbage) {
    const std::string_view data = *write.data;
    for (std::uint64_t done = 0; done < data.size();) {
        const std::uint64_t at = write.offset + done;
        const auto length =
            std::min<std::uint64_t>(kSectorBytes - at % kSectorBytes, data.size() - done);
        std::string piece(data.substr(done, length));
        done += length;
        if (dice.coin()) continue;
        if (garbage && dice.coin())
            for (char& byte : piece) byte = static_cast<char>(dice.next());
        put(bytes, at, piece);
    }
}

void put_lossy(std::string& bytes, const DiskOperation& operation, DataLoss loss, Dice& dice) {
    const bool write = operation.kind == Kind::kWrite;
    switch (loss) {
        case DataLoss::kDropped:
        case DataLoss::kPrefix: break;
        case DataLoss::kKept: apply_to(bytes, operation); break;
        case DataLoss::kTorn:
        case DataLoss::kGarbage:
            if (write)
                put_torn(bytes, operation, dice, loss == DataLoss::kGarbage);
            else if (dice.coin())
                apply_to(bytes, operation);
            break;
        case DataLoss::kZeros: {
            const std::uint64_t end = operation.offset + (write ? operation.data->size() : 0);
            if (operation.kind == Kind::kResize || end > bytes.size()) bytes.resize(end, '\0');
            break;
        }
    }
}

void check(bool good, const std::string& doing) {
    if (!good) throw std::runtime_error(doing + ": " + std::strerror(errno));
}

void write_file(const std::string& path, const std::string& bytes) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    check(fd >= 0, path);
    const ssize_t put_bytes = ::write(fd, bytes.data(), bytes.size());
    ::close(fd);
    check(put_bytes == static_cast<ssize_t>(bytes.size()), path);
}

const char* text_of(DataLoss loss) {
    switch (loss) {
        case DataLoss::kDropped: return "dropped";
        case DataLoss::kKept: return "kept";
        case DataLoss::kPrefix: return "prefix";
        case DataLoss::kTorn: return "torn";
        case DataLoss::kGarbage: return "garbage";
        case DataLoss::kZeros: return "zeros";
    }
    return "?";
}

const char* text_of(NameLoss loss) {
    switch (loss) {
        case NameLoss::kDropped: return "dropped";
        case NameLoss::kKept: return "kept";
        case NameLoss::kPrefix: return "prefix";
        case NameLoss::kAnyOf: return "any of them";
    }
    return "?";
}

}  // namespace

std::string to_text(const PowerLoss& loss) {
    return std::string("data ") + text_of(loss.data) + ", names " + text_of(loss.names) +
           ", seed " + std::to_string(loss.seed);
}

std::vector<PowerLoss> every_loss(std::uint64_t seed) {
    return {{DataLoss::kDropped, NameLoss::kDropped, seed},
            {DataLoss::kKept, NameLoss::kKept, seed},
            {DataLoss::kPrefix, NameLoss::kPrefix, seed},
            {DataLoss::kTorn, NameLoss::kKept, seed},
            {DataLoss::kGarbage, NameLoss::kKept, seed},
            {DataLoss::kZeros, NameLoss::kKept, seed},
            {DataLoss::kDropped, NameLoss::kKept, seed},
            {DataLoss::kKept, NameLoss::kDropped, seed},
            {DataLoss::kTorn, NameLoss::kAnyOf, seed},
            {DataLoss::kGarbage, NameLoss::kAnyOf, seed}};
}

std::string to_text(const DiskOperation& operation) {
    static constexpr const char* kNames[] = {"write",       "resize", "grow",   "sync",
                                             "failed sync", "name",   "forget", "rename"};
    std::string text = kNames[static_cast<std::size_t>(operation.kind)];
    text += " of " + std::to_string(operation.file);
    if (is_name(operation.kind)) return text + ": " + operation.name + " " + operation.new_name;
    if (operation.data) text += ", " + std::to_string(operation.data->size()) + " bytes";
    return text + " at " + std::to_string(operation.offset);
}

void DiskState::apply(const DiskOperation& operation, Moment moment) {
    File& file = files_[operation.file];
    if (operation.kind == Kind::kName) files_.try_emplace(operation.target);
    if (operation.kind != Kind::kSync && operation.kind != Kind::kFailedSync) {
        file.pending.push_back({operation, moment, Fate::kOpen});
        return;
    }
    const bool good = operation.kind == Kind::kSync;
    for (Pending& pending : file.pending) {
        if (pending.moment > operation.until || pending.fate == Fate::kDoomed) continue;
        if (good) pending.fate = Fate::kCertain;
        // Names and lengths are journalled; the bytes' pages are what the kernel may forget.
        if (!good && pending.operation.kind == Kind::kWrite) pending.fate = Fate::kDoomed;
    }
    auto first = file.pending.begin();
    for (; first != file.pending.end() && first->fate == Fate::kCertain; ++first) {
        if (is_name(first->operation.kind))
            apply_to(file.names, first->operation);
        else
            apply_to(file.bytes, first->operation);
    }
    file.pending.erase(file.pending.begin(), first);
}

Moment DiskState::last_kept(const PowerLoss& loss) const {
    std::vector<Moment> moments{0};
    for (const auto& [id, file] : files_)
        for (const Pending& pending : file.pending) moments.push_back(pending.moment);
    return moments[Dice(loss.seed).below(moments.size())];
}

std::string DiskState::bytes_of(std::uint64_t id, const PowerLoss& loss, Moment last) const {
    const File& file = files_.at(id);
    std::string bytes = file.bytes;
    Dice dice(loss.seed * 1000003 + id);
    bool tear = true;
    for (const Pending& pending : file.pending) {
        const DiskOperation& operation = pending.operation;
        const bool before = loss.data == DataLoss::kPrefix && pending.moment <= last;
        if (pending.fate == Fate::kCertain || before) {
            apply_to(bytes, operation);
        } else if (loss.data == DataLoss::kPrefix && std::exchange(tear, false)) {
            if (operation.kind != Kind::kWrite) continue;
            const std::string_view data = *operation.data;
            const std::uint64_t sectors = data.size() / kSectorBytes + 1;
            put(bytes, operation.offset, data.substr(0, dice.below(sectors) * kSectorBytes));
        } else {
            put_lossy(bytes, operation, loss.data, dice);
        }
    }
    return bytes;
}

std::map<std::string, std::uint64_t> DiskState::names_of(std::uint64_t id, const PowerLoss& loss,
                                                         Moment last) const {
    const File& folder = files_.at(id);
    auto names = folder.names;
    Dice dice(loss.seed * 7919 + id);
    for (const Pending& pending : folder.pending) {
        bool there = pending.fate == Fate::kCertain || loss.names == NameLoss::kKept;
        if (loss.names == NameLoss::kPrefix) there = there || pending.moment <= last;
        if (loss.names == NameLoss::kAnyOf) there = dice.coin() || there;
        if (there) apply_to(names, pending.operation);
    }
    return names;
}

void DiskState::make(const PowerLoss& loss, const std::string& folder) const {
    std::map<std::uint64_t, std::string> made;
    make_folder(kRootId, loss, last_kept(loss), folder, made);
}

void DiskState::make_folder(std::uint64_t id, const PowerLoss& loss, Moment last,
                            const std::string& path,
                            std::map<std::uint64_t, std::string>& made) const {
    check(::mkdir(path.c_str(), 0700) == 0, path);
    for (const auto& [name, file] : names_of(id, loss, last)) {
        const std::string below = path + "/" + name;
        if (files_.at(file).is_folder) {
            make_folder(file, loss, last, below, made);
        } else if (const auto other = made.find(file); other != made.end()) {
            check(::link(other->second.c_str(), below.c_str()) == 0, below);
        } else {
            write_file(below, bytes_of(file, loss, last));
            made.emplace(file, below);
        }
    }
}

}  // namespace spanring::testing
