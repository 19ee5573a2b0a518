// One daemon for several users: a real second and third user trace at once, and neither can do
// anything to the other's ring, to the daemon's files, or with a name that it has taken.
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "spanring/process.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/spanring.hpp"
#include "world.hpp"

namespace spanring::consumer::testing {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// Numbers of nobody: no account is needed.
constexpr uid_t kDaemon = 64001;
constexpr uid_t kAlice = 64002;
constexpr uid_t kBob = 64003;

bool become(uid_t uid) {
    return ::setgroups(0, nullptr) == 0 && ::setresgid(uid, uid, uid) == 0 &&
           ::setresuid(uid, uid, uid) == 0 && ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

/// Who may become others, and see them.
class SharedDirectory : public ::testing::Test {
protected:
    void SetUp() override {
        const pid_t pid = ::fork();
        if (pid == 0) ::_exit(become(kAlice) ? 0 : 1);
        if (::geteuid() != 0 || World::wait_for(pid) != 0) {
            GTEST_SKIP() << "NOT TESTED: only root can be several users";
        }
        // Where only root can have put it. The daemon comes to its database through open folders.
        above_ = world_.directory;
        const std::string home = fs::path(world_.database).parent_path();
        ASSERT_EQ(::chmod(above_.c_str(), 0755), 0);
        ASSERT_EQ(::chmod(home.c_str(), 0755), 0);
        world_.directory = above_ + "/rings";
        world_.log = home + "/log/spanringd.log";
        config_ = home + "/spanringd.toml";
        std::ofstream(config_) << "[security]\nuser = \"64001\"\ngroup = \"64001\"\n";
    }
    void TearDown() override {
        if (world_.consumer > 0) world_.kill_consumer();
        std::error_code ignored;
        if (!above_.empty()) fs::remove_all(above_, ignored);
    }

    pid_t up() { return world_.up({"--config", config_}); }
    /// Runs `body` as this user. Returns its pid.
    pid_t as(uid_t uid, const std::function<void()>& body) {
        return world_.producer([&] {
            ASSERT_TRUE(become(uid));
            body();
        });
    }
    int wait_as(uid_t uid, const std::function<void()>& body) {
        return World::wait_for(as(uid, body));
    }
    /// Waits for it, ten seconds at most.
    bool no_rings_left() const {
        const auto end = std::chrono::steady_clock::now() + 10s;
        while (!world_.files(".seg").empty() && std::chrono::steady_clock::now() < end) {
            std::this_thread::sleep_for(20ms);
        }
        return world_.files(".seg").empty();
    }
    std::string in(const std::string& name) const { return world_.directory + "/" + name; }

    World world_;
    std::string above_;
    std::string config_;
};

struct stat stat_of(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
    return info;
}

void trace_some(const char* name) {
    for (int i = 0; i < 100; ++i) Span span(name);
    EXPECT_TRUE(flush(10s)) << status().reason;
}

TEST_F(SharedDirectory, two_users_trace_at_once_and_each_span_says_whose_it_is) {
    ASSERT_GT(up(), 0);
    const auto directory = stat_of(world_.directory);
    EXPECT_EQ(directory.st_mode & 07777, 03773u);
    EXPECT_EQ(directory.st_uid, kDaemon);
    EXPECT_EQ(stat_of(world_.database).st_uid, kDaemon);
    const pid_t alice = as(kAlice, [] {
        // Who says himself who he is does not say it for long.
        Configuration configuration;
        configuration.resource = {{"process.user.id", "0"}};
        EXPECT_TRUE(configure(configuration).ok());
        trace_some("alice");
    });
    const pid_t bob = as(kBob, [] { trace_some("bob"); });
    EXPECT_EQ(World::wait_for(alice), 0);
    EXPECT_EQ(World::wait_for(bob), 0);
    const auto spans = world_.spans_when([](const auto& s) { return s.size() == 200; });
    EXPECT_EQ(spans.size(), 200u);
    for (const auto& span : spans) {
        int said = 0;
        for (const auto& [key, value] : *span.resource) {
            if (key != "process.user.id") continue;
            ++said;
            ASSERT_TRUE(std::holds_alternative<std::int64_t>(value));
            EXPECT_EQ(std::get<std::int64_t>(value), span.name == "alice" ? kAlice : kBob);
        }
        EXPECT_EQ(said, 1);
    }
    EXPECT_TRUE(no_rings_left()) << "the daemon removes what others have made";
    EXPECT_EQ(world_.down(), 0);
}

/// Expects that a call has failed for want of permission.
void expect_denied(long result, const char* what) {
    EXPECT_EQ(result, -1) << what;
    EXPECT_TRUE(errno == EACCES || errno == EPERM) << what << ": errno " << errno;
}

TEST_F(SharedDirectory, a_user_can_do_nothing_to_the_ring_of_another_or_to_the_daemons_files) {
    ASSERT_GT(up(), 0);
    int told[2];
    ASSERT_EQ(::pipe(told), 0);
    const pid_t bob = as(kBob, [&told] {
        trace_some("bob");
        EXPECT_EQ(::write(told[1], "x", 1), 1);
        std::this_thread::sleep_for(1s);
        trace_some("bob");
    });
    char byte = 0;
    ASSERT_EQ(::read(told[0], &byte, 1), 1);
    const auto rings = world_.files(".seg");
    ASSERT_EQ(rings.size(), 1u);
    const std::string ring = in(rings[0]);
    EXPECT_EQ(stat_of(ring).st_uid, kBob);
    EXPECT_EQ(stat_of(ring).st_gid, kDaemon);
    const int status = wait_as(kAlice, [&] {
        expect_denied(::opendir(world_.directory.c_str()) == nullptr ? -1 : 0, "list");
        for (const std::string& file :
             {ring, in(SPANRING_DOORBELL_FILE), in(SPANRING_CONSUMER_LOCK_FILE)}) {
            expect_denied(::open(file.c_str(), O_RDONLY), file.c_str());
        }
        for (const std::string& file :
             {ring, in(SPANRING_DOORBELL_FILE), in(SPANRING_CONSUMER_LOCK_FILE),
              in(SPANRING_CONTROL_FILE)}) {
            expect_denied(::open(file.c_str(), O_RDWR), file.c_str());
            expect_denied(::truncate(file.c_str(), 0), file.c_str());
            expect_denied(::unlink(file.c_str()), file.c_str());
            expect_denied(::rename(file.c_str(), in("mine").c_str()), file.c_str());
            expect_denied(::chmod(file.c_str(), 0666), file.c_str());
        }
        // A file of one's own does not take the place of another's.
        const std::string own = in("own");
        std::ofstream(own) << "x";
        expect_denied(::rename(own.c_str(), ring.c_str()), "replace a ring");
        expect_denied(::rename(own.c_str(), in(SPANRING_CONTROL_FILE).c_str()), "replace control");
        EXPECT_GE(::open(in(SPANRING_CONTROL_FILE).c_str(), O_RDONLY), 0) << "this he may read";
    });
    EXPECT_EQ(status, 0);
    EXPECT_EQ(World::wait_for(bob), 0);
    const auto spans = world_.spans_when([](const auto& s) { return s.size() == 200; });
    EXPECT_EQ(spans.size(), 200u);
    EXPECT_EQ(world_.down(), 0);
    for (const int end : told) ::close(end);
}

TEST_F(SharedDirectory, names_that_a_user_has_taken_hurt_neither_the_daemon_nor_another_user) {
    ASSERT_TRUE(shm::RingDirectory::make_shared(world_.directory, kDaemon, kDaemon).ok());
    const std::string victim = above_ + "/victim";
    std::ofstream(victim) << "untouched";
    ASSERT_EQ(::chmod(victim.c_str(), 0666), 0);
    const int squatted = wait_as(kAlice, [&] {
        ::umask(0);
        EXPECT_EQ(::symlink(victim.c_str(), in(SPANRING_CONTROL_FILE).c_str()), 0);
        EXPECT_EQ(::mkdir(in(SPANRING_DOORBELL_FILE).c_str(), 0700), 0);
        std::ofstream(in(SPANRING_DOORBELL_FILE) + "/full") << "x";
        std::ofstream(in(SPANRING_CONSUMER_LOCK_FILE)) << "mine";
        EXPECT_EQ(::symlink(victim.c_str(), in("notices").c_str()), 0);
        EXPECT_EQ(::mkfifo(in("1-fifo.seg").c_str(), 0666), 0);
        EXPECT_EQ(::symlink(victim.c_str(), in("2-link.seg").c_str()), 0);
        EXPECT_EQ(::mkdir(in("3-folder.seg").c_str(), 0777), 0);
        std::ofstream(in("4-file.seg")) << std::string(9000, 'x');
        EXPECT_EQ(::link(in("4-file.seg").c_str(), in("5-hard.seg").c_str()), 0);
    });
    EXPECT_EQ(squatted, 0);
    ASSERT_GT(up(), 0);
    EXPECT_EQ(wait_as(kBob, [] { trace_some("bob"); }), 0);
    EXPECT_EQ(world_.spans_when([](const auto& s) { return s.size() == 100; }).size(), 100u);
    for (const char* name :
         {SPANRING_CONTROL_FILE, SPANRING_DOORBELL_FILE, SPANRING_CONSUMER_LOCK_FILE, "notices"}) {
        EXPECT_EQ(stat_of(in(name)).st_uid, kDaemon) << name;
        EXPECT_TRUE(S_ISREG(stat_of(in(name)).st_mode)) << name;
    }
    EXPECT_TRUE(no_rings_left()) << "all of Alice's are put aside";
    EXPECT_EQ(world_.down(), 0);
    std::string content;
    std::getline(std::ifstream(victim), content);
    EXPECT_EQ(content, "untouched");
    EXPECT_EQ(stat_of(victim).st_mode & 0777, 0666u);
}

/// Takes names, as many and as fast as it can: those that the daemon will make, and those that it
/// will look at; puts links, folders, FIFOs and files of others there, and moves them about.
[[noreturn]] void race(const std::string& directory, const std::string& victim, unsigned seed) {
    std::mt19937 random(seed);
    const std::vector<std::string> names{SPANRING_CONTROL_FILE,
                                         SPANRING_DOORBELL_FILE,
                                         SPANRING_CONSUMER_LOCK_FILE,
                                         "notices",
                                         "7-a.seg",
                                         "7-b.seg",
                                         "7-a.seg.quarantined",
                                         ".new-control",
                                         "x"};
    const auto any = [&] { return directory + "/" + names[random() % names.size()]; };
    for (;;) {
        const std::string name = any();
        switch (random() % 7) {
            case 0: (void)!::symlink(victim.c_str(), name.c_str()); break;
            case 1: (void)::mkfifo(name.c_str(), 0666); break;
            case 2: (void)::mkdir(name.c_str(), 0777); break;
            case 3: (void)::rename(any().c_str(), name.c_str()); break;
            case 4: (void)!::link(any().c_str(), name.c_str()); break;
            case 5:
                ::close(::open(name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0666));
                break;
            default: (void)::remove(name.c_str());
        }
    }
}

TEST_F(SharedDirectory, races_for_names_end_no_daemon_lose_no_span_and_touch_no_foreign_file) {
    const std::string victim = above_ + "/victim";
    std::ofstream(victim) << "untouched";
    ASSERT_EQ(::chmod(victim.c_str(), 0666), 0);
    const struct stat before = stat_of(victim);
    std::size_t traced = 0;
    for (unsigned round = 0; round < 4; ++round) {
        // The names are free for all in each round, until the daemon has them.
        std::error_code ignored;
        fs::remove_all(world_.directory, ignored);
        ASSERT_TRUE(shm::RingDirectory::make_shared(world_.directory, kDaemon, kDaemon).ok());
        std::vector<pid_t> racers;
        for (unsigned i = 0; i < 2; ++i) {
            racers.push_back(as(kAlice, [&] { race(world_.directory, victim, 10 * round + i); }));
        }
        for (int life = 0; life < 3; ++life) {
            const pid_t daemon = up();
            EXPECT_GT(daemon, 0) << "round " << round << ", life " << life;
            if (daemon <= 0) break;
            EXPECT_EQ(wait_as(kBob, [] { trace_some("bob"); }), 0);
            traced += 100;
            EXPECT_EQ(world_.down(), 0);
        }
        for (const pid_t racer : racers) {
            ::kill(racer, SIGKILL);
            (void)World::wait_for(racer);
        }
    }
    EXPECT_EQ(world_.spans().size(), traced);
    std::string content;
    std::getline(std::ifstream(victim), content);
    EXPECT_EQ(content, "untouched");
    const struct stat after = stat_of(victim);
    EXPECT_EQ(after.st_mode, before.st_mode);
    EXPECT_EQ(after.st_uid, before.st_uid);
    EXPECT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
}

}  // namespace
}  // namespace spanring::consumer::testing
