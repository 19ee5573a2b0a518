// A random program: one thread's calls of the public API, and the oracle's record of them.
//
// The program keeps a stack of its own (spans and attached contexts) and works out from it alone
// which parent, trace and attributes each span must have. Threads: one per program; programs of a
// process meet in the mailbox only.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dice.hpp"
#include "mailbox.hpp"
#include "model.hpp"
#include "options.hpp"
#include "spanring/spanring.hpp"

namespace spanring::tools::emit {

/// What the programs of one process share.
struct ProcessState {
    const EmitOptions& options;
    std::string service;
    Mailbox mailbox{};
    std::atomic<unsigned> forks_left{0};
    std::atomic<bool> stop{false};                 ///< the time is up
    std::atomic<std::uint64_t> child_failures{0};  ///< forked children that did not end well
};

/// Makes the forked child of a program: returns its exit code. `place` is where the parent was.
using ForkedMain = std::function<int(Dice dice, Place place)>;

class Program {
public:
    /// `number` is unique within the process; `oracle` is this thread's own file.
    Program(ProcessState& process, unsigned number, Dice dice, OracleFile& oracle,
            ForkedMain forked_main);
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    /// In a forked child: the spans begun from now on hang at `place`.
    void start_at(Place place) { base_ = std::move(place); }
    /// Runs until `spans` have begun (or the process's `stop`), and ends what it has open.
    void run(std::uint64_t spans);
    /// One step of these dice: the same one wherever in a program it stands.
    void step_of(Dice dice) {
        dice_ = dice;
        step();
    }
    /// Opens some spans more and writes all that are open down as unfinished.
    void leave_open();
    /// Waits for the children that were forked.
    void wait_for_children();
    /// Ends an async span that nobody took.
    void finish(AsyncItem item);

private:
    struct Entry;

    // program.cpp: what happens next
    void step();
    void end_down_to(std::size_t depth);
    [[nodiscard]] const Place& here() const;
    [[nodiscard]] std::string unique_name(const char* what);

    // program_spans.cpp
    /// What a begin is rolled to be: its parent as the library and as the oracle sees it.
    struct Beginning {
        SpanOptions options;
        Place parent;
        std::string kind;
        std::string text;
    };
    [[nodiscard]] Beginning roll_beginning();
    [[nodiscard]] std::string roll_name();
    [[nodiscard]] ModelPtr model_of(const Place& parent, const Context& context, std::string name);
    [[nodiscard]] ModelPtr model_of(const Beginning& beginning, const Context& context,
                                    std::string_view name);
    static void add_inherited(const Place& parent, ModelSpan& model);
    [[nodiscard]] static Place place_below(const Place& parent, const ModelPtr& model);
    void push(std::unique_ptr<Entry> entry);
    void begin_span();
    void begin_macro_span();
    void begin_deep();
    void inner_steps();
    void end_some_span();
    void end_top();
    void end_entry(std::size_t index);
    void attach(const Context& context, Place place);
    void attach_remote();
    void attach_nothing();
    void lend_top();
    void borrow();
    void begin_async();
    void use_async();
    void write_down(const ModelSpan& model);

    // program_details.cpp
    template <typename AnySpan>
    void detail(AnySpan& span, const ModelPtr& model);
    template <typename AnySpan>
    void attribute(AnySpan& span, const ModelPtr& model);
    template <typename AnySpan>
    void event(AnySpan& span, const ModelPtr& model);
    template <typename AnySpan>
    void link(AnySpan& span, const ModelPtr& model);
    template <typename AnySpan>
    void exception(AnySpan& span, const ModelPtr& model);
    template <typename AnySpan>
    void status(AnySpan& span, const ModelPtr& model);
    template <typename AnySpan>
    void kind(AnySpan& span, const ModelPtr& model);
    template <typename AnySpan>
    void rename(AnySpan& span, const ModelPtr& model);
    [[nodiscard]] bool may_change(const ModelSpan& model, const std::string& before) const;
    [[nodiscard]] std::string roll_key(const ModelSpan& model);
    void detail_of_async(AsyncSpan& span, const ModelPtr& model);
    void detail_of_some_span();
    void free_event();
    void free_attribute();
    void event_without_span(const Place& place);
    void import_one();

    // program_fork.cpp
    void fork_child();

    ProcessState& process_;
    unsigned number_;
    Dice dice_;
    OracleFile& oracle_;
    ForkedMain forked_main_;
    Place base_{};
    std::vector<std::unique_ptr<Entry>> stack_;
    std::size_t floor_{0};  ///< entries below belong to the caller of an inner section
    std::uint64_t begun_{0};
    std::uint64_t serial_{0};
    std::vector<int> children_;
};

/// One entry of the program's own stack: a span, or an attached context.
struct Program::Entry {
    struct Held {
        explicit Held(const Context& context) : scope(context.attach()) {}
        Scope scope;
    };
    std::unique_ptr<Span> span;
    std::unique_ptr<Held> held;
    ModelPtr model;  ///< null: a context, or a span that is not recorded
    Place place;     ///< of what begins while this is on top
    bool lent{false};
};

}  // namespace spanring::tools::emit
