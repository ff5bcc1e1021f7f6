"""bauta train: what a run writes and says, and that the same seed gives the same bits."""
import json
import os
import pty
import shutil
import subprocess

from bauta_cli import BAUTA, PYTHON, ROOT, CliTest, metrics_of, needs_packages, read_safetensors, write_safetensors

PARAMETERS = {
    "convLayer1.0.weight": [32, 3, 3, 3], "convLayer1.0.bias": [32],
    "convLayer2.0.weight": [64, 32, 3, 3], "convLayer2.0.bias": [64],
    "convLayer3.0.weight": [128, 64, 3, 3], "convLayer3.0.bias": [128],
    "linearLayers.0.weight": [1024, 2048], "linearLayers.0.bias": [1024],
    "linearLayers.2.weight": [2, 1024], "linearLayers.2.bias": [2],
}


class WhatARunWrites(CliTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_folder = cls.folder / "run"
        subprocess.run([BAUTA, "train", "--data", cls.faces, "--out", cls.run_folder, "--batch", "8", "--epochs", "2",
                        "--lr", "1e-3", "--val", "0.2"], check=True, capture_output=True)

    def test_best_holds_exactly_the_ten_parameters_and_metadata(self):
        tensors, metadata = read_safetensors(self.run_folder / "best.safetensors")
        self.assertEqual({name: shape for name, (_, shape, _) in tensors.items()}, PARAMETERS)
        self.assertEqual({dtype for dtype, _, _ in tensors.values()}, {"F32"})
        self.assertEqual(json.loads(metadata["classes"]), ["without_mask", "with_mask"])
        self.assertLessEqual({"graph", "model", "preprocessing"}, set(metadata))

    def test_last_holds_the_optimiser_as_well(self):
        tensors, _ = read_safetensors(self.run_folder / "last.safetensors")
        self.assertLess(set(PARAMETERS), set(tensors))
        self.assertTrue(any(name.startswith("optimizer.") for name in tensors))

    def test_metrics_have_a_line_per_step_and_per_epoch(self):
        steps, epochs = metrics_of(self.run_folder)
        self.assertEqual([s["step"] for s in steps], list(range(1, 9)))
        self.assertEqual([s["epoch"] for s in steps], [1] * 4 + [2] * 4)
        self.assertAlmostEqual(steps[0]["lr"], 1e-3)
        self.assertEqual([e["epoch"] for e in epochs], [1, 2])
        keys = {"train_loss", "val_loss", "val_acc", "precision", "recall", "f1", "seconds", "images_per_second"}
        self.assertLessEqual(keys, set(epochs[0]))

    def test_config_and_events_are_there(self):
        config = json.loads((self.run_folder / "config.json").read_text())
        self.assertEqual((config["epochs"], config["batch"]), (2, 8))
        self.assertEqual(len(list(self.run_folder.glob("events.out.tfevents.*"))), 1)


class Curves(CliTest):
    def test_tensorboard_finds_the_numbers_of_metrics_by_step_and_by_epoch(self):
        needs_packages(self, "tensorboard")
        out = self.work / "run"
        self.train(out, "--lr", "1e-3")
        reader = [PYTHON, ROOT / "tests/engine/read_events.py", out]
        lines = subprocess.run(reader, check=True, capture_output=True, text=True).stdout.splitlines()
        found = {(tag, int(at)): float(value) for tag, at, value, _ in map(str.split, lines)}
        steps, epochs = metrics_of(out)
        expected = {(tag, s["step"]): s[key] for s in steps for tag, key in [("step_loss", "loss"), ("lr", "lr")]}
        expected |= {(tag, e["epoch"]): value for e in epochs for tag, value in e.items()
                     if tag not in ["epoch", "step", "seconds"]}
        self.assertEqual(set(found), set(expected))
        for (tag, at), value in expected.items():
            rounding = 0.06 if tag == "images_per_second" else 1e-6
            self.assertAlmostEqual(found[tag, at], value, delta=rounding, msg=(tag, at))


class WhatARunSays(CliTest):
    def test_first_the_machine_then_epochs_at_last_the_next_command(self):
        lines = self.train(self.work / "run").stdout.splitlines()
        self.assertRegex(lines[0], r"^device cpu \(auto: .*\), ISA \w+, precision fp32, \d+ threads?, 1 rank$")
        epochs = [l for l in lines if l.startswith("epoch ")]
        self.assertEqual(len(epochs), 2)
        self.assertRegex(epochs[0], r"^epoch 1/2  train_loss \S+  val_loss \S+  val_acc (0\.\d{4}|1\.0000)  ")
        self.assertRegex(epochs[0], r"\d s  \d+ images/s")
        self.assertIn(f"saved {self.work}/run/best.safetensors", epochs[0])
        self.assertRegex(epochs[1], r"val_acc (improved \S+ -> \S+, saved|did not improve on)")
        self.assertEqual(lines[-1], f"next: bauta eval --run {self.work}/run --data {self.faces}")

    def test_each_epoch_is_set_against_the_best_before_it_and_the_best_is_named_at_the_end(self):
        out = self.ok("train", "--data", self.faces, "--out", self.work / "run", "--epochs", 6, "--batch", 4, "--val", 0.3,
                      "--lr", "3e-4").stdout
        lines = [l for l in out.splitlines() if l.startswith("epoch ")]
        steps, epochs = metrics_of(self.work / "run")
        saved = f", saved {self.work}/run/best.safetensors"
        best, before, olds = None, 0, []
        for line, epoch in zip(lines, epochs, strict=True):
            accuracy = epoch["val_acc"]
            self.assertRegex(line, rf"^epoch {epoch['epoch']}/6  train_loss {epoch['train_loss']:.4g}  "
                                   rf"val_loss {epoch['val_loss']:.4g}  val_acc {accuracy:.4f}  [\d.]+ s  \d+ images/s  val_acc ")
            verdict = line.rpartition("  val_acc ")[2]
            if best is None:
                self.assertEqual(verdict, f"{accuracy:.4f} is the first" + saved)
            elif accuracy > best["val_acc"]:
                self.assertEqual(verdict, f"improved {best['val_acc']:.4f} -> {accuracy:.4f}" + saved)
                olds.append((best["val_acc"], before))
            else:
                self.assertEqual(verdict, f"did not improve on {best['val_acc']:.4f}")
            best, before = epoch if best is None or accuracy > best["val_acc"] else best, accuracy
        self.assertIn(f"\nbest val_acc {best['val_acc']:.4f}, of epoch {best['epoch']}, after {len(steps)} steps\n", out)
        # Else the best could be taken for the epoch before, the first or the last.
        self.assertTrue(any(old != before for old, before in olds), olds)
        self.assertNotIn(best["epoch"], [1, 6])

    def test_bash_reads_the_words_of_the_next_commands_as_the_paths_that_they_are(self):
        data = self.copy_of_faces().rename(self.work / "it's \\1 $HOME")
        for name in ["run\x012", "it's \\1 \x017", "it's \\1 run"]:
            with self.subTest(name=name):
                out = self.work / name
                lines = self.train(out, "--max-steps", 1, data=data).stdout.splitlines()
                for line, words in [(lines[-1], ["next:", "bauta", "eval", "--run", out, "--data", data]),
                                    (lines[-2], ["curves:", "tensorboard", "--logdir", out])]:
                    read = subprocess.run(["bash", "-c", "printf '%s\\0' " + line], check=True, capture_output=True).stdout
                    self.assertEqual(os.fsdecode(read).split("\0"), [*map(str, words), ""])

    def test_a_device_that_was_named_is_not_explained(self):
        out = self.train(self.work / "run", "--device", "cpu", "--threads", 2).stdout
        self.assertRegex(out, r"^device cpu, ISA \w+, precision fp32, 2 threads, 1 rank\n")

    def test_more_threads_than_cores_and_more_of_a_batch_than_images_are_noted(self):
        cores = len(os.sched_getaffinity(0))
        result = self.ok("train", "--data", self.faces, "--out", self.work / "run", "--epochs", 1, "--batch", 37,
                         "--threads", cores + 1)
        self.assertRegexIn(rf"^bauta: warning: {cores + 1} threads share {cores} cores? \(--threads {cores + 1}\): ", result.stderr)
        self.assertRegexIn("^--batch 37 is more than there are to train on: each batch has all 36 images$", result.stdout)
        result = self.ok("train", "--data", self.faces, "--out", self.work / "fits", "--epochs", 1, "--batch", 36,
                         "--threads", cores)
        self.assertNotIn("threads share", result.stderr)
        self.assertNotIn("--batch", result.stdout)

    def test_elsewhere_than_on_a_terminal_no_bar_and_no_colour(self):
        result = self.train(self.work / "run")
        self.assertNotIn("\r", result.stderr + result.stdout)
        self.assertNotIn("\033", result.stderr + result.stdout)

    def test_on_a_terminal_a_bar_in_the_manner_of_tqdm(self):
        shown = self.on_a_terminal("C.UTF-8")
        self.assertRegexIn(r"epoch 1/2: +\d+%\|[█▏▎▍▌▋▊▉ ]+\| \d/5 \[00:0\d<(\?|00:\d\d), (\?|[\d.]+)it/s, "
                           r"\d+ images/s, loss=[\d.e-]+\]", shown)
        self.assertIn("\033[32m", shown)

    def test_a_terminal_without_utf8_gets_a_plain_bar(self):
        self.assertRegexIn(r"epoch 1/2: +\d+%\|#* +\| \d/5 ", self.on_a_terminal("C"))

    def on_a_terminal(self, lang):
        main, terminal = pty.openpty()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LC_")}
        environment.update(LANG=lang, TERM="xterm", COLUMNS="120")
        process = subprocess.Popen([BAUTA, "train", "--data", self.faces, "--out", self.work / "run", "--batch", "8",
                                    "--epochs", "2"], stdout=terminal, stderr=terminal, env=environment)
        os.close(terminal)
        shown = b""
        try:
            while block := os.read(main, 65536):
                shown += block
        except OSError:  # what Linux says when the other side is closed
            pass
        os.close(main)
        self.assertEqual(process.wait(), 0, shown)
        return shown.decode()


class Options(CliTest):
    def test_without_validation_best_is_last(self):
        self.train(self.work / "run", "--val", 0)
        best = read_safetensors(self.work / "run/best.safetensors")[0]
        last = read_safetensors(self.work / "run/last.safetensors")[0]
        self.assertEqual(best, {name: last[name] for name in best})
        self.assertNotIn("val_acc", metrics_of(self.work / "run")[1][0])

    def test_a_data_set_that_comes_split_keeps_its_parts(self):
        data = self.split_faces()
        out = self.train(self.work / "run", data=data).stdout
        self.assertIn("24 images to train on, 10 to validate, 6 left to test, 3 steps an epoch", out)
        self.fails("train", "--data", data, "--out", self.work / "other", "--val", 0.1, code=2,
                   saying=["says itself what validates", "--val"])
        self.assertFalse((self.work / "other").exists())
        out = self.train(self.work / "all", "--val", 0, data=data).stdout
        self.assertIn("34 images to train on, 0 to validate, 6 left to test", out)

    def test_where_it_says_only_what_is_to_test_the_rest_is_split_at_random(self):
        data = self.split_faces()
        shutil.rmtree(data / "val")
        out = self.train(self.work / "run", "--val", 0.25, data=data).stdout
        self.assertIn("18 images to train on, 6 to validate, 6 left to test", out)

    def test_parts_are_the_same_from_folders_a_manifest_or_a_pack(self):
        data = self.split_faces()
        self.ok("data", "pack", "--data", data, "--out", self.work / "pack.safetensors")
        names = sorted((f.relative_to(data) for f in self.images(data)), key=lambda f: ("masked" in f.parts[1], str(f)))
        rows = [f"{f},{'mask' if 'masked' in f.parts[1] else 'no mask'},{f.parts[0]}" for f in names]
        (data / "list.csv").write_text("\n".join(["path,label,split", *rows]))
        self.train(self.work / "folders", data=data)
        for name, source in [("pack", self.work / "pack.safetensors"), ("manifest", data / "list.csv")]:
            self.train(self.work / name, data=source)
            self.assertSameTensors(self.work / "folders/last.safetensors", self.work / name / "last.safetensors")

    def test_a_run_on_a_data_set_that_comes_split_is_resumed(self):
        data = self.split_faces()
        self.train(self.work / "whole", data=data)
        self.train(self.work / "run", "--epochs", 1, data=data)
        self.train(self.work / "run", "--resume", data=data)
        self.assertSameTensors(self.work / "whole/last.safetensors", self.work / "run/last.safetensors")

    def test_a_run_within_the_data_set_is_refused(self):
        data = self.copy_of_faces()
        for out in [data / "run", data / "AFDB_face_dataset/deep/run"]:
            self.fails("train", "--data", data, "--out", out, code=2, saying=["would lie within the data set", out])
            self.assertFalse(out.exists())
        (self.work / "link").symlink_to(data)
        for cwd, folder, out in [(data, ".", "run"), (self.work, data, "x/../faces/run"), (self.work, "faces/", "faces/run"),
                                 (self.work, "link", "faces/run"), (self.work, "faces", "link/run")]:
            with self.subTest(folder=folder, out=out):
                self.fails("train", "--data", folder, "--out", out, cwd=cwd, code=2, saying="would lie within the data set")
        self.train(self.work / "faces-run", "--max-steps", 1, data=data)

    def test_class_weights_are_of_what_is_trained_on(self):
        data = self.split_faces()
        for image in self.images(data / "train/AFDB_masked_face_dataset")[6:]:
            image.unlink()
        out = self.train(self.work / "run", "--max-steps", 1, data=data).stdout  # 12 without a mask, 6 with one
        self.assertIn("class weights without_mask 0.75, with_mask 1.5", out)

    def test_weights_for_a_class_that_the_data_lack_are_refused(self):
        data = self.copy_of_faces()
        shutil.copytree(data / "AFDB_face_dataset", data / "other")
        self.train(self.work / "three", "--max-steps", 1, data=data)
        self.fails("train", "--data", self.faces, "--out", self.work / "run", "--init",
                   self.work / "three/best.safetensors", saying=["the data set has no class other, and the network has"])

    def test_max_steps_ends_as_at_an_epochs_end(self):
        self.train(self.work / "run", "--max-steps", 3)
        steps, epochs = metrics_of(self.work / "run")
        self.assertEqual((len(steps), len(epochs)), (3, 1))
        self.assertTrue((self.work / "run/best.safetensors").exists())

    def test_one_step_is_told_as_one(self):
        out = self.ok("train", "--data", self.faces, "--out", self.work / "run", "--batch", 40, "--epochs", 1).stdout
        self.assertIn(", 1 step an epoch;", out)
        self.assertIn(", after 1 step\n", out)

    def test_cosine_brings_the_learning_rate_down(self):
        self.train(self.work / "run", "--schedule", "cosine", "--lr", "1e-3")
        rates = [s["lr"] for s in metrics_of(self.work / "run")[0]]
        self.assertEqual(rates, sorted(rates, reverse=True))
        self.assertLess(rates[-1], 1e-4)

    def test_class_weights_are_said(self):
        for given, said in [("auto", "without_mask 1, with_mask 1"), ("none", "without_mask 1, with_mask 1"),
                            ("0.5,2", "without_mask 0.5, with_mask 2")]:
            with self.subTest(given=given):
                out = self.train(self.work / f"run-{given}", "--max-steps", 1, "--class-weights", given).stdout
                self.assertIn("class weights " + said, out)

    def test_class_weights_that_are_no_numbers_are_refused(self):
        for given in ["heavy", "1", "1,2,3", "1,-1", "1,,2", "1,2,"]:
            with self.subTest(given=given):
                self.fails("train", "--data", self.faces, "--out", self.work / "run", "--class-weights", given, code=2,
                           saying="(--class-weights)")

    def test_what_makes_no_sense_is_refused_before_the_data_are_opened(self):
        for option, value in [("--epochs", 0), ("--batch", 0), ("--lr", "nan"), ("--lr", "inf"), ("--lr", "1e99"),
                              ("--val", 1), ("--max-steps", -1), ("--save-every", -1), ("--class-weights", "1,-1"),
                              ("--class-weights", "heavy"), ("--momentum", 0.5)]:
            with self.subTest(option=option, value=value):
                self.fails("train", "--data", self.work / "no-such-data", "--out", self.work / "run", option, value,
                           code=2, saying=f"({option})")
        for momentum in [1, -0.1, "nan"]:
            self.fails("train", "--data", self.work / "no-such-data", "--out", self.work / "run", "--optimizer", "sgd",
                       "--momentum", momentum, code=2, saying="the momentum is not in [0, 1) (--momentum)")
        self.assertFalse((self.work / "run").exists())

    def test_images_are_streamed_to_a_gpu_alone(self):
        self.fails("train", "--data", self.faces, "--out", self.work / "run", "--device", "cpu", "--stream", code=2,
                   saying="(--stream)")
        self.assertFalse((self.work / "run").exists())

    def test_another_seed_optimiser_order_or_augmentation_gives_other_weights(self):
        variants = {"as-it-is": [], "seed": ["--seed", 1], "sgd": ["--optimizer", "sgd", "--momentum", 0.5],
                    "order": ["--no-shuffle"], "augment": ["--augment", "strong"]}
        seen = set()
        for name, options in variants.items():
            self.train(self.work / name, "--lr", "1e-3", "--max-steps", 2, *options)
            seen.add(read_safetensors(self.work / name / "last.safetensors")[0]["convLayer1.0.weight"][2])
        self.assertEqual(len(seen), len(variants))

    def test_an_unknown_model_is_refused_with_the_known_ones(self):
        self.fails("train", "--data", self.faces, "--out", self.work / "run", "--model", "vgg", code=2,
                   saying=["vgg", "study"])

    def test_init_takes_a_pytorch_state_dict_as_it_is(self):
        self.train(self.work / "first", "--max-steps", 2, "--lr", "1e-3")
        tensors, _ = read_safetensors(self.work / "first/best.safetensors")
        bare = self.work / "bare.safetensors"
        write_safetensors(bare, {**tensors, "crossEntropyLoss.weight": ("F32", [2], bytes(8))})
        options = ("--max-steps", 2, "--seed", 5)
        with_metadata = self.train(self.work / "a", *options, "--init", self.work / "first/best.safetensors")
        without = self.train(self.work / "b", *options, "--init", bare)
        self.assertSameTensors(self.work / "a/last.safetensors", self.work / "b/last.safetensors")
        notes = [l for l in without.stdout.splitlines() if "no metadata" in l]
        self.assertEqual(len(notes), 1)
        for word in [str(bare), "study", "without_mask and with_mask", "100x100"]:
            self.assertIn(word, notes[0])
        self.assertNotIn("no metadata", with_metadata.stdout)


class ThreeClasses(CliTest):
    def test_a_network_of_the_zoo_is_made_for_the_classes_of_the_data(self):
        manifest = self.work / "three.csv"
        images = self.images()
        names = ["left", "middle", "right"]
        manifest.write_text("path,label\n" + "".join(f"{p},{names[i % 3]}\n" for i, p in enumerate(images)))
        self.train(self.work / "run", "--epochs", 1, data=manifest)
        weights = self.work / "run/best.safetensors"
        tensors, metadata = read_safetensors(weights)
        self.assertEqual(tensors["linearLayers.2.weight"][1], [3, 1024])
        self.assertEqual(json.loads(metadata["classes"]), names)
        found = json.loads(self.ok("eval", "--weights", weights, "--data", manifest, "--json").stdout)
        self.assertEqual(list(found["per_class"]), names)
        found = json.loads(self.ok("classify", "--weights", weights, "--json", images[0]).stdout)
        self.assertEqual(list(found[0]["probabilities"]), names)
        self.train(self.work / "again", "--epochs", 1, "--init", weights, "--model", "study", data=manifest)
        self.train(self.work / "run", "--epochs", 2, "--resume", data=manifest)


class SameSeedSameBits(CliTest):
    def test_whatever_the_number_of_threads(self):
        for threads in [1, 2, 3, 8]:
            self.train(self.work / str(threads), "--threads", threads, "--lr", "1e-3", "--augment", "light")
        for threads in [2, 3, 8]:
            self.assertSameRun(self.work / "1", self.work / str(threads))

    def test_whether_from_a_folder_or_its_pack(self):
        pack = self.work / "faces.safetensors"
        self.ok("data", "pack", "--data", self.faces, "--out", pack)
        self.train(self.work / "folder", "--augment", "strong")
        self.train(self.work / "pack", "--augment", "strong", data=pack)
        self.assertSameTensors(self.work / "folder/last.safetensors", self.work / "pack/last.safetensors")


class OnSimt(CliTest):
    def test_a_step_on_the_cuda_kernels_has_the_losses_of_one_on_the_cpu(self):
        faces = self.work / "faces"
        self.ok("data", "make", "--out", faces, "--with-mask", 3, "--without-mask", 3)
        for device in ["cpu", "simt"]:
            self.ok("train", "--data", faces, "--out", self.work / device, "--device", device, "--batch", 2, "--val", 0.3,
                    "--max-steps", 1)
        (cpu,), (cpu_epoch,) = metrics_of(self.work / "cpu")
        (simt,), (simt_epoch,) = metrics_of(self.work / "simt")
        self.assertAlmostEqual(simt["loss"] / cpu["loss"], 1, delta=1e-5)
        self.assertAlmostEqual(simt_epoch["val_loss"] / cpu_epoch["val_loss"], 1, delta=1e-5)
