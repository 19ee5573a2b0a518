// `spanring doctor PID` of a process that lives, and whose tracer could not start.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "cli_run.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/spanring.hpp"

namespace spanring::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

class DoctorOfProcess : public testing::Test {
protected:
    DoctorOfProcess() {
        const auto directory =
            shm::RingDirectory::open(rings_.path(), shm::RingDirectory::Create::kNo);
        control_ = *directory->map_control(Mapping::Access::kReadWrite);
        (void)directory->map_doorbell();
        control_.set_enabled(true);
    }

    /// What doctor says of a child that does this, and then waits.
    std::string doctor_of(const std::function<void()>& work) {
        int ready[2];
        int done[2];
        EXPECT_TRUE(::pipe2(ready, O_CLOEXEC) == 0 && ::pipe2(done, O_CLOEXEC) == 0);
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::close(done[1]);
            work();
            char byte = 0;
            const bool told = ::write(ready[1], "x", 1) == 1 && ::read(done[0], &byte, 1) == 0;
            ::_exit(told ? 0 : 1);
        }
        ::close(ready[1]);
        char byte = 0;
        EXPECT_EQ(::read(ready[0], &byte, 1), 1);
        const Outcome outcome =
            run_spanring({"doctor", std::to_string(pid)}, {{"SPANRING_DIR", rings_.path()}});
        for (const int fd : {ready[0], done[0], done[1]}) ::close(fd);
        int status = -1;
        EXPECT_EQ(::waitpid(pid, &status, 0), pid);
        EXPECT_EQ(status, 0);
        EXPECT_EQ(outcome.err, "");
        return outcome.out;
    }
    static void trace_in(const std::string& directory) {
        (void)configure({.service_name = "test", .resource = {}, .directory = directory});
        const ::spanring::Span span("span");
    }

    Folder rings_{"/dev/shm"};
    shm::ControlPage control_;
};

TEST_F(DoctorOfProcess, without_a_directory_says_why) {
    const std::string found = doctor_of([&] { trace_in("/proc/no/such/place"); });
    EXPECT_THAT(found, HasSubstr("it says: cannot create ring directory /proc/no/such/place: No"));
    EXPECT_THAT(found, Not(HasSubstr("(deleted)")));
}

TEST_F(DoctorOfProcess, whose_directory_is_at_its_cap_says_why) {
    shm::ControlSettings settings;
    settings.directory_bytes_max = 1;
    control_.set_settings(settings);
    const std::string found = doctor_of([&] { trace_in(rings_.path()); });
    EXPECT_THAT(found, HasSubstr("no consumer is running and the segments have reached 1 bytes"));
}

TEST_F(DoctorOfProcess, without_descriptors_says_why) {
    // The undefined behaviour sanitizer needs descriptors to look at an object of a virtual class.
    const std::string found = doctor_of([rings = rings_.path()] {
        const rlimit few{64, 64};
        ::setrlimit(RLIMIT_NOFILE, &few);
        while (::dup(0) >= 0) {
        }
        trace_in(rings);
    });
    EXPECT_THAT(found, HasSubstr("all 64 that it may have are open"));
}

TEST_F(DoctorOfProcess, that_has_not_traced_yet_says_so) {
    EXPECT_THAT(doctor_of([] {}), HasSubstr("it has not reached a tracepoint"));
}

TEST_F(DoctorOfProcess, that_records_finds_nothing_wrong_with_it) {
    const std::string found = doctor_of([&] { trace_in(rings_.path()); });
    EXPECT_THAT(found, HasSubstr("its segment"));
    EXPECT_THAT(found, Not(HasSubstr("it says")));
    EXPECT_THAT(found, Not(HasSubstr("descriptors")));
}

}  // namespace
}  // namespace spanring::tools
