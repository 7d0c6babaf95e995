"""One contestant in this process: `python -m benchmarks.contestants NAME [--quick]` prints a line of JSON."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from benchmarks.contest import CONTESTANTS
from benchmarks.job import FULL, QUICK
from benchmarks.measurement import LeftOutError


def main() -> None:
    """Measure one contestant, or say why it is left out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contestants", description=__doc__)
    parser.add_argument("name", choices=CONTESTANTS)
    parser.add_argument("--quick", action="store_true", help="tiny data, one epoch")
    options = parser.parse_args()
    try:
        print(json.dumps(asdict(CONTESTANTS[options.name].measure(QUICK if options.quick else FULL))))
    except LeftOutError as reason:
        print(json.dumps({"left_out": str(reason)}))


if __name__ == "__main__":
    main()
