"""`python -m tests.crash --kills N`: a crash campaign, its table, and exit code 1 when the audit is not clean."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.crash.campaign import Orders, fight
from tests.crash.summary import table
from tests.crash.wrong import VARIANTS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description="Kill -9 the daemon and audit.")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", default="journeyd", help="another campaign; the default is the one of the tests")
    parser.add_argument("--rate", type=float, default=40.0, help="sign-ups per second")
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="", help="fight against a wrong engine")
    parser.add_argument("--keep", type=Path, help="an empty folder for the files, kept afterwards")
    given = parser.parse_args()
    orders = Orders(given.kills, given.seed, given.rate, given.variant, storms=not given.variant)
    if given.keep is not None:
        return _report(given.keep, orders)
    with tempfile.TemporaryDirectory(prefix="journeyd-crash-") as folder:
        return _report(Path(folder), orders)


def _report(root: Path, orders: Orders) -> int:
    result = fight(root, orders, _tell)
    _tell(table(result))
    return 0 if result.findings.is_clean else 1


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
