"""Compare the results of two versions: every NetCDF, npz, CSV and JSON file in the layers of two data folders.

    python benchmarks/same_results.py BEFORE AFTER [--rtol 1e-6]

Texts, names of attributes, fingerprints, pickles, figures, logs and the manifest are not compared. Files that are not
identical are listed with the largest difference of each variable, relative to the variable's largest magnitude. The
exit code is 1 where a file is missing, or a difference exceeds the tolerance; integers and labels must be equal.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

NOT_COMPARED = ("manifest.json", "figures")


def main() -> int:
    """Print the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--rtol", type=float, default=1e-6)
    options = parser.parse_args()
    before, after = files(options.before), files(options.after)
    lines = [f"missing: {name}" for name in sorted(before.keys() - after.keys())]
    lines += [f"new: {name}" for name in sorted(after.keys() - before.keys())]
    n_same, failed = 0, bool(before.keys() - after.keys())
    for name in sorted(before.keys() & after.keys()):
        different = list(differences(before[name], after[name]))
        n_same += not different
        lines += [f"{name}: {variable}: {text}" for variable, size, text in different]
        failed |= any(size > options.rtol for _, size, _ in different)
    print("\n".join([*lines, f"{n_same} of {len(before)} files have the same numbers"]))
    return int(failed)


def files(root: Path) -> dict[str, Path]:
    """Return the files to compare by their path below a data folder."""
    found = {path.relative_to(root): path for path in root.glob("0[1-8]_*/**/*") if path.suffix in READERS}
    return {str(name): path for name, path in found.items() if not set(NOT_COMPARED) & set(name.parts)}


def differences(before: Path, after: Path) -> Iterator[tuple[str, float, str]]:
    """Yield the variables that differ: name, relative size (infinite where they cannot be compared), description."""
    old, new = READERS[before.suffix](before), READERS[before.suffix](after)
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            yield name, np.inf, "only before" if name in old else "only after"
        elif (size := difference(old[name], new[name])) > 0:
            yield name, size, f"{size:.2g}"


def difference(old: np.ndarray, new: np.ndarray) -> float:
    """Return the largest difference over the largest magnitude; infinite where shape, labels, NaN or zeros differ."""
    if old.shape != new.shape or old.dtype.kind != new.dtype.kind:
        return np.inf
    if old.dtype.kind != "f":
        return 0.0 if np.array_equal(old, new) else np.inf
    if np.array_equal(old, new, equal_nan=True):
        return 0.0
    if not np.array_equal(np.isfinite(old), np.isfinite(new)):
        return np.inf
    scale = np.nanmax(np.abs(old), initial=0)
    return float(np.nanmax(np.abs(new.astype(float) - old.astype(float))) / scale) if scale > 0 else np.inf


def read_netcdf(path: Path) -> dict[str, np.ndarray]:
    """Return the variables, packed as they are, and the numbers among the attributes."""
    with xr.open_dataset(path, decode_times=False, mask_and_scale=False) as dataset:  # names may be characters
        values = {str(name): variable.values for name, variable in dataset.variables.items()}
        found = {name: field.astype(str) if field.dtype.kind in "OS" else field for name, field in values.items()}
        places = {"": dataset.attrs} | {f"{name}@": variable.attrs for name, variable in dataset.variables.items()}
        return found | dict(
            part
            for place, attrs in places.items()
            for key, value in attrs.items()
            for part in numbers(value, place + key)
        )


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays."""
    with np.load(path) as arrays:
        return dict(arrays)


def read_csv(path: Path) -> dict[str, np.ndarray]:
    """Return the columns; texts as labels."""
    table = pd.read_csv(path)
    return {
        str(name): column.to_numpy() if column.dtype.kind in "biuf" else column.fillna("").to_numpy(str)
        for name, column in table.items()
    }


def read_json(path: Path) -> dict[str, np.ndarray]:
    """Return the numbers by their path."""
    return dict(numbers(json.loads(path.read_text(encoding="utf-8")), ""))


def numbers(value: Any, place: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every number below a value of JSON or an attribute."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from numbers(part, f"{place}/{key}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from numbers(part, f"{place}/{index}")
    elif isinstance(value, (int, float, np.generic, np.ndarray)) and np.asarray(value).dtype.kind in "biuf":
        yield place, np.asarray(value)


READERS = {".nc": read_netcdf, ".npz": read_npz, ".csv": read_csv, ".json": read_json}

if __name__ == "__main__":
    sys.exit(main())
