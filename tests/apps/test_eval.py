"""bauta eval: what it finds and how it says it."""
import csv
import itertools
import json
import math
import re
import shutil
import subprocess

from bauta_cli import BAUTA, CliTest, metrics_of, read_safetensors, run, write_safetensors

CLASSES = ["without_mask", "with_mask"]


def figures_of(rows):
    """What eval --json has to find, reckoned from the rows of its table of predictions."""
    def count(label, predicted):
        return sum(row["label"] == label and row["predicted"] == predicted for row in rows)

    confusion = [[count(label, predicted) for predicted in CLASSES] for label in CLASSES]
    right = sum(confusion[c][c] for c in range(2))
    scores = {label: [float(row["p_with_mask"]) for row in rows if row["label"] == label] for label in CLASSES}
    pairs = list(itertools.product(scores["with_mask"], scores["without_mask"]))
    per_class = per_class_of(confusion)
    return {"confusion": confusion, "accuracy": right / len(rows),
            "macro_average": {key: sum(m[key] for m in per_class.values()) / 2 for key in ["precision", "recall", "f1"]},
            "roc_auc": sum((masked > bare) + (masked == bare) / 2 for masked, bare in pairs) / len(pairs),
            "loss": sum(-math.log(float(row["p_" + row["label"]])) for row in rows) / len(rows)}


def per_class_of(confusion):
    metrics = {}
    for c, name in enumerate(CLASSES):
        precision = confusion[c][c] / sum(row[c] for row in confusion)
        recall = confusion[c][c] / sum(confusion[c])
        metrics[name] = {"precision": precision, "recall": recall, "f1": 2 * precision * recall / (precision + recall),
                         "support": sum(confusion[c])}
    return metrics


def table_in(text, corner):
    """The cells of the table in the text whose first cell is `corner`, row by row."""
    lines = itertools.dropwhile(lambda line: not line.startswith(corner + " "), text.splitlines())
    return [re.split(" {2,}", line.strip()) for line in itertools.takewhile(bool, lines)]


