#include "watcher.hpp"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "spanring/base/os.hpp"
#include "spanring/shm/doorbell.hpp"
#include "spanring/shm/process_identity.hpp"

namespace spanring::consumer {
namespace {

template <typename F>
int watch_call(F&& call) noexcept {
    return os::checked(os::Call::kWatch, call);
}

bool add(int epoll, int fd) noexcept {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    return watch_call([&] { return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event); }) == 0;
}

}  // namespace

Result<std::unique_ptr<Watcher>> Watcher::start(const std::string& path, std::uint32_t* doorbell,
                                                bool watch_signals, Background background) {
    std::unique_ptr<Watcher> watcher(new Watcher(doorbell));
    Watcher& w = *watcher;
    w.epoll_.reset(watch_call([] { return ::epoll_create1(EPOLL_CLOEXEC); }));
    w.inotify_.reset(watch_call([] { return ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK); }));
    w.quit_.reset(watch_call([] { return ::eventfd(0, EFD_CLOEXEC); }));
    if (!w.epoll_.valid() || !w.inotify_.valid() || !w.quit_.valid()) {
        return os_error(errno, "cannot watch " + path);
    }
    // A segment appears by rename (or link) of a finished file.
    if (watch_call([&] {
            return ::inotify_add_watch(w.inotify_.get(), path.c_str(), IN_MOVED_TO | IN_CREATE);
        }) < 0) {
        return os_error(errno, "cannot watch " + path);
    }
    if (watch_signals) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        w.signals_.reset(
            watch_call([&] { return ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK); }));
        if (!w.signals_.valid() || !add(w.epoll_.get(), w.signals_.get())) {
            return os_error(errno, "cannot wait for signals");
        }
    }
    if (!add(w.epoll_.get(), w.inotify_.get()) || !add(w.epoll_.get(), w.quit_.get())) {
        return os_error(errno, "cannot watch " + path);
    }
    if (background == Background::kThreads) {
        w.thread_ = std::thread([watching = watcher.get()] { watching->run(); });
    }
    return watcher;
}

Watcher::~Watcher() {
    if (!thread_.joinable()) return;
    const std::uint64_t one = 1;
    // An eventfd that was just made takes one number.
    [[maybe_unused]] const ssize_t written = ::write(quit_.get(), &one, sizeof one);
    thread_.join();
}

void Watcher::set(std::atomic<bool>& flag) noexcept {
    // release: pairs with the acquire in take and stop_requested.
    flag.store(true, std::memory_order_release);
    shm::FutexSystem system;
    shm::Doorbell::ring(*doorbell_, system);
}

void Watcher::request_stop() noexcept {
    set(stop_);
}

bool Watcher::has_news() const noexcept {
    // acquire: pairs with the release in set; the caller takes the flags next.
    return directory_changed_.load(std::memory_order_acquire) ||
           // acquire: as above.
           process_died_.load(std::memory_order_acquire) || stop_requested();
}

void Watcher::watch_process(std::uint32_t pid, std::uint64_t start_ticks) {
    UniqueFd fd(os::checked(os::Call::kProcess, [&] {
        return static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0u));
    }));
    if (!fd.valid()) return;
    shm::ProcessStat seen;
    const bool visible = shm::read_process_stat(static_cast<pid_t>(pid), &seen);
    if (!visible || seen.start_ticks != start_ticks) return;
    if (add(epoll_.get(), fd.get())) (void)fd.release();  // handle() closes it
}

void Watcher::drain_inotify() {
    std::array<char, 4096> buffer;
    // What happened is found by a look at the directory; an overflow of the queue says enough too.
    while (::read(inotify_.get(), buffer.data(), buffer.size()) > 0) {
    }
}

void Watcher::handle(int fd) {
    if (fd == inotify_.get()) {
        drain_inotify();
        set(directory_changed_);
    } else if (fd == signals_.get()) {
        signalfd_siginfo info;
        while (::read(fd, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        }
        set(stop_);
    } else {
        ::close(fd);  // a pidfd: readable once, for ever
        set(process_died_);
    }
}

bool Watcher::handle_events(int timeout_ms) {
    std::array<epoll_event, 64> events;
    const int count = watch_call([&] {
        return ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                            timeout_ms);
    });
    for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == quit_.get()) return false;
        handle(fd);
    }
    return true;
}

void Watcher::run() {
    while (handle_events(-1)) {
    }
}

void Watcher::look() {
    if (!thread_.joinable()) (void)handle_events(0);
}

}  // namespace spanring::consumer
