"""Each rule against a bad example that it must find and a good one that it must leave alone."""

import unittest

import rules_docs
import rules_layout
import rules_shape
import rules_text
from source import Source


def found(rule, *files):
    """Returns the lines that `rule` reports for files given as (path, text)."""
    return [finding.line for finding in rule([Source(path, text) for path, text in files])]


class IncludeDirection(unittest.TestCase):
    """Folders include only folders below them."""

    CODEC = ("codec/include/spanring/codec/batch.hpp", "")
    MAPPING = ("shm/mapping/include/spanring/shm/mapping/reader.hpp", "")
    ABI = ("shm/include/spanring/abi/page_layout.h", "")
    SHM = ("shm/include/spanring/shm/clock.hpp", "")

    def check(self, path, name):
        text = f'#include "spanring/{name}"\n'
        return found(rules_layout.include_direction, (path, text), self.CODEC, self.MAPPING,
                     self.ABI, self.SHM)

    def test_finds_producer_that_includes_codec(self):
        self.assertEqual(self.check("producer/src/span.cpp", "codec/batch.hpp"), [1])

    def test_finds_producer_that_includes_the_readers_side(self):
        self.assertEqual(self.check("producer/src/span.cpp", "shm/mapping/reader.hpp"), [1])

    def test_finds_codec_that_includes_more_of_shm_than_the_abi(self):
        self.assertEqual(self.check("codec/src/a.cpp", "shm/clock.hpp"), [1])
        self.assertEqual(self.check("codec/src/a.cpp", "abi/page_layout.h"), [])

    def test_allows_consumer_codec_and_tests_everything(self):
        self.assertEqual(self.check("consumer/src/a.cpp", "codec/batch.hpp"), [])
        self.assertEqual(self.check("tests/unit/a_test.cpp", "codec/batch.hpp"), [])

    def test_finds_climbing_paths(self):
        bad = ("store/src/a.cpp", '#include "../../codec/src/x.hpp"\n')
        self.assertEqual(found(rules_layout.include_direction, bad), [1])


class ThirdParties(unittest.TestCase):
    """Other people's headers stay in src/."""

    def check(self, path, name):
        return found(rules_layout.third_parties, (path, f"\n#include <{name}>\n"))

    def test_finds_third_party_in_public_header(self):
        self.assertEqual(self.check("store/include/spanring/store/a.hpp", "sqlite3.h"), [2])
        self.assertEqual(self.check("store/src/a.cpp", "sqlite3.h"), [])

    def test_finds_any_third_party_in_the_tracer(self):
        self.assertEqual(self.check("producer/src/a.cpp", "boost/interprocess/x.hpp"), [2])
        self.assertEqual(self.check("shm/src/a.cpp", "fmt/core.h"), [2])
        self.assertEqual(self.check("shm/mapping/src/a.cpp", "boost/interprocess/x.hpp"), [])

    def test_allows_standard_and_posix_headers(self):
        for name in ("atomic", "sys/mman.h", "linux/futex.h", "stdint.h", "unistd.h"):
            self.assertEqual(self.check("producer/include/spanring/a.hpp", name), [])


class Shape(unittest.TestCase):
    """Lengths and widths."""

    def test_finds_long_files_and_gives_tests_more_room(self):
        text = "int a;\n" * (rules_shape.FILE_LINES_MAX + 1)
        self.assertEqual(found(rules_shape.file_length, ("store/src/a.cpp", text)),
                         [rules_shape.FILE_LINES_MAX + 1])
        self.assertEqual(found(rules_shape.file_length, ("tests/unit/a_test.cpp", text)), [])

    def test_counts_columns_in_characters(self):
        limit = rules_shape.COLUMNS_MAX
        wide = "\n//" + "x" * limit + "\n"
        self.assertEqual(found(rules_shape.columns, ("base/a.hpp", wide)), [2])
        self.assertEqual(found(rules_shape.columns, ("base/a.hpp", "é" * limit + "\n")), [])

    def test_finds_long_functions(self):
        body = "    work();\n" * rules_shape.FUNCTION_LINES_MAX
        for head in ("int f(int a)", "template <class T>\nvoid C::f(T (*g)(int)) const noexcept",
                     "struct stat look(int fd)", "C::C(int a) : a_{a}, b_(f(a))"):
            text = f"namespace n {{\n{head} {{\n{body}}}\n}}  // n\n"
            self.assertEqual(len(found(rules_shape.function_length, ("base/a.cpp", text))), 1, head)

    def test_leaves_long_classes_and_tables_alone(self):
        lines = "    int a();\n" * rules_shape.FUNCTION_LINES_MAX
        for text in (f"class alignas(64) C {{\n{lines}}};\n", f"enum class E {{\n{lines}}};\n",
                     f"const int t[] = {{\n{lines}}};\n", f"namespace a::b {{\n{lines}}}\n"):
            self.assertEqual(found(rules_shape.function_length, ("base/a.cpp", text)), [])

    def test_measures_a_lambda_with_the_function_around_it(self):
        source = Source("base/a.cpp", "void f() {\n  g([] {\n    return 1;\n  });\n}\n")
        self.assertEqual(list(rules_shape.functions(source)), [("f", 1, 5)])

    def test_measures_python_functions(self):
        text = "def f():\n" + "    pass\n" * rules_shape.FUNCTION_LINES_MAX
        self.assertEqual(found(rules_shape.function_length, ("tests/a.py", text)), [1])

    def test_is_not_misled_by_braces_in_literals_and_comments(self):
        text = "void f() {\n  // {\n  g(\"{\", '{', R\"x({)x\", 1'000);\n}\nvoid h() {\n}\n"
        lengths = [(name, lines) for name, _, lines in rules_shape.functions(Source("a.cpp", text))]
        self.assertEqual(lengths, [("f", 4), ("h", 2)])

    def test_percentile_is_what_it_says(self):
        self.assertEqual(rules_shape.percentile(range(1, 101), 0.95), 96)
        self.assertEqual(rules_shape.percentile([], 0.95), 0)