class TrainedTest(CliTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        out = cls.folder / "run"
        subprocess.run([BAUTA, "train", "--data", cls.faces, "--out", out, "--epochs", "6", "--batch", "4", "--lr",
                        "3e-4"], check=True, capture_output=True)
        cls.weights = out / "best.safetensors"

    def found_in(self, data, *args):
        """What eval --json finds in the data."""
        return json.loads(self.eval_json(data, *args).stdout)

    def eval_json(self, data, *args):
        return self.ok("eval", "--weights", self.weights, "--data", data, "--json", *args)

    def found_and_rows(self, data):
        """What eval --json finds in the data, and the rows of its table of predictions."""
        table = self.work / "predictions.csv"
        result = self.eval_json(data, "--predictions", table)
        self.assertIn(f"predictions: {table}", result.stderr)
        with open(table, newline="") as file:
            return json.loads(result.stdout), list(csv.DictReader(file))

    def swapped_faces(self):
        """The faces with each class in the other's folder: most are mistakes."""
        swapped = self.copy_of_faces()
        masked, bare = swapped / "AFDB_masked_face_dataset", swapped / "AFDB_face_dataset"
        masked.rename(swapped / "x")
        bare.rename(masked)
        (swapped / "x").rename(bare)
        return swapped

    def bare_weights(self):
        bare = self.work / "bare.safetensors"
        write_safetensors(bare, read_safetensors(self.weights)[0])
        return bare


class EvalOfARun(TrainedTest):
    def evaluate(self, *args):
        return json.loads(self.ok("eval", "--run", self.weights.parent, "--data", self.faces, "--json", *args).stdout)

    def test_it_is_about_the_validation_part_and_finds_what_training_found(self):
        found = self.evaluate()
        self.assertEqual(found["images"], 4)
        self.assertEqual(found["weights"], str(self.weights))
        best = max(metrics_of(self.weights.parent)[1], key=lambda epoch: epoch["val_acc"])
        self.assertAlmostEqual(found["accuracy"], best["val_acc"])
        self.assertAlmostEqual(found["per_class"]["with_mask"]["f1"], best["f1"])

    def test_its_parts_mistakes_are_those_of_the_whole_that_are_in_it(self):
        first = self.work / "first"
        self.train(first, "--lr", "1e-5", "--val", "0.5")
        args = ["--weights", first / "best.safetensors", "--data", self.faces, "--json"]
        part = json.loads(self.ok("eval", "--run", first, *args).stdout)
        whole = json.loads(self.ok("eval", *args).stdout)
        self.assertGreater(len(part["mistakes"]), 0)
        self.assertEqual(part["images"], 20)
        self.assertLessEqual({m["path"] for m in part["mistakes"]}, {m["path"] for m in whole["mistakes"]})

    def test_people_are_told_which_images_these_are(self):
        out = self.ok("eval", "--run", self.weights.parent, "--data", self.faces).stdout
        self.assertRegexIn(r"^accuracy \d\.\d{4} on 4 images kept for validation, \d mistakes?; ", out)

    def test_other_images_are_refused(self):
        fewer = self.copy_of_faces()
        next(fewer.rglob("*.jpg")).unlink()
        self.fails("eval", "--run", self.weights.parent, "--data", fewer, code=2,
                   saying=["not those that the run was started with", self.weights.parent / "config.json"])

    def test_a_run_that_kept_none_is_refused(self):
        self.train(self.work / "run", "--val", 0)
        self.fails("eval", "--run", self.work / "run", "--data", self.faces, code=2,
                   saying="kept none for validation")
        data = self.split_faces()
        self.train(self.work / "split-run", "--val", 0, data=data)
        self.fails("eval", "--run", self.work / "split-run", "--data", data, code=2, saying="kept none for validation")

    def test_of_a_data_set_that_comes_split_it_is_the_part_that_validates(self):
        data, run_folder = self.split_faces(), self.work / "run"
        self.train(run_folder, data=data)
        part = json.loads(self.ok("eval", "--run", run_folder, "--data", data, "--json").stdout)
        weights = ["--weights", run_folder / "best.safetensors", "--json"]
        alone = json.loads(self.ok("eval", *weights, "--data", data / "val").stdout)
        self.assertEqual(part["images"], 10)
        self.assertEqual(part["confusion"], alone["confusion"])
        self.assertEqual([m["path"] for m in part["mistakes"]], ["val/" + m["path"] for m in alone["mistakes"]])
        whole = self.ok("eval", *weights, "--data", data)
        self.assertEqual(json.loads(whole.stdout)["images"], 40)
        self.assertIn("all images of the data set count, those to train on, too: name a part by --part", whole.stderr)

    def test_a_part_of_a_data_set_that_comes_split_may_be_named(self):
        data, run_folder = self.split_faces(), self.work / "run"
        self.train(run_folder, data=data)
        self.ok("data", "pack", "--data", data, "--out", self.work / "pack.safetensors")
        for source in [data, self.work / "pack.safetensors"]:
            args = ["eval", "--run", run_folder, "--data", source, "--json"]
            for part, images in [("train", 24), ("val", 10), ("test", 6)]:
                found = json.loads(self.ok(*args, "--part", part).stdout)
                self.assertEqual((found["part"], found["images"]), (part, images))
        out = self.ok("eval", "--run", run_folder, "--data", data, "--part", "test").stdout
        self.assertRegexIn(r"^accuracy \d\.\d{4} on 6 images of part test, ", out)
        self.fails("eval", "--weights", self.weights, "--data", self.faces, "--part", "val", code=2,
                   saying=["the data set has no part val", self.faces])

    def test_its_part_is_that_of_the_runs_seed(self):
        self.train(self.work / "run", "--seed", 7, "--val", 0.5, "--epochs", 3, "--lr", "1e-4")
        found = json.loads(self.ok("eval", "--run", self.work / "run", "--data", self.faces, "--json").stdout)
        best = max(metrics_of(self.work / "run")[1], key=lambda epoch: epoch["val_acc"])
        self.assertAlmostEqual(found["loss"], best["val_loss"], places=5)

    def test_of_a_data_set_that_says_only_what_is_to_test_it_is_what_the_run_drew(self):
        data = self.split_faces()
        shutil.rmtree(data / "val")
        self.train(self.work / "run", "--val", 0.25, data=data)
        found = json.loads(self.ok("eval", "--run", self.work / "run", "--data", data, "--json").stdout)
        self.assertEqual(found["images"], 6)

    def test_json_names_the_run(self):
        found = self.evaluate()
        self.assertEqual((found["run"], found["part"]), (str(self.weights.parent), "val"))

    def test_it_may_be_about_what_the_run_trained_on(self):
        found = self.evaluate("--part", "train")
        self.assertEqual((found["part"], found["images"]), ("train", 36))
        self.assertEqual(self.evaluate("--part", "val"), self.evaluate())
        out = self.ok("eval", "--run", self.weights.parent, "--data", self.faces, "--part", "train").stdout
        self.assertRegexIn(r"^accuracy \d\.\d{4} on 36 images trained on, ", out)
        self.fails("eval", "--run", self.weights.parent, "--data", self.faces, "--part", "test", code=2,
                   saying="the data set has no part test")

    def test_a_run_that_has_not_ended_an_epoch_is_refused(self):
        self.train(self.work / "run")
        (self.work / "run/best.safetensors").unlink()
        self.fails("eval", "--run", self.work / "run", "--data", self.faces, saying="has not finished an epoch yet")

    def test_a_folder_that_is_no_run_is_refused(self):
        (self.work / "run").mkdir()
        args = ["eval", "--run", self.work / "run", "--weights", self.weights, "--data", self.faces]
        self.fails(*args, saying="config.json")
        for text in ["no JSON", "[]", "{}", '{"data": 1, "val": "x", "seed": -1}']:
            (self.work / "run/config.json").write_text(text)
            self.fails(*args, saying="this does not say how a run was started")
        (self.work / "run/config.json").unlink()
        self.fails(*args[:-1], self.split_faces(), "--part", "val", saying="config.json")

    def test_weights_or_a_run_must_be_named(self):
        self.fails("eval", "--data", self.faces, code=2, saying="no weights are given")


class Eval(TrainedTest):
    def test_json_is_one_object_whose_numbers_agree_with_each_other(self):
        result = self.ok("eval", "--weights", self.weights, "--data", self.faces, "--json")
        found = json.loads(result.stdout)
        self.assertLessEqual({"accuracy", "per_class", "roc_auc", "confusion", "mistakes"}, set(found))
        confusion = found["confusion"]
        self.assertEqual([sum(row) for row in confusion], [self.WITHOUT_MASK, self.WITH_MASK])
        right = confusion[0][0] + confusion[1][1]
        self.assertAlmostEqual(found["accuracy"], right / 40)
        self.assertEqual(len(found["mistakes"]), 40 - right)
        self.assertEqual(list(found["per_class"]), ["without_mask", "with_mask"])
        self.assertAlmostEqual(found["per_class"]["with_mask"]["recall"], confusion[1][1] / self.WITH_MASK)
        self.assertAlmostEqual(found["macro_average"]["f1"], sum(c["f1"] for c in found["per_class"].values()) / 2)
        self.assertEqual(found["macro_average"]["support"], 40)
        self.assertTrue(0 <= found["roc_auc"] <= 1)
        self.assertRegex(result.stderr, r"^device cpu .*, precision fp32, ")

    def test_json_has_the_figures_that_its_predictions_come_to(self):
        twice = self.copy_of_faces()  # two images count in both classes: equal scores, and classes of 22 and 20
        for i, image in enumerate(self.images(twice / "AFDB_masked_face_dataset")[:2]):
            shutil.copy(image, twice / f"AFDB_face_dataset/0000/{900000 + i}.jpg")
        for data, images in [(self.faces, 40), (twice, 42)]:
            with self.subTest(images=images):
                found, rows = self.found_and_rows(data)
                expected = figures_of(rows)
                self.assertEqual(len(rows), images)
                self.assertEqual(found["positive_class"], "with_mask")
                self.assertEqual(found["confusion"], expected["confusion"])
                self.assertEqual(len({row["p_with_mask"] for row in rows}), 40)
                for key in ["accuracy", "roc_auc", "loss"]:
                    self.assertAlmostEqual(found[key], expected[key], places=6, msg=key)
                for key, value in expected["macro_average"].items():
                    self.assertAlmostEqual(found["macro_average"][key], value, msg=key)
                # Else these could be taken for each other.
                self.assertNotEqual(found["confusion"][0][1], found["confusion"][1][0])
                self.assertGreater(abs(found["roc_auc"] - 0.5), 0.1)

    def test_json_has_of_each_class_what_its_confusion_comes_to(self):
        for data in [self.faces, self.swapped_faces()]:
            found = self.found_in(data)
            for name, expected in per_class_of(found["confusion"]).items():
                self.assertNotEqual(expected["precision"], expected["recall"])
                self.assertEqual(set(found["per_class"][name]), set(expected))
                for key, value in expected.items():
                    self.assertAlmostEqual(found["per_class"][name][key], value, msg=(name, key))

    def test_json_counts_images_that_were_left_out(self):
        copy = self.copy_of_faces()
        self.images(copy)[0].write_text("no image")
        for data, images in [(self.faces, 40), (copy, 39)]:
            found = json.loads(self.ok("eval", "--weights", self.weights, "--data", data, "--json").stdout)
            self.assertEqual((found["images"], found["left_out"], found["part"]), (images, 40 - images, None))

    def test_predictions_are_a_table_of_all_images_that_agrees_with_the_figures(self):
        found, rows = self.found_and_rows(self.faces)
        self.assertEqual(list(rows[0]), ["path", "label", "predicted", "confidence", "p_without_mask", "p_with_mask"])
        self.assertEqual([str(self.faces / r["path"]) for r in rows], [str(p) for p in self.images()])
        mistakes = {m["path"]: m for m in found["mistakes"]}
        self.assertEqual({r["path"] for r in rows if r["label"] != r["predicted"]}, set(mistakes))
        for row in rows:
            if row["path"] in mistakes:
                mistake = mistakes[row["path"]]
                self.assertEqual([row["label"], row["predicted"]], [mistake["label"], mistake["predicted"]])
                self.assertAlmostEqual(float(row["confidence"]), mistake["confidence"], places=6)
            self.assertEqual(row["confidence"], row["p_" + row["predicted"]])
            self.assertAlmostEqual(float(row["p_without_mask"]) + float(row["p_with_mask"]), 1, places=5)

    def test_predictions_that_cannot_be_written_are_an_error(self):
        args = ["eval", "--weights", self.weights, "--data", self.faces, "--predictions"]
        for table in [self.work / "no/such/predictions.csv", "/dev/full/x"]:
            self.fails(*args, table, saying=table)
            self.fails("eval", "--weights", self.weights, "--data", self.work / "none", "--predictions", table, saying=table)
        for there in [self.weights, self.work]:
            self.fails(*args, there, code=2, saying=["the file that is there is not a table of predictions", there])
        for _ in range(2):
            self.ok(*args, self.work / "predictions.csv")

    def test_a_folder_is_no_file_of_weights(self):
        self.fails("eval", "--weights", self.weights.parent, "--data", self.faces, code=2,
                   saying=["this is a folder, and not a file of weights", "best.safetensors"])

    def test_mistakes_come_by_name_the_surest_first(self):
        swapped = self.swapped_faces()
        mistakes = self.found_in(swapped)["mistakes"]
        self.assertGreater(len(mistakes), 20)
        self.assertEqual([m["confidence"] for m in mistakes],
                         sorted((m["confidence"] for m in mistakes), reverse=True))
        for m in mistakes:
            self.assertTrue((swapped / m["path"]).is_file())
            self.assertNotEqual(m["label"], m["predicted"])

    def test_a_data_set_that_does_not_come_split_has_no_parts_to_warn_of(self):
        self.assertNotIn("warning", self.ok("eval", "--weights", self.weights, "--data", self.faces).stderr)

    def test_people_get_tables(self):
        out = self.ok("eval", "--weights", self.weights, "--data", self.faces).stdout
        self.assertRegex(out, r"^device cpu ")
        self.assertRegexIn(r"^accuracy \d\.\d{4} on 40 images", out)
        self.assertRegexIn(r"^ROC-AUC of with_mask \d\.\d{4}$", out)
        self.assertRegexIn(r"^class +precision +recall +f1 +images$", out)
        self.assertRegexIn(r"^macro average( +[01]\.\d{4}){3} +40$", out)
        self.assertRegexIn(r"^true \\ predicted +without_mask +with_mask$", out)

    def test_the_tables_for_people_have_the_figures_of_json(self):
        for data in [self.faces, self.swapped_faces()]:
            with self.subTest(data=data):
                found = self.found_in(data)
                out = self.ok("eval", "--weights", self.weights, "--data", data).stdout
                mistakes, confusion = found["mistakes"], found["confusion"]
                shown = min(10, len(mistakes))
                self.assertIn(f"\naccuracy {found['accuracy']:.4f} on 40 images, {len(mistakes)} mistakes; "
                              f"cross-entropy {found['loss']:.4g}\nROC-AUC of with_mask {found['roc_auc']:.4f}\n", out)
                metrics = {**found["per_class"], "macro average": found["macro_average"]}
                self.assertEqual(table_in(out, "class"), [["class", "precision", "recall", "f1", "images"]] + [
                    [name, *(f"{m[key]:.4f}" for key in ["precision", "recall", "f1"]), str(m["support"])]
                    for name, m in metrics.items()])
                self.assertNotEqual(confusion[0][1], confusion[1][0])
                self.assertEqual(table_in(out, r"true \ predicted"), [
                    [r"true \ predicted", *CLASSES], *([name, *map(str, row)] for name, row in zip(CLASSES, confusion))])
                self.assertIn(f"\nworst mistakes, {shown} of {len(mistakes)}\npath ", out)
                self.assertEqual(table_in(out, "path"), [["path", "is", "taken for", "confidence"]] + [
                    [m["path"], m["label"], m["predicted"], f"{m['confidence']:.4f}"] for m in mistakes[:shown]])
        self.assertGreater(len(mistakes), 10)

    def test_an_image_as_sure_as_the_threshold_counts_as_certain(self):
        plain, rows = self.found_and_rows(self.faces)
        by_confidence = sorted((row["confidence"] for row in rows), key=float)
        self.assertEqual(len(set(by_confidence)), 40)
        for below in [0, 10, 20, 39]:
            with self.subTest(below=below):
                threshold = by_confidence[below]  # its shortest decimals, which are read as the number that it is
                others = [row for row in rows if float(row["confidence"]) >= float(threshold)]
                accuracy = sum(row["label"] == row["predicted"] for row in others) / len(others)
                found = self.found_in(self.faces, "--threshold", threshold)["uncertain"]
                self.assertEqual((found["threshold"], found["images"]), (float(threshold), below))
                self.assertAlmostEqual(found["accuracy_of_the_others"], accuracy)
                if below == 20:
                    self.assertTrue(plain["accuracy"] < accuracy < 1)
                    out = self.ok("eval", "--weights", self.weights, "--data", self.faces, "--threshold", threshold).stdout
                    self.assertIn(f"\n20 images are uncertain (confidence below {float(threshold):g}); "
                                  f"accuracy on the others {accuracy:.4f}\n", out)

    def test_a_threshold_counts_the_uncertain_and_changes_nothing_else(self):
        plain = json.loads(self.ok("eval", "--weights", self.weights, "--data", self.faces, "--json").stdout)
        at = {}
        for threshold in ["0", "0.9", "1"]:
            at[threshold] = json.loads(self.ok("eval", "--weights", self.weights, "--data", self.faces, "--json",
                                               "--threshold", threshold).stdout)
        self.assertNotIn("uncertain", plain)
        self.assertEqual(at["0"]["uncertain"]["images"], 0)
        self.assertAlmostEqual(at["0"]["uncertain"]["accuracy_of_the_others"], plain["accuracy"])
        self.assertLessEqual(at["0.9"]["uncertain"]["images"], at["1"]["uncertain"]["images"])
        del at["0.9"]["uncertain"]
        self.assertEqual(plain, at["0.9"])

    def test_a_pytorch_state_dict_gives_the_same_and_is_noted(self):
        known = json.loads(self.ok("eval", "--weights", self.weights, "--data", self.faces, "--json").stdout)
        result = self.ok("eval", "--weights", self.bare_weights(), "--data", self.faces, "--json")
        bare = json.loads(result.stdout)
        self.assertEqual(result.stderr.count("no metadata"), 1)
        del known["weights"], bare["weights"]
        self.assertEqual(known, bare)

    def test_threads_change_nothing(self):
        first, second = (self.ok("eval", "--weights", self.weights, "--data", self.faces, "--json", "--threads", n).stdout
                         for n in [1, 3])
        self.assertEqual(first, second)

    def test_a_data_set_of_other_classes_is_refused(self):
        other = self.copy_of_faces()
        (other / "AFDB_masked_face_dataset").rename(other / "cats")
        (other / "AFDB_face_dataset").rename(other / "dogs")
        self.fails("eval", "--weights", self.weights, "--data", other, saying="cats")

    def test_a_data_set_of_one_class_has_an_accuracy_and_no_roc_auc(self):
        masked = self.copy_of_faces()
        shutil.rmtree(masked / "AFDB_face_dataset")
        out = self.ok("eval", "--weights", self.weights, "--data", masked).stdout
        self.assertRegexIn(r"^accuracy \d\.\d{4} on 20 images", out)
        self.assertRegexIn(r"^no ROC-AUC of with_mask", out)
        found = json.loads(self.ok("eval", "--weights", self.weights, "--data", masked, "--json").stdout)
        self.assertIsNone(found["roc_auc"])
        self.assertEqual(found["per_class"]["without_mask"]["support"], 0)

    def test_what_a_terminal_obeys_in_names_is_printed_as_question_marks(self):
        copy = self.copy_of_faces()
        for path in self.images(copy):
            path.rename(path.with_name("\x1b[2J\x7f\u009b" + path.name))
        shown = self.ok("eval", "--weights", self.weights, "--data", copy).stdout
        self.assertIn("/?[2J??", shown)
        self.assertNotRegex(shown, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")
        found = json.loads(self.ok("eval", "--weights", self.weights, "--data", copy, "--json").stdout)
        self.assertIn("/\x1b[2J\x7f\u009b", found["mistakes"][0]["path"])

    def test_results_that_cannot_be_written_are_an_error(self):
        with open("/dev/full", "w") as full:
            result = run("eval", "--weights", self.weights, "--data", self.faces, "--json", stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn("bauta: error: the results could not be written (standard output)", result.stderr)
