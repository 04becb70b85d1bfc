"""Two teams: one with a file, a folder and a pickle to transfer, one with the same catalog and no files."""

import pickle
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from thor.handover import Place, pack, unpack

PLACES = {
    place.name: place
    for place in (
        Place(
            name="regimes",
            type="FieldDataset",
            layer="model_input",
            path="05_model_input/regimes.nc",
            folder=False,
            contract="regimes",
        ),
        Place(
            name="scenarios",
            type="FieldCollection",
            layer="feature",
            path="04_feature/scenarios",
            folder=True,
            contract=None,
        ),
        Place(name="none", type="FieldCollection", layer="feature", path="04_feature/none", folder=True, contract=None),
        Place(
            name="model", type="ModelDataset", layer="models", path="06_models/model.pkl", folder=False, contract=None
        ),
    )
}


class Bomb:
    """An object that writes a file when unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


@dataclass
class Team:
    root: Path

    @property
    def record(self):
        return self.root / "logs/run_record.json"

    def pack(self, target, **options):
        about = {"pipeline": "clustering", "environment": "test", "thor_version": "1.2.3"}
        return pack(PLACES.values(), target, root=self.root, **about | options)

    def unpack(self, archive, **options):
        return unpack(archive, PLACES, **{"root": self.root, "record": self.record} | options)

    def files(self):
        """All files and folders, including hidden files and empty folders, except the run record and its lock."""
        record = (self.record, self.record.with_name(".run_record.json.lock"))
        found = sorted(path for path in self.root.rglob("*") if path not in record) if self.root.exists() else []
        return {str(path.relative_to(self.root)): path.read_bytes() if path.is_file() else None for path in found}


@pytest.fixture
def sender(tmp_path):
    root = tmp_path / "sender"
    contents = {
        "05_model_input/regimes.nc": bytes(range(256)) * 9000,
        "04_feature/scenarios/IDEAL/piControl/r1i1p1f1.nc": b"control" * 100,
        "04_feature/scenarios/IDEAL/abrupt-4xCO2/r1i1p1f1.nc": b"",
        "06_models/model.pkl": pickle.dumps(Bomb(tmp_path / "unpickled")),
        "08_reporting/not_ours.json": b"{}",
    }
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return Team(root)


@pytest.fixture
def receiver(tmp_path):
    return Team(tmp_path / "receiver/data")


@pytest.fixture
def archive(sender, tmp_path):
    return sender.pack(tmp_path / "stage.tar")[0]


def members(archive):
    """Name and content of every member, as Python's tarfile reads them."""
    with tarfile.open(archive) as file:
        return [(info.name, file.extractfile(info).read()) for info in file]


def write(target, entries):
    """Write a tar of (name or TarInfo, content), in the form of THOR with any given content."""
    with target.open("wb") as file:
        for name, content in entries:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if info.isreg():
                info.size = len(content)
            file.write(info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512))
        file.write(bytes(1024))
    return target
