"""Files in the classic formats of NetCDF (CDF-1, CDF-2, CDF-5): how long they are by their headers."""

from math import prod
from pathlib import Path

_OFFSET_BYTES = {b"CDF\x01": 4, b"CDF\x02": 8, b"CDF\x05": 8}
"""Bytes of the place where a variable begins, by the first bytes of a file."""

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Bytes of a number, by the code of its type: byte, char, short, int, float, double; CDF-5 has five more."""


def require_whole(path: Path) -> None:
    """Raise OSError where a file of a classic format is shorter than its header says: its end would be zeros."""
    try:
        whole = path.stat().st_size >= size_by_header(path)
    except (EOFError, IndexError, KeyError, ValueError):
        whole = False
    if not whole:
        raise OSError("it is shorter than its header says")


def size_by_header(path: Path) -> int:
    """Return the bytes up to the end of the last variable of a classic file; 0 for a file of another format.

    Raises
    ------
    EOFError, IndexError, KeyError, ValueError
        When the header ends early or is damaged.

    Notes
    -----
    The grammar of the header is in the NetCDF file format specifications: numbers are big-endian, names and attributes
    are filled up to four bytes, and a variable whose first dim has the length zero has a part in each record.
    """
    with path.open("rb") as file:
        first = file.read(4)
        if first not in _OFFSET_BYTES:
            return 0
        width = 8 if first == b"CDF\x05" else 4

        def number(n_bytes: int = width) -> int:
            content = file.read(n_bytes)
            if len(content) < n_bytes:
                raise EOFError
            return int.from_bytes(content)

        def items() -> range:
            number(4)  # the code of the list
            return range(number())

        def skip(n_bytes: int) -> None:
            file.seek(_filled(n_bytes), 1)

        def skip_attributes() -> None:
            for _ in items():
                skip(number())
                kind = number(4)
                skip(number() * _TYPE_BYTES[kind])

        n_records = number()
        lengths = []
        for _ in items():
            skip(number())
            lengths.append(number())
        skip_attributes()
        fixed, of_records = [0], []
        for _ in items():
            skip(number())
            shape = [lengths[number()] for _ in range(number())]
            skip_attributes()
            n_bytes = _TYPE_BYTES[number(4)]
            number()  # the size, which cannot hold that of a large variable
            begin = number(_OFFSET_BYTES[first])
            if shape[:1] == [0]:
                of_records.append((begin, prod(shape[1:]) * n_bytes))
            else:
                fixed.append(begin + prod(shape) * n_bytes)
    if of_records and 0 < n_records < 256**width - 1:  # all bits set: unknown
        record = of_records[0][1] if len(of_records) == 1 else sum(_filled(size) for _, size in of_records)
        fixed += [begin + (n_records - 1) * record + size for begin, size in of_records]
    return max(fixed)


def _filled(n_bytes: int) -> int:
    return -(-n_bytes // 4) * 4
