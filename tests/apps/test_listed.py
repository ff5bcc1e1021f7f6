"""Whether CTest knows of every test in this folder."""
import re
import unittest
from pathlib import Path

HERE = Path(__file__).parent


class Listed(unittest.TestCase):
    def test_every_class_of_tests_is_one_of_ctests(self):
        listed = set(re.findall(r"\w+", (HERE / "CMakeLists.txt").read_text()))
        for file in sorted(HERE.glob("test_*.py")):
            for name in re.findall(r"^class (\w+)", file.read_text(), re.M):
                if not name.endswith("Test"):  # what classes of tests have in common
                    with self.subTest(f"{file.name}: {name}"):
                        self.assertIn(name, listed)
