"""Whether durable-rules can be had here: tests that need it skip loudly without it, and fail where CI promises it."""

import os

import pytest

from engine.rules.durable import why_not


def need_durable() -> None:
    """Skip the test, or fail it in CI, where durable-rules is missing."""
    why = why_not()
    if why and os.environ.get("CI") == "true":
        pytest.fail(f"{why}; in CI it must be there")
    if why:
        pytest.skip(f"NOT TESTED: {why}")
