"""Tag rules and stages as an independent rule engine reads them: the values of the second opinion. Pure.

`ruleset.py` is what an engine is told, `translation.py` makes it of an audience in the order of `strata.py`, `facts.py`
reads a customer for it and compares; `inference.py` is the way a decision takes when an engine is to draw its tags. No
decision comes here otherwise. The engines themselves are `engine/rules/`.
"""
