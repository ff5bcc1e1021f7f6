#!/usr/bin/env python3
"""Writes report.md and figures into a folder of runs that scripts/reproduce made: the study's Tables 1 and 2 and its
figures 4 to 6 beside ours."""

import argparse
import json
import pathlib

from PIL import Image
from safetensors import safe_open

from plot_curves import plot, read_epochs

# The study's Table 1, as it prints it.
STUDY_PARAMETERS = {"convLayer1": "896", "convLayer2": "18 K", "convLayer3": "73 K", "linearLayers": "2 M", "linearLayers.0": "2 M",
                    "linearLayers.2": "2 K", "crossEntropyLoss": "0"}
# Its Table 2: by device, what it calls the machine, seconds per epoch, and the highest val_acc in percent.
STUDY_RUNS = {
    "cpu": ("scenario 1: 16 vCPU, 64 GB, no GPU", "300-500", "98.74 (98.97 in its text)"),
    "cuda": ("scenario 2: the same, 1 GPU", "30-90", "99.46"),
}
STUDY_MAJORITY = 94.7  # percent: of 5,000 + 90,000 faces, those without a mask
SPLITS = {"0.3": "70/30", "0.1": "90/10"}


def is_rendered(data):
    """Whether any class of the data set holds faces made by `bauta data make`: each says so in its JPEG comment."""
    for folder in sorted(p for p in data.iterdir() if p.is_dir()):
        first = next((p for p in sorted(folder.rglob("*")) if p.suffix.lower() in (".jpg", ".jpeg")), None)
        if first:
            with Image.open(first) as image:
                if b"rendered by bauta" in image.info.get("comment", b""):
                    return True
    return False


def class_counts(pack):
    """Images of each class in a pack."""
    with safe_open(pack, "numpy") as file:
        classes = json.loads(file.metadata()["classes"])
        labels = file.get_tensor("labels")
    return {name: int((labels == c).sum()) for c, name in enumerate(classes)}


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join("---" for _ in header) + " |"]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows] + [""]


def layers_table(info):
    """Table 1: parameters of each block, and of the linear layers one by one."""
    model = info["model"]
    entries = {entry["name"]: entry["params"] for entry in model["blocks"]}
    linear = {entry["name"]: entry["params"] for entry in model["layers"] if entry["name"].startswith("linearLayers.")}
    rows = []
    for name, params in entries.items():
        rows.append((name, STUDY_PARAMETERS[name], f"{params:,}"))
        if name == "linearLayers":
            rows += [(f"&nbsp;&nbsp;{n}", STUDY_PARAMETERS[n], f"{p:,}") for n, p in linear.items()]
    return table(("layer", "parameters in the study", "ours"), rows)


def runs_table(runs, where):
    """Table 2: a row for the study's runs of a device, then ours."""
    rows = []
    for device, (name, seconds, accuracy) in STUDY_RUNS.items():
        ours = {split: epochs for (d, split), epochs in runs.items() if d == device}
        rows.append((f"study, {name}", "70/30, best run 90/10", "10 and 20", seconds, "", accuracy))
        for split, epochs in ours.items():
            for count in (10, 20):
                part = epochs[:count]
                best = max(part, key=lambda e: e["val_acc"])
                rate = sorted(e["images_per_second"] for e in part)[count // 2]
                times = [e["seconds"] for e in part]
                rows.append((f"ours, {device}", SPLITS[split], count, f"{min(times):.3g}-{max(times):.3g}", f"{rate:,.0f}",
                             f"{100 * best['val_acc']:.2f}{where} (epoch {best['epoch']})"))
        if not ours:
            rows.append((f"ours, {device}", "", "", "not run", "", "not run"))
    return table(("machine", "split", "epochs", "seconds per epoch", "images/s trained (median)", "highest val_acc, %"), rows)


def figures(out, runs, where):
    """Figure 4: scenario 1; figure 5: scenario 2; figure 6: all runs together."""
    named = {f"{device}, {SPLITS[split]}{where}": epochs for (device, split), epochs in runs.items()}
    chosen = {4: ("scenario 1, CPU", "cpu"), 5: ("scenario 2, GPU", "cuda"), 6: ("both scenarios", "")}
    lines = []
    for number, (title, device) in chosen.items():
        curves = {name: epochs for name, epochs in named.items() if name.startswith(device)}
        if not curves:
            lines += [f"Figure {number} ({title}): not run.", ""]
            continue
        file = f"figure-{number}.png"
        plot(curves, out / file, title=f"Figure {number}: {title}", study=True)
        lines += [f"![Figure {number}: {title}]({file})", ""]
    return lines


def report(out, data):
    info = json.loads((out / "info.json").read_text())
    runs = {}
    for run in sorted(out.glob("*-val*/metrics.jsonl")):
        device, split = run.parent.name.split("-val")
        runs[device, split] = read_epochs(run)
        if len(runs[device, split]) < 20:
            raise SystemExit(f"reproduce: error: {run} has {len(runs[device, split])} of 20 epochs: run scripts/reproduce again")
    where = " on rendered faces" if is_rendered(data) else ""
    counts = class_counts(out / "data.safetensors")
    majority = 100 * max(counts.values()) / sum(counts.values())
    lines = [f"# The study, repeated{where}", ""]
    lines += [f"Data: {', '.join(f'{n:,} {name}' for name, n in counts.items())}. CPU: {info['devices'][0]['model']}, "
              f"{info['threads']} threads, {info['isa']}. Batch 32, Adam at 1e-5, class weights from the training split, seed 0."]
    if where:
        lines += ["", "**These faces are rendered (`bauta data make`), not photographs: their accuracy says nothing about the study's.**"]
    lines += ["", "## Table 1: the network", ""] + layers_table(info)
    lines += ["## Table 2: time and accuracy", ""] + runs_table(runs, where)
    lines += [f"Naming the majority class every time gives {STUDY_MAJORITY} % on the study's data, {majority:.1f} % on these faces.",
              "Seconds of an epoch are of training and validation, on the number of faces above (the study: 95,000).",
              "Ours of 10 epochs are the first ten of the 20: the same bits as a run of ten.", "",
              "## Figures 4 to 6", "",
              "The study's curves are not known; what it says of their end points is marked.", ""]
    lines += figures(out, runs, where)
    (out / "report.md").write_text("\n".join(lines))
    print(f"wrote {out}/report.md")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", type=pathlib.Path, help="the folder that scripts/reproduce made")
    parser.add_argument("--data", type=pathlib.Path, help="the data set")
    parser.add_argument("--devices", metavar="INFO", help="print the devices in what `bauta info --json` printed, and stop")
    arguments = parser.parse_args()
    if arguments.devices:
        names = {device["name"] for device in json.loads(arguments.devices)["devices"]}
        print(*[name for name in STUDY_RUNS if name in names])
        return
    report(arguments.out, arguments.data)


if __name__ == "__main__":
    main()
