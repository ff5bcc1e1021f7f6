"""bauta classify: what it says of images, one by one."""
import json
import shutil

from bauta_cli import run, write_png
from test_eval import CLASSES, TrainedTest


class Classify(TrainedTest):
    def test_results_longer_than_a_buffer_that_cannot_be_written_are_an_error(self):
        with open("/dev/full", "w") as full:
            self.fails("classify", "--weights", self.weights, "--json", *self.images() * 4, stdout=full,
                       saying="the results could not be written (standard output)")

    def test_a_line_per_image_in_their_order(self):
        paths = self.images()[::-1]
        result = self.ok("classify", "--weights", self.weights, *paths)
        self.assertRegex(result.stderr, r"^device cpu ")
        lines = result.stdout.splitlines()
        self.assertEqual([l.split()[0] for l in lines], [str(p) for p in paths])
        for line in lines:
            self.assertRegex(line, r"  with(out)?_mask +[01]\.\d{4}$")

    def test_a_folder_stands_for_the_images_in_it(self):
        first = self.images()[3]
        found = json.loads(self.ok("classify", "--weights", self.weights, "--json", first, self.faces).stdout)
        self.assertEqual([i["path"] for i in found], [str(p) for p in [first, *self.images()]])
        self.assertEqual(found[0], found[4])

    def test_images_behind_a_bad_one_keep_their_labels(self):
        bad = self.work / "bad.jpg"
        bad.write_text("hello")
        args = ["classify", "--weights", self.weights, "--json"]
        alone = json.loads(self.ok(*args, *self.images()).stdout)
        self.assertEqual(json.loads(run(*args, bad, *self.images()).stdout)[1:], alone)

    def test_a_folder_that_cannot_be_listed_gets_a_line_and_the_others_go_on(self):
        photos = self.work / "photos"
        photos.mkdir()
        for i, image in enumerate(self.images()[:2]):
            shutil.copy(image, photos / f"{i}.jpg")
        (photos / "loop").symlink_to(".")
        result = self.fails("classify", "--weights", self.weights, photos, self.images()[0],
                            saying=["the link leads back to a folder around it", photos / "loop"])
        self.assertEqual(len(result.stdout.splitlines()), 3)

    def test_json_comes_image_by_image(self):
        lines = self.ok("classify", "--weights", self.weights, "--json", *self.images()).stdout.splitlines()
        self.assertEqual([l[:9] for l in lines], ['[{"path":'] + [',{"path":'] * 39 + ["]"])

    def test_a_folder_without_images_gets_a_line_and_the_others_go_on(self):
        (self.work / "notes.txt").write_text("hello")
        args = ["classify", "--weights", self.weights, self.work, self.images()[0]]
        result = self.fails(*args, saying=["there are no images in this folder", self.work])
        self.assertEqual(len(result.stdout.splitlines()), 1)
        self.assertIn("warning: 1 file was ignored", result.stderr)
        empty, image = json.loads(run(*args, "--json").stdout)
        self.assertIn("no images", empty["error"])
        self.assertIn("label", image)

    def test_it_agrees_with_eval(self):
        paths = self.images()
        found = json.loads(self.ok("classify", "--weights", self.weights, "--json", *paths).stdout)
        mistakes = json.loads(self.ok("eval", "--weights", self.weights, "--data", self.faces, "--json").stdout)["mistakes"]
        wrong = {str(self.faces / m["path"]) for m in mistakes}
        for image in found:
            truth = "with_mask" if "AFDB_masked" in image["path"] else "without_mask"
            self.assertEqual(image["label"] != truth, image["path"] in wrong)
            self.assertAlmostEqual(sum(image["probabilities"].values()), 1, places=5)
            self.assertAlmostEqual(max(image["probabilities"].values()), image["confidence"])

    def test_it_says_of_each_image_what_evals_table_of_predictions_says(self):
        rows = self.found_and_rows(self.faces)[1]
        command = ["classify", "--weights", self.weights, *self.images()]
        found = json.loads(self.ok(*command, "--json").stdout)
        lines = self.ok(*command).stdout.splitlines()
        for row, image, line in zip(rows, found, lines, strict=True):
            self.assertEqual((image["path"], image["label"]), (str(self.faces / row["path"]), row["predicted"]))
            self.assertEqual(image["probabilities"][image["label"]], image["confidence"])
            self.assertEqual(list(image["probabilities"]), CLASSES)
            for name in CLASSES:
                self.assertAlmostEqual(image["probabilities"][name], float(row["p_" + name]), places=6)
            self.assertEqual(line.split(), [image["path"], image["label"], f"{image['confidence']:.4f}"])

    def test_an_image_as_sure_as_the_threshold_keeps_its_label(self):
        command = ["classify", "--weights", self.weights, "--json", *self.images()]
        plain = json.loads(self.ok(*command).stdout)
        threshold = sorted(image["confidence"] for image in plain)[20]
        found = json.loads(self.ok(*command, "--threshold", repr(threshold)).stdout)
        self.assertEqual([image["label"] for image in found],
                         ["uncertain" if image["confidence"] < threshold else image["label"] for image in plain])
        self.assertEqual(sum(image["label"] == "uncertain" for image in found), 20)

    def test_below_the_threshold_the_label_is_uncertain(self):
        png = self.work / "grey.png"
        write_png(png, 30, 20, bytes([128]) * 1800)
        found = json.loads(self.ok("classify", "--weights", self.weights, "--threshold", 1, "--json", png).stdout)
        self.assertEqual([i["label"] for i in found], ["uncertain"])
        self.assertRegex(self.ok("classify", "--weights", self.weights, "--threshold", 1, png).stdout,
                         r"uncertain +0\.\d{4}\n$")

    def test_a_bad_image_gets_a_line_and_the_others_go_on(self):
        good = self.images()[:2]
        bad = self.work / "not-an-image.jpg"
        bad.write_text("hello")
        missing = self.work / "missing.jpg"
        result = run("classify", "--weights", self.weights, good[0], bad, missing, good[1])
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(result.stdout.splitlines()), 2)
        device, *errors = result.stderr.splitlines()
        self.assertRegex(device, "^device cpu ")
        self.assertEqual(len(errors), 2)
        self.assertRegex(errors[0], r"^bauta: error: .*not-an-image\.jpg")
        self.assertRegex(errors[1], r"^bauta: error: .*missing\.jpg")

    def test_json_tells_of_bad_images_too(self):
        bad = self.work / "empty.jpg"
        bad.write_bytes(b"")
        result = run("classify", "--weights", self.weights, "--json", bad, self.images()[0])
        self.assertEqual(result.returncode, 1)
        found = json.loads(result.stdout)
        self.assertIn("empty.jpg", found[0]["error"])
        self.assertIn("label", found[1])