class MemoryOrder(unittest.TestCase):
    """Every memory order is explained."""

    LOAD = "    x.load(std::memory_order_acquire);\n"

    def check(self, text, path="shm/src/a.cpp"):
        return found(rules_text.memory_order, (path, text))

    def test_finds_silence(self):
        self.assertEqual(self.check("{\n" + self.LOAD), [2])
        self.assertEqual(self.check("{\n    __atomic_load_n(&x, __ATOMIC_ACQUIRE);\n"), [2])

    def test_finds_a_comment_that_says_nothing(self):
        self.assertEqual(self.check("{\n    // acquire\n" + self.LOAD), [3])

    def test_accepts_a_comment_on_the_line_or_above_the_statement(self):
        why = "// acquire: pairs with the release in publish()"
        self.assertEqual(self.check(f"{{\n    {why}\n{self.LOAD}"), [])
        self.assertEqual(self.check(f"{{\n    x.load(std::memory_order_acquire);  {why}\n"), [])
        self.assertEqual(self.check(f"{{\n    {why}\n    x.compare(a, b,\n"
                                    "        std::memory_order_acquire);\n"), [])

    def test_one_comment_covers_a_run_of_equal_orders_only(self):
        why = "    // acquire: pairs with the release in publish()\n"
        store = "    x.store(1, std::memory_order_release);\n"
        self.assertEqual(self.check("{\n" + why + self.LOAD + self.LOAD + self.LOAD), [])
        self.assertEqual(self.check("{\n" + why + self.LOAD + "    f();\n" + self.LOAD), [5])
        self.assertEqual(self.check("{\n" + why + self.LOAD + store), [4])

    def test_a_comment_for_both_branches_reaches_to_the_blank_line(self):
        both = "    // acquire, both: pair with the release in publish()\n"
        branches = "    if (a) {\n" + self.LOAD + "    } else {\n" + self.LOAD + "    }\n"
        self.assertEqual(self.check("{\n" + both + branches), [])
        self.assertEqual(self.check("{\n" + both.replace(", both", "") + branches), [4, 6])
        self.assertEqual(self.check("{\n" + both + self.LOAD + "\n" + self.LOAD), [5])

    def test_does_not_ask_for_comments_in_tests_or_about_comments(self):
        self.assertEqual(self.check("{\n" + self.LOAD, "tests/unit/shm/a_test.cpp"), [])
        self.assertEqual(self.check("// memory_order_acquire would do\n"), [])


