// BusGuard: touching memory that another process may cut short. The kernel answers such an access
// with SIGBUS; inside `guarded` that becomes `false`.
//
// The one place of the project that handles SIGBUS: the handler is installed at the first use, and
// a SIGBUS outside of `guarded` goes where it would have gone before. Any thread. Do not nest, and
// let nothing with a destructor be made inside: a fault jumps over it.
#pragma once

#include <csetjmp>

namespace spanring::shm {

class BusGuard {
public:
    /// Runs `touch`, which must do nothing but load, store and copy. Returns false if the memory
    /// was not there.
    template <typename Touch>
    static bool guarded(Touch&& touch) noexcept {
        install();
        sigjmp_buf here;
        // The mask is not saved (0), which would be a system call: the handler restores it.
        if (sigsetjmp(here, 0) != 0) {
            set_target(nullptr);
            return false;
        }
        set_target(&here);
        touch();
        set_target(nullptr);
        return true;
    }

private:
    static void install() noexcept;
    static void set_target(sigjmp_buf* target) noexcept;
};

}  // namespace spanring::shm
