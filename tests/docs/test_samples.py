"""The finder of samples itself: it must not overlook one, nor take text for one."""

import unittest

import samples


class SamplesOf(unittest.TestCase):
    """Blocks of a page."""

    PAGE = ("# Page\n```cpp\nspanring::Span span(\"a\");\n```\n"
            "```sh\nspanring up\n```\n"
            "<!-- not compiled: needs a server -->\n```cpp\nserver();\n```\n"
            "<!-- any other remark -->\n"
            "```c\n#include <spanring/spanring.h>\nint main(void) {}\n```\n")

    def test_finds_c_and_cpp_blocks_that_are_not_excused(self):
        found = samples.samples_of("page.md", self.PAGE)
        self.assertEqual([(sample.language, sample.line) for sample in found],
                         [("cpp", 3), ("c", 14)])

    def test_an_excuse_needs_a_reason(self):
        page = "<!-- not compiled: -->\n```cpp\nf();\n```\n"
        self.assertEqual(len(samples.samples_of("page.md", page)), 1)

    def test_wraps_pieces_and_leaves_programs_alone(self):
        piece, program = samples.samples_of("page.md", self.PAGE)
        self.assertIn("sample()", piece.file_text)
        self.assertFalse(piece.is_program)
        self.assertTrue(program.is_program)
        self.assertNotIn("sample", program.file_text)


if __name__ == "__main__":
    unittest.main()
