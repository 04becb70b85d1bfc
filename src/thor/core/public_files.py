"""Public files with known checksums, from a local mirror or from the place of publication."""

import csv
from importlib.resources import files
from pathlib import Path

from thor.core.checksums import file_checksum
from thor.core.errors import DataError

REPOSITORY = "https://raw.githubusercontent.com/maikejulie/DNN4Cli/790d51c8e767c98a6bff4a592449b246727e9e50"

FEATURE_TABLE = "ecco_v4r3/TotalDatasetECCO.npy"
"""The authors' table of features; column 1 is the 1992-2011 mean sea level."""

ECCO_SURFACE = "ecco_v4r2/ecco_v4r2_mean_0p5deg.nc"
"""Time-mean sea level, stress and transports of ECCO v4r2 on the half-degree grid: derived, so only in a mirror."""

ECCO_ARRAYS = tuple(
    f"ecco_v4r3/{name}"
    for name in (
        *("BPT.npy", "curlA.npy", "curlB.npy", "curlCori.npy", "curlTau.npy"),
        *("kCluster6.npy", "noiseMask.npy", "MissdataECCO.npy", "H_wHFacC.mat"),
    )
)
"""The released arrays of the published study."""

PUBLISHED_NETWORKS = tuple(f"published_networks/vanillamodel_{number}.h5" for number in range(50))
"""The members of the published ensemble."""


def public_file(name: str, *, folder: Path, mirror: Path | None) -> Path:
    """Return the path of a public file, verified against the checksum THOR knows.

    Parameters
    ----------
    name : str
        Its name in a mirror, as in `public_files.csv`.
    folder : Path
        Where downloads are kept.
    mirror : Path or None
        A folder laid out like the public data; used instead of the network.

    Raises
    ------
    DataError
        When the file is missing, cannot be downloaded, or has another checksum than the one known.
    """
    row = known_files()[name]
    if mirror is not None:
        path = mirror / name
        if not path.is_file():
            raise DataError(f"{name} is not in the mirror {mirror}. Complete the mirror, or unset THOR_DATA_MIRROR.")
    else:
        path = _download(name, row, folder)
    got = file_checksum(path, row["algorithm"])
    if got != row["checksum"]:
        raise DataError(
            f"{path} is not the file THOR knows: expected {row['algorithm']} {row['checksum'][:16]}..., "
            f"got {got[:16]}.... It is damaged or of another version; delete it and copy or download it again."
        )
    return path


def _download(name: str, row: dict[str, str], folder: Path) -> Path:
    path = folder / name
    if path.is_file():
        return path
    if not row["path"]:
        raise DataError(f"{name} has no public address; set THOR_DATA_MIRROR to a folder that holds it.")
    import pooch

    # The pages of the repository do not name the folder of some arrays: the candidates are tried in turn.
    for public in row["path"].split("|"):
        try:
            # The checksum is verified by the caller: pooch does not know git's.
            pooch.retrieve(
                f"{REPOSITORY}/{public}", known_hash=None, fname=path.name, path=path.parent, progressbar=True
            )
            return path
        except (OSError, ValueError) as error:
            reason = error
    raise DataError(
        f"{name} could not be downloaded ({type(reason).__name__}). Check the connection, or set THOR_DATA_MIRROR to a "
        f"folder that holds {name}; its public path is {row['path']} of github.com/maikejulie/DNN4Cli."
    ) from reason


def known_files() -> dict[str, dict[str, str]]:
    """Return the rows of `public_files.csv` by name."""
    text = files("thor.core").joinpath("public_files.csv").read_text(encoding="utf-8")
    return {row["name"]: row for row in csv.DictReader(text.splitlines())}