class Text(unittest.TestCase):
    """Calls, leftovers and paths that must not be there."""

    def test_finds_banned_calls(self):
        for call in ("sprintf(b, f)", "std::strcpy(a, b)", "system(c)", "::rand()", "gets(b)"):
            text = f"void f() {{ {call}; }}\n"
            self.assertEqual(found(rules_text.banned_calls, ("tools/src/a.cpp", text)), [1], call)

    def test_leaves_members_and_longer_names_alone(self):
        for call in ("clock.system()", "my_rand()", "snprintf(b, n, f)", "p->gets()", "// rand()"):
            text = f"void f() {{ {call}; }}\n"
            self.assertEqual(found(rules_text.banned_calls, ("tools/src/a.cpp", text)), [], call)

    def test_finds_libraries_that_talk(self):
        text = "void f() { std::cout << 1; }\n"
        self.assertEqual(found(rules_text.banned_calls, ("store/src/a.cpp", text)), [1])
        self.assertEqual(found(rules_text.banned_calls, ("tools/src/a.cpp", text)), [])

    def test_finds_leftovers_in_any_file(self):
        for word in ("TO" + "DO", "FIX" + "ME"):
            self.assertEqual(found(rules_text.leftovers, ("docs/a.md", f"\n{word}: more\n")), [2])
        self.assertEqual(found(rules_text.leftovers, ("docs/a.md", "mastodon, TODOS_\n")), [])

    def test_finds_paths_of_one_machine(self):
        bad = "cd /" + "home/me/spanring\n"
        self.assertEqual(found(rules_text.own_paths, ("docs/a.md", bad)), [1])
        for good in ("/run/spanring\n", "$HOME/" + "work/x\n", "https://a.b/" + "work/c\n",
                     "a/root/b\n"):
            self.assertEqual(found(rules_text.own_paths, ("docs/a.md", good)), [], good)


class LayoutTables(unittest.TestCase):
    """The pages of docs/format tell the offsets of the layout headers."""

    HEADER = ("shm/include/spanring/abi/x_layout.h",
              "SPANRING_ABI_FIELD(spanring_x, magic, 0);\n"
              "SPANRING_ABI_FIELD(spanring_x, pid,\n                   8);\n")

    def check(self, *rows):
        page = "## `spanring_x`\n| offset | field |\n|---|---|\n" + "".join(rows)
        return found(rules_docs.layout_tables, self.HEADER, ("docs/format/x.md", page))

    def test_accepts_the_truth(self):
        self.assertEqual(self.check("| 0 | `magic` |\n", "| 8 | `pid` |\n"), [])

    def test_reads_tables_with_a_column_of_lengths(self):
        self.assertEqual(self.check("| 0 | 8 | `magic` |\n", "| 8 | 4 | `pid` |\n"), [])
        self.assertEqual(self.check("| 0 | 8 | `magic` |\n", "| 4 | 8 | `pid` |\n"), [1])

    def test_finds_wrong_missing_and_invented_fields(self):
        self.assertEqual(self.check("| 0 | `magic` |\n", "| 12 | `pid` |\n"), [1])
        self.assertEqual(self.check("| 0 | `magic` |\n"), [1])
        self.assertEqual(self.check("| 0 | `magic` |\n", "| 8 | `pid` |\n", "| 9 | `uid` |\n"), [1])


class Hazards(unittest.TestCase):
    """docs/hazards.md has a row for each hazard, and names tests that exist."""

    TESTS = ("tests/a_test.cpp", "TEST(Life, goes_on) {\nTEST_F(\n    Kill, is_survived) {\n")
    SCRIPTS = ("tests/e2e/CMakeLists.txt", "spanring_script_test(e2e_kill COMMAND x)\n")

    def check(self, **rows):
        cells = {f"r{i}": "`Life.goes_on` |" for i in range(1, 30)} | rows
        page = "| # | hazard | mechanism | shown by | open |\n| --- | --- | --- | --- | --- |\n"
        page += "".join(f"| {name[1:]} | h | m | {cell} |\n"
                        for name, cell in cells.items() if cell)
        return found(rules_docs.hazards, self.TESTS, self.SCRIPTS, ("docs/hazards.md", page))

    def test_accepts_tests_that_exist_and_rows_that_say_what_is_open(self):
        self.assertEqual(self.check(r2="`Kill.is_survived`, `e2e_kill` |", r3=" | all of it"), [])

    def test_finds_names_of_no_test(self):
        self.assertEqual(self.check(r2="`Life.went_on` |", r3="`e2e_gone` |"), [4, 5])

    def test_finds_rows_without_anything_and_missing_rows(self):
        self.assertEqual(self.check(r2=" |"), [4])
        self.assertEqual(self.check(r29=""), [1])


class Mutants(unittest.TestCase):
    """tests/mutation/mutants.py breaks what is there."""

    LIST = ("from typing import NamedTuple\n"
            "class Mutant(NamedTuple):\n"
            "    name: str\n"
            "    file: str\n"
            "    old: str\n"
            "MUTANTS = (Mutant('sleepy', 'base/src/a.cpp', 'wake();'),)\n")

    def check(self, code):
        return found(rules_docs.mutants, ("tests/mutation/mutants.py", self.LIST),
                     ("base/src/a.cpp", code))

    def test_accepts_what_stands_once(self):
        self.assertEqual(self.check("wake();\n"), [])

    def test_finds_what_is_gone_or_not_clear(self):
        self.assertEqual(self.check("sleep();\n"), [1])
        self.assertEqual(self.check("wake();\nwake();\n"), [1])


if __name__ == "__main__":
    unittest.main()
