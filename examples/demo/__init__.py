"""The main job, start to end, on a year of real purchases: `python -m examples.demo`, or `make demo`."""
