"""`python -m tests.scaled --acts N`: a campaign on the scaled runtime and its table; exit code 1 if it is not clean."""

import argparse
import sys
import tempfile
from pathlib import Path

from deploy.local import PostgresServer, Tansu
from tests.scaled.campaign import fight
from tests.scaled.ground import Services
from tests.scaled.summary import table
from tests.scaled.troupe import Orders
from tests.scaled.wrong import VARIANTS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scaled", description="Joins, leaves and kill -9s; audited.")
    parser.add_argument("--acts", type=int, default=300)
    parser.add_argument("--seed", default="journeyd", help="another campaign; the default is the one of the tests")
    parser.add_argument("--rate", type=float, default=15.0, help="sign-ups per second")
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="", help="fight against a wrong system")
    parser.add_argument("--keep", type=Path, help="an empty folder for the files, kept afterwards")
    given = parser.parse_args()
    orders = Orders(given.acts, given.seed, given.rate, variant=given.variant)
    with tempfile.TemporaryDirectory(prefix="journeyd-scaled-") as folder:
        Path(folder).chmod(0o711)
        own = Path(folder)
        root = given.keep or own / "shop"
        root.mkdir(parents=True, exist_ok=True)
        with PostgresServer(own / "postgres", durable=False) as postgres, Tansu(own / "tansu") as broker:
            result = fight(root, Services(postgres, broker), orders, _tell)
    _tell(f"seed {orders.seed}")
    _tell(table(result))
    return 0 if result.findings.is_clean else 1


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
