"""Circular evaluation: redirection to mined targets and to partners, by what a run was trained on.

    python benchmarks/audit/circular.py --out /tmp/circular [--scenes 1000] [--epochs 6]

Draws a world, mines and publishes it with `mini`, trains `mini` twice with one method, once
towards the mined targets and once towards the fixed partners, and evaluates all three on every
pair that was held out. If the measure were neutral, both columns would order the two runs alike.
Prints R@1 with its 95 % interval against the mined target and against the partner.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

DIRECTIONS = ("T*→V", "V*→T")
PARTS = ("R@1", "partner R@1", "unsafe first")


def main() -> None:
    """Draw, mine, publish, train twice, evaluate, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs, kept")
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--looseness", type=float, default=2)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--method", default="safer-clip")
    options = parser.parse_args()
    work, pools = options.out / "work", options.out / "work" / "pools"
    drawn = {"scenes": options.scenes, "looseness": options.looseness}
    _run("world", workdir=work, **drawn)
    _run("build", workdir=work, safe=pools / "safe", unsafe=pools / "unsafe", model="mini",
         near_duplicate=1, test_share=0.5, validation_share=0)  # fmt: skip
    trained = {"epochs": options.epochs, "learning_rate": options.learning_rate, "batch_size": 16}
    for targets in ("nearest", "fixed"):
        _run("train", out=options.out / targets, data=work / "dataset", model="mini",
             method=options.method, targets=targets, **trained)  # fmt: skip
    models = [
        "--model=base=mini",
        *(f"--model={n}={options.out / n}" for n in ("nearest", "fixed")),
    ]
    found = options.out / "eval"
    _call(
        "eval", *models, f"--data=world={work / 'dataset'}", f"--out={found}", "--suite=retrieval"
    )
    for direction in DIRECTIONS:
        print(f"{direction:<10}" + "".join(f"{part:>26}" for part in PARTS))
        for model in ("base", "nearest", "fixed"):
            path = found / "results" / "world" / "retrieval" / f"{model}.json"
            figures = json.loads(path.read_bytes())["nsfwcaps"]["figures"]
            cells = [_cell(figures[f"{direction} {part}"]) for part in PARTS]
            print(f"{model:<10}" + "".join(f"{cell:>26}" for cell in cells))


def _cell(item: dict[str, float]) -> str:
    return f"{item['value']:.3f} [{item['low']:.3f}, {item['high']:.3f}]"


def _run(command: str, **options: object) -> None:
    _call(command, *(f"--{name.replace('_', '-')}={value}" for name, value in options.items()))


def _call(*words: object) -> None:
    command = [sys.executable, "-m", "nsfwcaps", *map(str, words)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
