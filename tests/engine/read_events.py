"""Prints what TensorBoard itself finds in an event file: one line "TAG STEP VALUE WALL_TIME" for each scalar."""

import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1])
events.Reload()
for tag in events.Tags()["scalars"]:
    for point in events.Scalars(tag):
        print(tag, point.step, repr(point.value), repr(point.wall_time))
