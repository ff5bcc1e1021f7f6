"""bauta info: the machine, and the network of a file."""
import json
import unittest

from bauta_cli import run
from test_eval import TrainedTest


class Info(unittest.TestCase):
    def test_the_studys_table_1(self):
        result = run("info")
        self.assertEqual(result.returncode, 0, result.stderr)
        for row in [r"^convLayer1 +Sequential +896 +32x50x50$", r"^convLayer2 +Sequential +18,496 +64x25x25$",
                    r"^convLayer3 +Sequential +73,856 +128x4x4$", r"^linearLayers +Sequential +2,100,226 +2$",
                    r"^  linearLayers.0 +Linear 2048->1024 +2,098,176 +1024$",
                    r"^crossEntropyLoss +CrossEntropyLoss +0 ", r"^total +2,193,474$"]:
            self.assertRegex(result.stdout, "(?m)" + row)

    def test_json_has_the_machine_and_the_model(self):
        found = json.loads(run("info", "--json", "--threads", 3).stdout)
        self.assertEqual(found["threads"], 3)
        self.assertIn(found["isa"], found["isas"])
        self.assertEqual(found["devices"][0]["name"], "cpu")
        self.assertEqual(found["no_cuda"] is None, len(found["devices"]) > 1)
        self.assertLessEqual({"CUDA", "NCCL", "MPI", "VIDEO"}, set(found["features"]))
        self.assertEqual(found["model"]["params"], 2193474)
        self.assertEqual(found["model"]["classes"], ["without_mask", "with_mask"])


class InfoOfWeights(TrainedTest):
    def test_it_reads_the_network_from_the_file(self):
        found = json.loads(self.ok("info", "--weights", self.weights, "--json").stdout)
        self.assertEqual(found["model"]["name"], "study")
        self.assertEqual([b["params"] for b in found["model"]["blocks"]], [896, 18496, 73856, 2100226, 0])
