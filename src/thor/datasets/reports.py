"""Figures, metrics, tables and pages for readers, with previews in kedro-viz."""

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from kedro_datasets._typing import ImagePreview, JSONPreview, TablePreview

from thor.core.atomic import replacing, show
from thor.core.errors import DataError, listed
from thor.datasets.files import FileDataset, read_json, require_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_PNG_BEGINS, _PNG_ENDS = b"\x89PNG", b"IEND\xaeB`\x82"

NUMBERS = (".csv", ".nc")
"""Suffixes of the files beside a figure that hold its numbers."""


class FigureDataset(FileDataset):
    """A figure as PNG. Saving takes a matplotlib figure, which it closes, or PNG bytes; loading gives the bytes.

    Beside it the numbers that a matplotlib figure shows: curves, points and bars as CSV (`thor.figures.data`), maps and
    sections as NetCDF (`thor.figures.data`).

    Parameters
    ----------
    filepath : str
        The file, ``.png``.
    dpi : int, optional
        Dots per inch of figures given as matplotlib objects.
    metadata : dict, optional
        For kedro-viz.
    """

    def __init__(self, *, filepath: str, dpi: int = 150, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._dpi = dpi

    def load(self) -> bytes:
        """Return the PNG bytes.

        Raises
        ------
        DataError
            When there is no file, or no whole PNG image in it.
        """
        content = require_file(self._filepath).read_bytes()
        if not content.startswith(_PNG_BEGINS) or not content.endswith(_PNG_ENDS):
            fault = f"is no whole PNG image: {len(content):,} bytes, cut off or of another kind"
            raise DataError(f"{show(self._filepath)} {fault}. Make it again.")
        return content

    def save(self, data: "Figure | bytes") -> None:
        """Write the figure without date and software version: the same figure gives the same bytes."""
        content = data if isinstance(data, bytes) else self._draw(data)
        if not content.startswith(_PNG_BEGINS):
            raise DataError(f"{show(self._filepath)} takes a matplotlib figure or PNG bytes; got other bytes.")
        with replacing(self._filepath) as temporary:
            temporary.write_bytes(content)

    @property
    def beside(self) -> list[Path]:
        """The files with the numbers of the figure that are there."""
        return _numbers_beside(self._filepath)

    def _draw(self, figure: "Figure") -> bytes:
        if not hasattr(figure, "savefig"):
            raise DataError(f"{show(self._filepath)} takes a matplotlib figure; got a {type(figure).__name__}.")
        import matplotlib.pyplot as plt

        buffer = io.BytesIO()
        try:
            figure.savefig(buffer, format="png", dpi=self._dpi, metadata={"Software": None})
            write_numbers(figure, self._filepath)
        finally:
            plt.close(figure)
        return buffer.getvalue()

    def preview(self) -> ImagePreview:
        """Return the image, for kedro-viz."""
        return ImagePreview(base64.b64encode(self.load()).decode("ascii"))


def write_numbers(figure: "Figure", path: Path) -> None:
    """Write the numbers that a figure shows beside its file: curves, points and bars as CSV, maps as NetCDF."""
    from thor.datasets.netcdf import write
    from thor.figures.data import drawn_fields, drawn_table

    table, fields = drawn_table(figure), drawn_fields(figure)
    for old in _numbers_beside(path):
        old.unlink()
    if len(table):
        with replacing(path.with_suffix(".csv")) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")
    if len(fields):
        write(fields, path.with_suffix(".nc"))


def _numbers_beside(path: Path) -> list[Path]:
    files = (path.with_suffix(suffix) for suffix in NUMBERS)
    return [file for file in files if file.is_file()]


class MetricsDataset(FileDataset):
    """Numbers as JSON with sorted keys; NaN, which JSON has not, is written as null."""

    def load(self) -> dict[str, Any]:
        """Return the metrics; a null comes back as None."""
        return read_json(self._filepath)

    def save(self, data: Mapping[str, Any]) -> None:
        """Write the metrics.

        Raises
        ------
        DataError
            For an infinite number or a value JSON cannot hold; the message names its key.
        """
        if not isinstance(data, Mapping):
            raise DataError(f"{show(self._filepath)} takes a dict of metrics; got a {type(data).__name__}.")
        plain = _plain(data, where=show(self._filepath), key="")
        with replacing(self._filepath) as temporary:
            temporary.write_text(json.dumps(plain, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")

    def preview(self) -> JSONPreview:
        """Return the file's text, for kedro-viz."""
        return JSONPreview(require_file(self._filepath).read_text(encoding="utf-8"))


class TableDataset(FileDataset):
    """A pandas table as CSV without its index.

    Parameters
    ----------
    filepath : str
        The file, ``.csv``.
    columns : sequence of str, optional
        Columns that the table must have when it is loaded.
    metadata : dict, optional
        For kedro-viz.
    """

    def __init__(self, *, filepath: str, columns: Sequence[str] = (), metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._columns = tuple(columns)

    def load(self) -> pd.DataFrame:
        """Return the table.

        Raises
        ------
        DataError
            When the file holds no table, ends within a row, or lacks columns.
        """
        try:
            content = require_file(self._filepath).read_bytes()
            table = pd.read_csv(io.BytesIO(content))
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise DataError(f"{show(self._filepath)} is not a CSV table: {error}. Make it again.") from error
        if not content.endswith(b"\n"):
            fault = f"is cut off: row {len(table)} has no end of line"
            raise DataError(f"{show(self._filepath)} {fault}. Make it again, or end that line.")
        if missing := [name for name in self._columns if name not in table]:
            columns = listed(list(map(str, table)))
            raise DataError(f"{show(self._filepath)} has no column {listed(missing)}, but {columns}. Make it again.")
        return table

    def save(self, data: pd.DataFrame) -> None:
        """Write the table; floats keep all their digits."""
        if not hasattr(data, "to_csv"):
            raise DataError(f"{show(self._filepath)} takes a pandas DataFrame; got a {type(data).__name__}.")
        with replacing(self._filepath) as temporary:
            data.to_csv(temporary, index=False, lineterminator="\n")

    def preview(self, nrows: int = 20) -> TablePreview:
        """Return the first rows, for kedro-viz."""
        table = self.load().head(nrows)
        return TablePreview(json.loads(table.to_json(orient="split")))


class PageDataset(FileDataset):
    """A page for the browser, one self-contained HTML text."""

    def load(self) -> str:
        """Return the text.

        Raises
        ------
        DataError
            When the file holds no whole HTML document.
        """
        try:
            text = require_file(self._filepath).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{show(self._filepath)} is not UTF-8: {error}. Make it again.") from error
        if not _is_page(text) or not text.rstrip().lower().endswith("</html>"):
            raise DataError(f"{show(self._filepath)} is not a whole HTML document. Make it again.")
        return text

    def save(self, data: str) -> None:
        """Write the text.

        Raises
        ------
        DataError
            When it is no HTML document.
        """
        if not isinstance(data, str) or not _is_page(data):
            raise DataError(f"{show(self._filepath)} takes an HTML document as text; got a {type(data).__name__}.")
        with replacing(self._filepath) as temporary:
            temporary.write_text(data, encoding="utf-8")


def _is_page(text: str) -> bool:
    return text.lstrip().lower().startswith("<!doctype html")


def _plain(value: Any, *, where: str, key: str) -> Any:
    """Return `value` as what JSON knows; NumPy and xarray scalars and arrays become numbers and lists."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item, where=where, key=f"{key}.{name}".lstrip(".")) for name, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item, where=where, key=f"{key}[{place}]") for place, item in enumerate(value)]
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and math.isinf(value):
        raise DataError(f"{where}: '{key}' is infinite; expected a number, or NaN where there is none.")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise DataError(f"{where}: '{key}' is a {type(value).__name__}; expected a number, text, list or dict.")
