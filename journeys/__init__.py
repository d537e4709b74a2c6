"""The journey language: YAML in, Plan out, with every complaint located.

The doors stand here, the rooms behind them in packages: `compile.py` and `syntax.py` (`forms/`), `check.py` (`lint/`),
`story.py` (`stories/`), `explain.py` (`words/`). `drawing/` serves `journeyd diagram`; `library/` holds ready journeys.
"""
