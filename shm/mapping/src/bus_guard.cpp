#include "bus_guard.hpp"

#include <signal.h>
#include <ucontext.h>

#include <atomic>
#include <mutex>

namespace spanring::shm {
namespace {

// volatile: written between sigsetjmp and the fault, read by the handler on the same thread.
thread_local sigjmp_buf* volatile t_target = nullptr;
struct sigaction g_previous;
std::once_flag g_installed;

void on_bus_error(int signal, siginfo_t* info, void* context) {
    if (sigjmp_buf* target = t_target; target != nullptr) {
        t_target = nullptr;
        // As it was when the fault came: whoever wraps handlers (ThreadSanitizer does) may block
        // signals in them in spite of SA_NODEFER, and the next fault would be fatal.
        ::pthread_sigmask(SIG_SETMASK, &static_cast<ucontext_t*>(context)->uc_sigmask, nullptr);
        siglongjmp(*target, 1);
    }
    if ((g_previous.sa_flags & SA_SIGINFO) != 0 && g_previous.sa_sigaction != nullptr) {
        g_previous.sa_sigaction(signal, info, context);
        return;
    }
    if (g_previous.sa_handler != SIG_DFL && g_previous.sa_handler != SIG_IGN) {
        g_previous.sa_handler(signal);
        return;
    }
    // Not ours: the access is repeated without us, and ends the process as it should.
    ::signal(SIGBUS, SIG_DFL);
}

}  // namespace

void BusGuard::install() noexcept {
    std::call_once(g_installed, [] {
        struct sigaction action {};
        action.sa_sigaction = on_bus_error;
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        sigemptyset(&action.sa_mask);
        ::sigaction(SIGBUS, &action, &g_previous);
    });
}

void BusGuard::set_target(sigjmp_buf* target) noexcept {
    // The compiler must move no access of `touch` out of the guarded stretch.
    std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: nothing moves across
    t_target = target;
    std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: nothing moves across
}

}  // namespace spanring::shm
