"""Distributions as pip would install them, by hand: tests need no network and no build backend."""

from __future__ import annotations

from pathlib import Path

Points = dict[str, dict[str, str]]
"""Group, name, `module:Class`."""


def install(target: Path, name: str, version: str, points: Points, files: dict[str, str]) -> None:
    """Install a distribution of these files into a folder that is, or will be, on sys.path."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    lines = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in found.items())
        for group, found in points.items()
    ]
    everything = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/entry_points.txt": "\n".join(lines),
    }
    everything[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*everything, f"{info}/RECORD"))
    for path, text in everything.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text)
