"""What scripts/gpu/check found, as Markdown. A stage that is not there yet, or found nothing, is left out."""


def as_table(result):
    parts = [heading(result), summary(result), steps(result), epochs(result)]
    parts += map(kernels, of(result, "speed", "kernels"))
    parts += [counters(way, step) for way, step in of(result, "counters", "steps", {}).items()]
    return "\n".join(line for part in parts if part for line in [*part, ""])


def of(result, stage, key, default=()):
    return result.get(stage, {}).get(key, default)


def heading(result):
    lines = [f"# {result.get('nvidia_smi', result['device'])}, {result['date']}", "", f"Commit {result['commit']}."]
    return lines + [line for failure in result["failures"] for line in ("", f"FAILED: {failure}")]


def table(columns, rows):
    """No lines where there are no rows."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (columns, ["---"] * len(columns), *rows)]
    return lines if len(lines) > 2 else []


def summary(result):
    rows = [(name, f"not done: {found['skipped']}") for name, found in result.items() if isinstance(found, dict) and "skipped" in found]
    rows += [(name, f"{found['passed']} passed, {found['failed']} failed")
             for name in ("tests", "sanitizer") if "passed" in (found := result.get(name, {}))]
    rows += [(name, f"left out: {why}") for name, why in result["left_out"].items()]
    rows += differences(result, "parity", "losses")
    rows += differences(result, "ranks", f"losses of {of(result, 'ranks', 'ranks')} ranks")
    for way, found in of(result, "training", "epochs", {}).items():
        last = found[-1]
        rows.append((f"{len(found)} epochs of rendered faces in {way}", f"val_acc {last['val_acc']:.4f}, the last epoch in {last['seconds']:.2f} s"))
    rows += [(f"PyTorch, {rate['setting']}, batch {rate['batch']}", f"failed: {rate['failed']}")
             for rate in of(result, "torch", "rates") if "failed" in rate]
    if of(result, "torch", "ended", None):
        rows.append(("PyTorch", f"ended early: {result['torch']['ended']}"))
    rows += [("ncu's counters", f"left out: {why}") for why in of(result, "counters", "left_out")]
    return table(("what", "found"), rows)


def differences(result, stage, losses):
    """How far a stage's losses are from the CPU's, a row for each way."""
    return [(f"{losses} in {name} against the CPU's", f"{apart['first']:.1e} apart in the first steps, {apart['all']:.1e} in {result[stage]['steps']}")
            for name, apart in of(result, stage, "largest_relative_difference", {}).items()]


def steps(result):
    """Training steps, batch by batch: each of our ways and each setting of PyTorch."""
    rates = {(step["way"], step["batch"]): step["images_per_second"] for step in of(result, "speed", "steps")}
    rates |= {("PyTorch, " + rate["setting"], rate["batch"]): rate["images_per_second"]
              for rate in of(result, "torch", "rates") if "images_per_second" in rate}
    ways = dict.fromkeys(way for way, _ in rates)
    rows = [(batch, *(f"{rates[way, batch]:,.0f}" if (way, batch) in rates else "-" for way in ways))
            for batch in sorted({batch for _, batch in rates})]
    return table(("batch, images/s", *ways), rows)


def epochs(result):
    rows = [(f"{epoch['way']}, {epoch['how']}", epoch["batch"], f"{epoch['train_seconds']:.3f}", f"{epoch['val_seconds']:.3f}")
            for epoch in [*of(result, "speed", "epochs"), *of(result, "ranks", "epochs")]]
    return table(("an epoch, 85,500 and 9,500 images", "batch", "training, s", "validation, s"), rows)


def kernels(measured):
    """One step's kernels beside their roofs."""
    ceilings = measured["ceilings"]
    lines = [f"A step in {measured['way']}, batch {measured['batch']}, kernel by kernel. Measured ceilings: memory "
             f"{ceilings['memory'] / 1e9:,.0f} GB/s, L2 {ceilings['cache'] / 1e9:,.0f} GB/s, fp32 "
             f"{2 * ceilings['multiply_adds'] / 1e12:.1f} TFLOP/s, bf16 by mma {2 * ceilings['products'] / 1e12:.0f} TFLOP/s.", ""]
    rows = []
    for k in measured["launches"]:
        seconds = k["microseconds"] / 1e6
        moved = f"{k['model'] / seconds / 1e9:,.0f}" if k["model"] else "-"  # a vendor's kernels do not say
        rows.append((k["kernel"], f"{k['microseconds']:.2f}", f"{2 * k['multiply_adds'] / seconds / 1e9:,.0f}", moved,
                     f"{k['roof_microseconds']:.2f}", f"{k['roof_microseconds'] / k['microseconds']:.0%}", k["bound_by"]))
    return lines + table(("kernel", "µs", "GFLOP/s", "GB/s moved", "roof, µs", "of the roof", "bound by"), rows)


def counters(way, step):
    """One step's launches, as simt and as ncu counts them."""
    lines = [f"A step in {way}, batch {step['batch']}, launch by launch: estimates of simt, which counts on a CPU what the same "
             "kernels ask for, and what ncu counts on this GPU, one launch at a time and with empty caches. Sectors: of loads and "
             f"stores, between threads and L1. Roof: by simt's counts and the data sheet of {step['gpu']}.", ""]
    rows = []
    for k in step["launches"]:
        ncu = k["ncu"] or {}
        sectors = ncu["loads"] + ncu["stores"] if ncu else None
        rows.append((k["kernel"], k["grid"], megabytes(k["sectors"]), megabytes(k["model"]), megabytes(sectors),
                     megabytes(ncu.get("cache")), megabytes(ncu.get("memory")), megabytes(k["floor"]),
                     known(ncu.get("microseconds"), ".2f"), known(k["roof_microseconds"], ".2f"), known(ncu.get("warps_active"), ".0f")))
    return lines + table(("kernel", "grid", "simt: sectors, MB", "model, MB", "ncu: sectors, MB", "ncu: L2, MB",
                          "ncu: memory, MB", "floor, MB", "ncu: µs", "roof, µs", "ncu: warps active, %"), rows)


def known(value, form):
    return "-" if value is None else format(value, form)


def megabytes(count):
    return known(None if count is None else count / 1e6, ".3f")
