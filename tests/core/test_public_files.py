"""Public files: read from a mirror or a server, verified by checksum, and refused when damaged."""

import hashlib
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import xarray as xr

from tests.conftest import ECCO_TERMS
from thor.core import public_files
from thor.core.checksums import file_checksum
from thor.core.errors import DataError
from thor.core.public_files import ECCO_ARRAYS, FEATURE_TABLE, public_file
from thor.datasets import EccoTrainingOcean


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Log nothing."""


@pytest.fixture
def repository(tmp_path, monkeypatch, data_mirror):
    """A server laid out like the public repository, where some arrays lie in the second of their candidate folders."""
    root = tmp_path / "repository"
    for name in ECCO_ARRAYS:
        target = root / public_files.known_files()[name]["path"].split("|")[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data_mirror / name, target)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(public_files, "REPOSITORY", f"http://127.0.0.1:{server.server_port}")
    yield root
    server.shutdown()


def test_every_known_file_of_the_mirror_is_the_published_one(data_mirror, tmp_path):
    for name in ECCO_ARRAYS:
        assert public_file(name, folder=tmp_path, mirror=data_mirror) == data_mirror / name


def test_files_are_downloaded_once_and_verified(repository, tmp_path):
    for name in ECCO_ARRAYS:
        path = public_file(name, folder=tmp_path / "raw", mirror=None)
        assert path.is_file()
    shutil.rmtree(repository)
    assert public_file(ECCO_ARRAYS[0], folder=tmp_path / "raw", mirror=None).is_file()


def test_a_failed_download_gives_instructions(repository, tmp_path):
    with pytest.raises(DataError, match=r"could not be downloaded \(HTTPError\).*set THOR_DATA_MIRROR"):
        public_file(FEATURE_TABLE, folder=tmp_path, mirror=None)


def test_a_mirror_with_a_damaged_or_missing_file(data_mirror, tmp_path):
    name = ECCO_ARRAYS[0]
    (tmp_path / name).parent.mkdir()
    with pytest.raises(DataError, match="is not in the mirror"):
        public_file(name, folder=tmp_path, mirror=tmp_path)
    content = bytearray((data_mirror / name).read_bytes())
    content[1000] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="is not the file THOR knows: expected sha256 03a19f2329e10e70"):
        public_file(name, folder=tmp_path, mirror=tmp_path)


def test_a_derived_file_has_no_public_address(tmp_path):
    with pytest.raises(DataError, match="has no public address; set THOR_DATA_MIRROR"):
        public_file(public_files.ECCO_SURFACE, folder=tmp_path, mirror=None)


def test_git_names_a_blob_by_the_same_checksum(tmp_path):
    (tmp_path / "file").write_bytes(b"what is up, doc?")
    assert file_checksum(tmp_path / "file", "git-blob") == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"
    assert file_checksum(tmp_path / "file", "sha256") == hashlib.sha256(b"what is up, doc?").hexdigest()


def test_the_ecco_dataset_without_a_mirror(repository, tmp_path, monkeypatch, data_mirror):
    """Online, sea level is that of the authors' feature table, and there is no surface stress."""
    present = ~np.load(data_mirror / "ecco_v4r3" / "MissdataECCO.npy")
    table = np.random.default_rng(1).normal(size=(present.sum(), 8))
    path = repository / "THOR" / "LRPonECCO" / "TotalDatasetECCO.npy"
    np.save(path, table)
    row = public_files.known_files()[FEATURE_TABLE]
    with pytest.raises(DataError, match="is not the file THOR knows: expected git-blob 3221d4ab9eaf3e04"):
        EccoTrainingOcean(folder=str(tmp_path / "raw"), terms=ECCO_TERMS)._surface(tmp_path)
    known = public_files.known_files() | {FEATURE_TABLE: row | {"checksum": file_checksum(path, "git-blob")}}
    monkeypatch.setattr(public_files, "known_files", lambda: known)
    ocean = EccoTrainingOcean(folder=str(tmp_path / "raw"), terms=ECCO_TERMS).load()
    np.testing.assert_array_equal(ocean.zos.values[present], table[:, 1])
    assert "tauuo" not in ocean and "transport_northward" not in ocean


def test_with_the_users_sea_level_transports_are_those_of_the_mirror(tmp_path, data_mirror):
    with xr.open_dataset(data_mirror / "ecco_v4r2" / "ecco_v4r2_mean_0p5deg.nc") as file:
        (file[["SSH"]] + 1).to_netcdf(tmp_path / "sea_level.nc")
    given = {"mirror": str(data_mirror), "sea_surface_height": str(tmp_path / "sea_level.nc")}
    ocean = EccoTrainingOcean(folder=str(tmp_path), terms=ECCO_TERMS, **given).load()
    assert float(ocean.zos.mean()) > 0.5  # one metre above the mirror
    assert "transport_northward" in ocean and "tauuo" not in ocean


def test_the_ecco_dataset_is_read_only(tmp_path):
    dataset = EccoTrainingOcean(folder=str(tmp_path), terms=ECCO_TERMS)
    with pytest.raises(Exception, match="never written to"):
        dataset.save(1)
    dataset.save(("fingerprint of an ocean that is not made", None))
    assert list(tmp_path.iterdir()) == []
