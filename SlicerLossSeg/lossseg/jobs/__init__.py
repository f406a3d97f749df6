"""The job protocol: a job in, events out. `lossseg run`, `lossseg serve` and every other command go through here.

`lossseg.jobs.events` needs nothing but the standard library: the Slicer side reads events with it.
"""
