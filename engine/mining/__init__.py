"""What can be read out of what customers did: scores by a model, and the tags that follow from them. Pure.

`rfm.py` and `affinity.py` are the ones to read first. Nothing here knows a log, a store or a clock:
`bootstrap/mining.py` brings the past, and the tags leave as events like any other. Called through `journeyd mine`.
"""
