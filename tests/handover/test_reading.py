"""Tampered archives are refused."""

import gzip
import hashlib
import json
import tarfile
import tracemalloc

import pytest

from tests.handover.conftest import members, write
from thor.core.errors import DataError
from thor.handover import verify
from thor.handover.packing import checksum_line


def test_a_good_archive_is_verified_and_pinned(archive):
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    manifest, found = verify(archive, sha256=checksum.upper())
    assert found == checksum
    assert manifest.pickles == ["06_models/model.pkl"] and manifest.n_bytes == 256 * 9000 + 700 + len(
        dict(members(archive))["data/06_models/model.pkl"]
    )
    with pytest.raises(DataError, match=f"stage.tar is refused: Its SHA-256 is {checksum}; expected {'0' * 64}"):
        verify(archive, sha256="0" * 64)
    with pytest.raises(DataError, match="64 hexadecimal digits"):
        verify(archive, sha256=checksum[:16])


def test_the_pinned_checksum_distinguishes_consistent_archives(archive, sender, tmp_path):
    """A consistent change of file and manifest is found only by the pinned checksum."""
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    (sender.root / "06_models/model.pkl").write_bytes(b"evil")
    forged = sender.pack(tmp_path / "forged.tar")[0]
    verify(forged)
    with pytest.raises(DataError, match="not the archive that was announced"):
        verify(forged, sha256=checksum)


def test_a_flipped_byte_anywhere_is_found(archive, tmp_path):
    whole = bytearray(archive.read_bytes())
    # every byte of headers, manifest and small members, some bytes of the large one
    places = [*range(0, 6000, 37), *range(6000, len(whole), 99_991), *range(len(whole) - 3000, len(whole), 41)]
    target = tmp_path / "flipped.tar"
    for place in places:
        whole[place] ^= 1
        target.write_bytes(whole)
        with pytest.raises(DataError, match="flipped.tar is refused"):
            verify(target)
        whole[place] ^= 1
    target.write_bytes(whole)
    verify(target)


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("left", [0.0, 0.3, 0.999])
def test_a_truncated_archive_is_found(archive, tmp_path, left, compress):
    content = gzip.compress(archive.read_bytes(), mtime=0) if compress else archive.read_bytes()
    target = tmp_path / "short.tar"
    target.write_bytes(content[: int(len(content) * left)])
    with pytest.raises(DataError, match="cut off|more than a file of its size can hold"):
        verify(target)


def test_a_file_that_is_no_archive_is_refused(tmp_path, archive):
    target = tmp_path / "other"
    for content in (b"PK\x03\x04" * 400, bytes(2048), gzip.compress(b"text" * 1000)):
        target.write_bytes(content)
        with pytest.raises(DataError, match="not an archive of `thor stage pack`"):
            verify(target)
    write(target, members(archive)[2:])
    with pytest.raises(DataError, match="manifest.json is not where it must be"):
        verify(target)
    with pytest.raises(DataError, match="There is no archive"):
        verify(tmp_path / "nowhere")


def test_a_removed_member_is_named(archive, tmp_path):
    entries = members(archive)
    for number in range(2, len(entries)):
        name = entries[number][0]
        target = write(tmp_path / "removed.tar", entries[:number] + entries[number + 1 :])
        with pytest.raises(DataError, match=f"'{name}' is missing|more than a file of its size"):
            verify(target)


def link(kind, name="data/06_models/link", to="/etc/passwd"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("data/06_models/more.pkl", "'data/06_models/more.pkl' is not in the manifest"),
        ("data/../../evil", "would lie outside data_root"),
        ("../evil", "would lie outside data_root"),
        ("/tmp/evil", "would lie outside data_root"),
        ("data/.hidden", "would lie outside data_root"),
        ("data/06_models/model.pkl", "is there twice"),
        ("manifest.json", "is there twice"),
        (link(tarfile.SYMTYPE), "is a symbolic link"),
        (link(tarfile.LNKTYPE), "is a hard link"),
        (link(tarfile.CHRTYPE), "is a device"),
        (link(tarfile.FIFOTYPE), "is a pipe"),
        (link(tarfile.DIRTYPE), "is a folder"),
        (link(tarfile.XHDTYPE), "is of type b'x'"),
        (link(tarfile.GNUTYPE_LONGNAME), "is of type b'L'"),
        (link(tarfile.SYMTYPE, "data/05_model_input/regimes.nc"), "is a symbolic link"),
    ],
    ids=lambda value: (value.name + value.type.decode()) if isinstance(value, tarfile.TarInfo) else None,
)
@pytest.mark.parametrize("where", ["before", "after"])
def test_a_member_missing_from_the_manifest_is_refused(archive, tmp_path, member, message, where):
    entries = members(archive)
    added = (member, b"evil" if isinstance(member, str) else b"")
    place = 3 if where == "before" else len(entries)
    target = write(tmp_path / "added.tar", [*entries[:place], added, *entries[place:]])
    with pytest.raises(DataError, match=f"added.tar is refused: .*{message}"):
        verify(target)


