"""Processes and time: the clock, the engine thread, the dispatcher, simulation."""
