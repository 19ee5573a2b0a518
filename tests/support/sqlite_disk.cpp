#include "sqlite_disk.hpp"

#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

#include "disk.hpp"

namespace spanring::testing {
namespace {

using Call = SqliteDisk::Call;

struct Fault {
    std::atomic<bool> armed{false};
    std::atomic<Call> kind{Call::kAny};
    std::atomic<std::uint64_t> nth{0};
    std::atomic<std::uint64_t> seen{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<int> code{0};
    std::atomic<bool> lasting{false};
};
Fault g_fault;
sqlite3_vfs* g_real = nullptr;

/// SQLITE_OK: this call is not the one.
int fault(Call kind) {
    if (!g_fault.armed.load()) return SQLITE_OK;
    const Call wanted = g_fault.kind.load();
    const bool counted = wanted == kind || (wanted == Call::kAny && kind != Call::kMemory);
    if (!counted) return SQLITE_OK;
    const std::uint64_t number = g_fault.seen.fetch_add(1) + 1;
    const bool it =
        g_fault.lasting.load() ? number >= g_fault.nth.load() : number == g_fault.nth.load();
    if (!it) return SQLITE_OK;
    g_fault.failed.fetch_add(1);
    return g_fault.code.load();
}

/// What SQLite sees as the file; the real one lies behind it.
struct File {
    sqlite3_file base;
    std::string* path;
    std::uint64_t id;   ///< of the disk's; 0: none
    bool names_folder;  ///< its first sync makes its name durable, too
    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

File& of(sqlite3_file* file) {
    return *reinterpret_cast<File*>(file);
}

const sqlite3_io_methods& real(sqlite3_file* file) {
    return *of(file).real()->pMethods;
}

int close(sqlite3_file* file) {
    const int result = real(file).xClose(of(file).real());
    delete of(file).path;
    return result;
}

int read(sqlite3_file* file, void* out, int bytes, sqlite3_int64 offset) {
    if (const int code = fault(Call::kRead); code != SQLITE_OK) return code;
    return real(file).xRead(of(file).real(), out, bytes, offset);
}

int write(sqlite3_file* file, const void* data, int bytes, sqlite3_int64 offset) {
    const int code = fault(Call::kWrite);
    if (code == SQLITE_FULL) return code;
    if (code != SQLITE_OK) bytes /= 2;
    const int result = real(file).xWrite(of(file).real(), data, bytes, offset);
    if (Disk* disk = Disk::current(); disk != nullptr && result == SQLITE_OK)
        disk->written(of(file).id, static_cast<std::uint64_t>(offset), data,
                      static_cast<std::size_t>(bytes));
    return code != SQLITE_OK ? code : result;
}

int truncate(sqlite3_file* file, sqlite3_int64 bytes) {
    if (const int code = fault(Call::kTruncate); code != SQLITE_OK) return code;
    const int result = real(file).xTruncate(of(file).real(), bytes);
    if (Disk* disk = Disk::current(); disk != nullptr && result == SQLITE_OK)
        disk->resized(of(file).id, static_cast<std::uint64_t>(bytes));
    return result;
}

int sync(sqlite3_file* file, int flags) {
    Disk* disk = Disk::current();
    const Moment begun = disk != nullptr ? disk->now() : 0;
    int result = fault(Call::kSync);
    if (result == SQLITE_OK) result = real(file).xSync(of(file).real(), flags);
    if (disk == nullptr) return result;
    disk->synced(of(file).id, begun, result == SQLITE_OK);
    // As unixSync does it for a new journal.
    if (result == SQLITE_OK && of(file).names_folder) {
        disk->folder_synced(*of(file).path, begun);
        of(file).names_folder = false;
    }
    return result;
}

int file_size(sqlite3_file* file, sqlite3_int64* bytes) {
    return real(file).xFileSize(of(file).real(), bytes);
}

int lock(sqlite3_file* file, int level) {
    if (const int code = fault(Call::kLock); code != SQLITE_OK) return code;
    return real(file).xLock(of(file).real(), level);
}

int unlock(sqlite3_file* file, int level) {
    return real(file).xUnlock(of(file).real(), level);
}

int check_reserved_lock(sqlite3_file* file, int* held) {
    return real(file).xCheckReservedLock(of(file).real(), held);
}

int file_control(sqlite3_file* file, int operation, void* argument) {
    return real(file).xFileControl(of(file).real(), operation, argument);
}

int sector_size(sqlite3_file* file) {
    return real(file).xSectorSize(of(file).real());
}

int device_characteristics(sqlite3_file* file) {
    return real(file).xDeviceCharacteristics(of(file).real());
}

int shm_map(sqlite3_file* file, int page, int bytes, int extend, void volatile** out) {
    if (const int code = fault(Call::kMap); code != SQLITE_OK) return code;
    return real(file).xShmMap(of(file).real(), page, bytes, extend, out);
}

int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
    if ((flags & SQLITE_SHM_LOCK) != 0)
        if (const int code = fault(Call::kLock); code != SQLITE_OK) return code;
    return real(file).xShmLock(of(file).real(), offset, count, flags);
}

void shm_barrier(sqlite3_file* file) {
    real(file).xShmBarrier(of(file).real());
}

int shm_unmap(sqlite3_file* file, int remove) {
    return real(file).xShmUnmap(of(file).real(), remove);
}

// Version 2: without xFetch, so that every byte goes through xRead and xWrite.
constexpr sqlite3_io_methods kMethods = {2,
                                         close,
                                         read,
                                         write,
                                         truncate,
                                         sync,
                                         file_size,
                                         lock,
                                         unlock,
                                         check_reserved_lock,
                                         file_control,
                                         sector_size,
                                         device_characteristics,
                                         shm_map,
                                         shm_lock,
                                         shm_barrier,
                                         shm_unmap,
                                         nullptr,
                                         nullptr};

int open(sqlite3_vfs*, const char* name, sqlite3_file* out, int flags, int* out_flags) {
    out->pMethods = nullptr;
    if (const int code = fault(Call::kOpen); code != SQLITE_OK) return code;
    File& file = of(out);
    const bool was_there = name != nullptr && ::access(name, F_OK) == 0;
    file.real()->pMethods = nullptr;
    const int result = g_real->xOpen(g_real, name, file.real(), flags, out_flags);
    if (file.real()->pMethods == nullptr) return result;
    file.base.pMethods = &kMethods;
    file.path = new std::string(name != nullptr ? name : "");
    file.id = 0;
    constexpr int kJournals =
        SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
    file.names_folder = !was_there && (flags & kJournals) != 0;
    if (Disk* disk = Disk::current(); disk != nullptr && name != nullptr && result == SQLITE_OK)
        file.id = disk->opened(name);
    return result;
}

int remove(sqlite3_vfs*, const char* name, int sync_folder) {
    if (const int code = fault(Call::kDelete); code != SQLITE_OK) return code;
    const int result = g_real->xDelete(g_real, name, sync_folder);
    if (Disk* disk = Disk::current(); disk != nullptr && result == SQLITE_OK) {
        disk->unlinked(name);
        if (sync_folder != 0) disk->folder_synced(name, disk->now());
    }
    return result;
}

/// As the real one, but for what goes through here.
sqlite3_vfs made_of(const sqlite3_vfs& real) {
    sqlite3_vfs vfs = real;
    vfs.pNext = nullptr;
    vfs.zName = "spanring-disk";
    vfs.szOsFile = static_cast<int>(sizeof(File)) + real.szOsFile;
    vfs.xOpen = open;
    vfs.xDelete = remove;
    return vfs;
}

sqlite3_vfs g_vfs{};

sqlite3_mem_methods g_memory{};

void* allocate(int bytes) {
    return fault(Call::kMemory) == SQLITE_OK ? g_memory.xMalloc(bytes) : nullptr;
}

void* reallocate(void* old, int bytes) {
    return fault(Call::kMemory) == SQLITE_OK ? g_memory.xRealloc(old, bytes) : nullptr;
}

/// Can be done only while SQLite is not in use; stays, as it does nothing of its own accord.
void take_memory() {
    if (g_memory.xMalloc != nullptr) return;
    sqlite3_shutdown();
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &g_memory);
    sqlite3_mem_methods ours = g_memory;
    ours.xMalloc = allocate;
    ours.xRealloc = reallocate;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
}

}  // namespace

SqliteDisk::SqliteDisk() {
    if (g_real != nullptr) throw std::logic_error("two at once");
    take_memory();
    g_real = sqlite3_vfs_find("unix");
    if (g_real == nullptr) throw std::runtime_error("SQLite has no VFS named unix");
    g_vfs = made_of(*g_real);
    sqlite3_vfs_register(&g_vfs, 1);
}

SqliteDisk::~SqliteDisk() {
    clear_fault();
    sqlite3_vfs_unregister(&g_vfs);
    sqlite3_vfs_register(g_real, 1);
    g_real = nullptr;
}

void SqliteDisk::inject_fault(Call kind, std::uint64_t nth, int sqlite_code, bool lasting) {
    g_fault.armed.store(false);
    g_fault.kind.store(kind);
    g_fault.nth.store(nth);
    g_fault.seen.store(0);
    g_fault.failed.store(0);
    g_fault.code.store(sqlite_code);
    g_fault.lasting.store(lasting);
    g_fault.armed.store(true);
}

std::uint64_t SqliteDisk::clear_fault() {
    g_fault.armed.store(false);
    return g_fault.failed.load();
}

}  // namespace spanring::testing
