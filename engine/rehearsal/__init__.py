"""Rehearsal: journeys lived through on recorded history in virtual time, and what they would have sent, counted.

`stage.py` is the loop (read first), `ledger.py` counts, `figures.py` and `difference.py` make the reports. Nothing here
reads a workspace: `bootstrap/rehearsal.py` does. Not `runtime/simulate.py`, which plays faults at the real use cases.
"""
