"""What the CUDA kernels that are linked into the program take of a GPU."""
import re
import subprocess
import unittest

from bauta_cli import BAUTA, ROOT


def rows(table):
    """{(source, kernel)}"""
    return set(re.findall(r"^\| (\S+) \| `(.+?)` \|", table, re.M))


class Kernels(unittest.TestCase):
    def test_none_uses_stack_or_local_memory_and_all_are_in_the_kept_table(self):
        result = subprocess.run([ROOT / "scripts/gpu/resources", BAUTA], capture_output=True, text=True)
        if "there is no cuobjdump" in result.stderr:
            self.skipTest("there is no cuobjdump: run scripts/setup")
        self.assertEqual(result.returncode, 0, result.stderr)
        kept = rows((ROOT / "docs/kernel_resources.md").read_text())
        self.assertEqual(rows(result.stdout) ^ kept, set(), "make it again: see scripts/gpu/resources --help")


if __name__ == "__main__":
    unittest.main()
