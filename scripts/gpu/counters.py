"""ncu's counters of the launches of a training step, beside what simt counts of the same kernels on a CPU."""

import collections
import csv

SECTOR = 32  # bytes

# The metrics that ncu is asked for: what a launch calls each, ncu's unit, and how many of these make one of a launch's.
Metric = collections.namedtuple("Metric", "name unit per")
METRICS = {"gpu__time_duration.sum": Metric("microseconds", "ns", 1000),
           "dram__bytes.sum": Metric("memory", "byte", 1),
           "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum": Metric("loads", "sector", 1 / SECTOR),
           "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum": Metric("stores", "sector", 1 / SECTOR),
           "lts__t_sectors.sum": Metric("cache", "sector", 1 / SECTOR),
           "sm__warps_active.avg.pct_of_peak_sustained_active": Metric("warps_active", "%", 1)}

ESTIMATED = ("kernel", "grid", "block", "beside", "sectors", "model", "floor", "roof_microseconds")


def read_launches(output):
    """The launches of `ncu --csv`, in order: each one's kernel, grid, block and METRICS, in bytes, microseconds and per
    cent. What ncu and the program say beside the table is passed over. Raises ValueError where there is no whole table."""
    found = {}
    for row in csv.DictReader(line for line in output.splitlines() if line.startswith('"')):
        try:
            launch = found.setdefault(row["ID"], {"kernel": row["Kernel Name"], "grid": size(row["Grid Size"]), "block": size(row["Block Size"])})
            launch.update([counter(row["Metric Name"], row["Metric Unit"], row["Metric Value"])])
        except (AttributeError, KeyError) as error:
            raise ValueError(f"a line of its table is not whole: {','.join(map(str, row.values()))}") from error
    for launch in found.values():
        if lacking := [name for name, metric in METRICS.items() if metric.name not in launch]:
            raise ValueError(f"{launch['kernel']} lacks {', '.join(lacking)}")
    if not found:
        raise ValueError("it counted nothing: " + reason(output))
    return list(found.values())


def counter(name, unit, value):
    """(what a launch calls it, its value)"""
    metric = METRICS[name]
    if unit != metric.unit:
        raise ValueError(f"{name} is in {unit}, not {metric.unit}")
    return metric.name, float(value.replace(",", "")) / metric.per


def size(text):
    """(30, 32, 1) as bauta writes it: 30x32x1."""
    return "x".join(text.strip("()").split(", "))


def reason(output):
    """The line that says best why there is no table."""
    lines = output.strip().splitlines()
    return next((line for line in lines if "ERROR" in line), lines[-1] if lines else "no output")


def place(launch):
    return launch["grid"], launch["block"]


def join(estimates, launches):
    """The launches of a step, in the order of simt's estimates: each one's, and as "ncu" its counters, None where they are
    not found. ncu may have begun anywhere in a step, and gone on for more than one. Names differ, and what goes on beside
    the rest has another place in ncu's order: so a launch is found by its grid and block, and those that share them, if
    ncu saw as many, are told apart by their order."""
    step = launches[:len(estimates)]
    first = next((i for i, launch in enumerate(step) if place(launch) == place(estimates[0])), 0)
    alike = collections.defaultdict(list)
    for launch in step[first:] + step[:first]:
        alike[place(launch)].append(launch)
    wanted = collections.Counter(map(place, estimates))
    found = {where: iter(same) for where, same in alike.items() if len(same) == wanted[where]}
    return [{**{key: estimate.get(key) for key in ESTIMATED}, "ncu": next(found.get(place(estimate), iter(())), None)}
            for estimate in estimates]


def without_counters(joined):
    """The launches that found none, by name and size."""
    return [f"{launch['kernel']} ({launch['grid']} blocks of {launch['block']})" for launch in joined if launch["ncu"] is None]
