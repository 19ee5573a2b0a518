#include "spanring/analysis/flame.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "spanring/analysis/span_tree.hpp"

namespace spanring::analysis {
namespace {

using codec::Span;

constexpr std::size_t kDepthMax = 200;  // deeper calls count for the one at this depth
constexpr double kRowPixels = 18;
constexpr double kWidthMin = 0.3;  // pixels; what is narrower is not drawn
constexpr double kCharacterPixels = 7;
constexpr double kTopPixels = 34;

/// Frames are divided by ';', lines by their ends.
std::string frame_of(const Span& span) {
    std::string name = codec::service_of(span) + ":" + span.name;
    for (char& c : name)
        if (c == ';' || static_cast<unsigned char>(c) < ' ') c = '_';
    return name;
}

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            default: out += c;
        }
    }
    return out;
}

/// The same for the same service, warm as flames are.
std::string colour_of(const std::string& frame) {
    std::uint32_t hash = 2166136261u;  // FNV-1a
    for (const char c : frame.substr(0, frame.find(':')))
        hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    return fmt::format("hsl({},{}%,{}%)", hash % 60u, 70u + (hash >> 8) % 25u,
                       58u + (hash >> 16) % 14u);
}

std::string number(double value) {
    return fmt::format("{:.1f}", value);
}

struct Node {
    std::uint64_t total_ns{0};
    std::map<std::string, std::unique_ptr<Node>> children;
    [[nodiscard]] std::size_t depth() const {
        std::size_t deepest = 0;
        for (const auto& [name, child] : children) deepest = std::max(deepest, child->depth());
        return deepest + 1;
    }
};

class Drawing {
public:
    Drawing(const Node& root, unsigned width, std::string title)
        : root_(root), width_(width), title_(std::move(title)) {}

    std::string svg() {
        const std::size_t rows = root_.depth();
        height_ = kTopPixels + static_cast<double>(rows) * kRowPixels + 10;
        out_ = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + std::to_string(width_) +
               "\" height=\"" + number(height_) +
               "\" font-family=\"monospace\" font-size=\"11\">\n"
               "<rect width=\"100%\" height=\"100%\" fill=\"#fffdf7\"/>\n"
               "<text x=\"10\" y=\"20\" font-size=\"14\">" +
               escaped(title_) + "</text>\n";
        draw("all", root_, 0, 10, static_cast<double>(width_) - 20);
        return out_ + "</svg>\n";
    }

private:
    void draw(const std::string& name, const Node& node, std::size_t depth, double x,
              double width) {
        if (width < kWidthMin) return;
        const double y = height_ - 10 - static_cast<double>(depth + 1) * kRowPixels;
        const double share = root_.total_ns == 0 ? 0
                                                 : 100 * static_cast<double>(node.total_ns) /
                                                       static_cast<double>(root_.total_ns);
        out_ += "<g><title>" + escaped(name) + " · " +
                number(static_cast<double>(node.total_ns) / 1e6) + " ms · " + number(share) +
                " %</title><rect x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" +
                number(width) + "\" height=\"" + number(kRowPixels - 1) + "\" rx=\"2\" fill=\"" +
                (depth == 0 ? std::string("#ddd") : colour_of(name)) + "\"/>";
        const auto fits = static_cast<std::size_t>(width / kCharacterPixels);
        if (fits >= 4)
            out_ += "<text x=\"" + number(x + 3) + "\" y=\"" + number(y + 13) + "\">" +
                    escaped(shortened(name, fits - 1)) + "</text>";
        out_ += "</g>\n";
        double at = x;
        for (const auto& [child_name, child] : node.children) {
            const double child_width = node.total_ns == 0
                                           ? 0
                                           : width * static_cast<double>(child->total_ns) /
                                                 static_cast<double>(node.total_ns);
            draw(child_name, *child, depth + 1, at, child_width);
            at += child_width;
        }
    }

    /// By bytes, never within a character.
    static std::string shortened(const std::string& name, std::size_t bytes) {
        if (name.size() <= bytes) return name;
        std::size_t end = bytes > 1 ? bytes - 1 : 0;
        while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;
        return name.substr(0, end) + "…";
    }

    const Node& root_;
    unsigned width_;
    std::string title_;
    double height_{0};
    std::string out_;
};

}  // namespace

void Flame::add(const std::vector<Span>& spans) {
    ++traces_;
    const SpanTree tree = tree_of(spans);
    const auto self = self_times(tree, intervals_of(spans, tree));
    struct Visit {
        std::size_t span;
        std::size_t depth;
    };
    std::vector<Visit> pending;
    for (auto root = tree.roots.rbegin(); root != tree.roots.rend(); ++root)
        pending.push_back({*root, 0});
    Stack stack;
    while (!pending.empty()) {
        const Visit visit = pending.back();
        pending.pop_back();
        stack.resize(std::min(visit.depth, kDepthMax));
        if (stack.size() < kDepthMax) stack.push_back(frame_of(spans[visit.span]));
        stacks_[stack] += static_cast<std::uint64_t>(std::max<std::int64_t>(self[visit.span], 0));
        for (const std::size_t child : tree.children[visit.span])
            pending.push_back({child, visit.depth + 1});
    }
}

std::string Flame::folded() const {
    std::string out;
    for (const auto& [stack, ns] : stacks_) {
        for (std::size_t i = 0; i < stack.size(); ++i) out += (i == 0 ? "" : ";") + stack[i];
        out += " " + std::to_string(ns / 1000) + "\n";
    }
    return out;
}

std::string Flame::svg(const std::string& title, unsigned width) const {
    Node root;
    for (const auto& [stack, ns] : stacks_) {
        root.total_ns += ns;
        Node* at = &root;
        for (const std::string& frame : stack) {
            auto& child = at->children[frame];
            if (!child) child = std::make_unique<Node>();
            child->total_ns += ns;
            at = child.get();
        }
    }
    return Drawing(root, width, title).svg();
}

}  // namespace spanring::analysis