def test_what_lies_between_and_behind_is_refused(archive, tmp_path):
    target = tmp_path / "more.tar"
    content = archive.read_bytes()
    for more in (b"\0", b"evil", content):
        target.write_bytes(content + more)
        with pytest.raises(DataError, match="data after its end"):
            verify(target)
        target.write_bytes(gzip.compress(content) + gzip.compress(more))
        with pytest.raises(DataError, match="data after its end"):
            verify(target)
    with_owner = []
    for name, text in members(archive):
        info = tarfile.TarInfo(name)
        info.uid = 1000 if name.endswith(".pkl") else 0
        with_owner.append((info, text))
    with pytest.raises(DataError, match="owner, rights or time were changed"):
        verify(write(target, with_owner))


def forged(archive, target, change):
    """The archive with another manifest and the matching checksum."""
    entries = members(archive)
    manifest = json.loads(entries[0][1])
    changed = change(manifest)
    text = json.dumps(changed if isinstance(changed, list) else manifest).encode()
    return write(target, [("manifest.json", text), ("manifest.json.sha256", checksum_line(text)), *entries[2:]])


def dataset(manifest, name):
    return next(entry for entry in manifest["datasets"] if entry["name"] == name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format_version=2), "format version 2; this THOR reads version 1"),
        (lambda m: m.update(format="zip"), "not one of 'thor-stage'"),
        (lambda m: [], "not one of 'thor-stage'"),
        (lambda m: m.update(more=1), "wrong at 'more'"),
        (lambda m: m.pop("pipeline"), "wrong at 'pipeline'"),
        (lambda m: dataset(m, "model").update(path="../model.pkl"), "'../model.pkl' is no path below data_root"),
        (lambda m: dataset(m, "model").update(path="/etc/x"), "'/etc/x' is no path below data_root"),
        (lambda m: dataset(m, "model").update(path="a\\b"), "is no path below data_root"),
        (lambda m: dataset(m, "model").update(path="a\x1b[2J"), r"'a\\x1b\[2J' is no path"),
        (lambda m: dataset(m, "model").update(path="06_models/other.pkl"), "'model' has files that do not lie at its"),
        (lambda m: dataset(m, "scenarios").update(path="04_feature/scen"), "'scenarios' has files that do not lie"),
        (lambda m: dataset(m, "scenarios").update(folder=False), "'scenarios' has files that do not lie"),
        (lambda m: dataset(m, "none").update(path="04_feature/scenarios/x"), "lies inside another file or dataset"),
        (lambda m: dataset(m, "none").update(path="04_FEATURE/Scenarios"), "is twice in the manifest"),
        (lambda m: dataset(m, "none").update(name="model"), "have the same name"),
        (lambda m: dataset(m, "none").update(run=0), "a run that the manifest does not describe"),
        (lambda m: dataset(m, "model")["files"][0].update(size=10**15), "more than a file of its size can hold"),
        (lambda m: dataset(m, "model")["files"][0].update(size=-1), "wrong at 'datasets.0.files.0.size'"),
        (lambda m: dataset(m, "model")["files"][0].update(size=3), "the manifest lists 3"),
        (lambda m: dataset(m, "model")["files"][0].update(sha256="0" * 64), "was changed or damaged"),
        (lambda m: dataset(m, "model")["files"][0].update(sha256="0"), "wrong at 'datasets.0.files.0.sha256'"),
    ],
)
def test_a_wrong_manifest_is_refused(archive, tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        verify(forged(archive, tmp_path / "forged.tar", change))


def test_a_changed_manifest_is_found_by_its_checksum(archive, tmp_path):
    entries = members(archive)
    entries[0] = ("manifest.json", entries[0][1].replace(b"1.2.3", b"9.9.9"))
    with pytest.raises(DataError, match="manifest does not have its checksum"):
        verify(write(tmp_path / "changed.tar", entries))


def test_a_huge_manifest_is_not_read(tmp_path):
    info = tarfile.TarInfo("manifest.json")
    info.size = 8**11 - 1
    target = tmp_path / "huge.tar.gz"
    target.write_bytes(gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + bytes(10**6)))
    with pytest.raises(DataError, match="expected at most"):
        verify(target)


def test_memory_is_bounded(sender, tmp_path):
    """A compressed archive of many zeros is read bit by bit."""
    with (sender.root / "05_model_input/regimes.nc").open("wb") as file:
        file.truncate(150 * 2**20)
    (sender.root / "06_models/model.pkl").write_bytes(b"0" * 20 * 2**20)
    tracemalloc.start()
    try:
        target, manifest, _ = sender.pack(tmp_path / "large.tar.gz")
        verify(target)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert target.stat().st_size < 2**20 < manifest.n_bytes
    assert peak < 16 * 2**20
