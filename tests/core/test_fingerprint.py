"""A fingerprint changes with the content and with nothing else."""

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from pydantic import BaseModel

from thor.core import fingerprint as module
from thor.core.fingerprint import ATTRIBUTE, code_version, fingerprint


class Group(BaseModel):
    n: int
    names: list[str]


@dataclass
class Row:
    x: float


def make(values=(1.0, 2.0, np.nan), **attrs):
    return xr.Dataset({"zos": ("x", np.array(values), {"units": "m"})}, coords={"x": [0, 1, 2]}, attrs=attrs)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}),
        (make(), make().chunk({"x": 1})),
        (make(), make(**{ATTRIBUTE: "abc"})),
        (make()["zos"], make().chunk({"x": 2})["zos"]),
        (Group(n=1, names=["a"]), Group(n=1, names=["a"])),
        (np.arange(6).reshape(2, 3)[:, ::-1], np.arange(6).reshape(2, 3)[:, ::-1].copy()),
        (make(level=1), make(level=np.int64(1))),
    ],
)
def test_the_same_content_has_the_same_fingerprint(one, two):
    assert fingerprint(one) == fingerprint(two)
    assert len(fingerprint(one)) == 64


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (1, 1.0),
        (1, True),
        ("1", 1),
        (None, "None"),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ([[1], 2], [[1, 2]]),
        (make(), make((1.0, 2.0, 3.0))),
        (make(), make(title="other")),
        (make(), make().assign_coords(x=[0, 1, 3])),
        (make(), make().rename(zos="tauuo")),
        (make(), make().rename(x="y")),
        (make(), make().astype("float32")),
        (np.zeros(4), np.zeros((2, 2))),
        (Group(n=1, names=["a"]), Group(n=1, names=["b"])),
        (Row(1.0), Row(2.0)),
    ],
)
def test_other_content_has_another_fingerprint(one, two):
    assert fingerprint(one) != fingerprint(two)
    assert fingerprint(one, two) != fingerprint(two, one)


def test_large_arrays_are_read_in_blocks(monkeypatch):
    data = make(np.arange(3.0))
    whole = fingerprint(data)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 8)
    assert fingerprint(data) == whole


def test_a_function_has_no_fingerprint():
    with pytest.raises(TypeError, match="has no fingerprint"):
        fingerprint({"a": print})


def test_the_code_is_part_of_it(monkeypatch):
    before = fingerprint(1)
    assert len(code_version()) == 64
    monkeypatch.setattr(module, "code_version", lambda: "another")
    assert fingerprint(1) != before
