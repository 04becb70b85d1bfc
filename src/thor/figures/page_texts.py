"""Texts and legends of a figure that was made smaller: their size, their lines and their places."""

import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from thor.figures import style
from thor.figures.panels import in_data, numbered_panels

SMALLEST_POINTS = 5.0
"""Smallest size of text [points]."""

_KEPT = re.compile(r"\$[^$]*\$| %")
"""What stays on one line: formulae, and numbers with their per cent."""

_KEPT_SPACE = "\N{NO-BREAK SPACE}"
_GAP_POINTS = 3.0
_STEEP = 60.0
"""Angle [degrees] of names at the axis, if they do not stand level."""

_FEWEST_LETTERS = 7


def spell_out(figure: "style.Figure", acronyms: Mapping[str, str]) -> None:
    """Add to the note below the panels what acronyms stand for that the figure has and does not explain itself."""
    import matplotlib.text

    drawn: list[Any] = figure.findobj(matplotlib.text.Text)
    words = "\n".join(text.get_text() for text in drawn)
    lower = " ".join(words.lower().split())
    found = [
        f"{short}: {meaning}"
        for short, meaning in acronyms.items()
        if re.search(rf"(?<![\w-]){re.escape(short)}(?![\w-])", words) and meaning.lower() not in lower
    ]
    if found:
        note = figure._supxlabel  # type: ignore[attr-defined]
        before = getattr(note, "paragraphs", note.get_text()) if note else ""
        style.add_note(figure, f"{before}\n{'. '.join(found)}.".lstrip("\n"))


def scale_texts(figure: "style.Figure", scale: float) -> None:
    """Multiply the sizes of all texts, down to `SMALLEST_POINTS`."""
    import matplotlib.text

    texts: list[Any] = figure.findobj(matplotlib.text.Text)
    for text in texts:
        text.set_fontsize(max(SMALLEST_POINTS, scale * text.get_fontsize()))
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            size = axis.get_tick_params().get("labelsize", 7.0)
            axis.set_tick_params(labelsize=max(SMALLEST_POINTS, scale * size))


def break_texts(figure: "style.Figure") -> None:
    """Break texts that are longer than the room they have; needs a first layout."""
    renderer: Any = figure._get_renderer()  # type: ignore[attr-defined]
    whole = figure.bbox.width
    boxes = {ax: ax.get_window_extent(renderer) for ax in figure.axes}
    for _, ax in numbered_panels(figure):
        box = boxes[ax]
        level = [other for other in boxes.values() if other.y0 < box.y1 and other.y1 > box.y0]
        beside = [other.x0 for other in level if other.x0 > box.x0 + 1]
        _break(ax._left_title, 0.98 * (min([whole, *beside]) - box.x0), renderer)  # type: ignore[attr-defined]
        _break(ax.title, box.width, renderer)
        _break(ax.yaxis.label, box.height, renderer, upright=True)
        for image in ax.images:
            for text in ax.texts:
                _break(text, box.width / image.get_array().shape[1], renderer)  # type: ignore[union-attr]
        turned = [label for label in ax.get_xticklabels() if 0 < label.get_rotation() < _STEEP]
        for label in turned:
            label.set_rotation(_STEEP)
    for ax, box in boxes.items():
        middle = (box.x0 + box.x1) / 2
        row = [(other.x0 + other.x1) / 2 for other in boxes.values() if abs(other.y0 - box.y0) < 1 and other is not box]
        room = [2 * middle, 2 * (whole - middle), *(abs(other - middle) for other in row)]
        _break(ax.xaxis.label, 0.97 * min(room), renderer)
    for text in (figure._suptitle, figure._supxlabel):  # type: ignore[attr-defined]
        if text is not None:
            _break(text, 0.97 * whole, renderer)


def break_titles(figure: "style.Figure") -> None:
    """Break titles that are longer than a column; before a first layout, which makes room for their middles."""
    renderer: Any = figure._get_renderer()  # type: ignore[attr-defined]
    for _, ax in numbered_panels(figure):
        if (spec := ax.get_subplotspec()) is not None:
            _break(ax._left_title, figure.bbox.width / spec.get_gridspec().ncols, renderer)  # type: ignore[attr-defined]


def text_without_room(figure: "style.Figure") -> str:
    """Return the first text over an edge of the figure, or higher than its cell of a matrix; empty if there is none."""
    renderer: Any = figure._get_renderer()  # type: ignore[attr-defined]
    shown = (text for text in _shown_texts(figure) if text.get_text())
    found = [text for text in shown if _over_edge(text.get_window_extent(renderer), figure)]
    for ax in figure.axes:
        for image in ax.images:
            room = ax.get_window_extent(renderer).height / image.get_array().shape[0]  # type: ignore[union-attr]
            taken: Counter[tuple[int, int]] = Counter()
            for text in ax.texts:
                cell = round(text.get_position()[0]), round(text.get_position()[1])
                taken[cell] += int(text.get_window_extent(renderer).height)
                found += [text] if taken[cell] > room else []
    return " ".join(found[0].get_text().split()) if found else ""


def _over_edge(box: Any, figure: "style.Figure") -> bool:
    whole = figure.bbox
    return bool(min(box.x0, box.y0) < -1 or box.x1 > whole.width + 1 or box.y1 > whole.height + 1)


def _shown_texts(figure: "style.Figure") -> Iterator[Any]:
    """Yield the texts that are drawn: tick labels outside of the range of their axis are not."""
    yield from (text for text in (*figure.texts, figure._suptitle, figure._supxlabel) if text)  # type: ignore[attr-defined]
    legends = list(figure.legends)
    for ax in figure.axes:
        yield from (ax.title, ax._left_title, ax.xaxis.label, ax.yaxis.label)  # type: ignore[attr-defined]
        legends += [legend] if (legend := ax.get_legend()) else []
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if low <= tick.get_loc() <= high:
                    yield from (label for label in (tick.label1, tick.label2) if label.get_visible())
    for legend in legends:
        yield from legend.get_texts()


def place_legends(figure: "style.Figure") -> None:
    """Move legends that cover data, or are too large, out of their panels; break those outside into more rows."""
    renderer: Any = figure._get_renderer()  # type: ignore[attr-defined]
    inside = {ax: legend for ax in figure.axes if (legend := ax.get_legend()) is not None}
    placed = [legend for legend in inside.values() if getattr(legend, "is_below", False)]
    covering = {ax: legend for ax, legend in inside.items() if legend not in placed and _covers(legend, ax, renderer)}
    several = len(list(numbered_panels(figure))) > 1
    for ax, legend in covering.items():
        content = _content(legend)
        legend.remove()
        if several and len(inside) == 1:
            figure.legend(**content, loc=_free_edge(figure), frameon=False)
        else:
            _put_below(ax, content, renderer)
    for legend in list(figure.legends):
        _break_legend(figure, legend, renderer)


def _content(legend: Any) -> dict[str, Any]:
    texts = legend.get_texts()
    labels = [" ".join(text.get_text().split()) for text in texts]
    return {"handles": legend.legend_handles, "labels": labels, "fontsize": texts[0].get_fontsize()}


def _covers(legend: Any, ax: "style.Axes", renderer: Any) -> bool:
    """Return whether a legend extends over its panel, or covers a line or bar in it."""
    box, panel = legend.get_window_extent(renderer), ax.get_window_extent(renderer)
    if box.width > panel.width or box.height > panel.height:
        return True
    lines = [line for line in ax.lines if in_data(line, ax)]
    paths = (line.get_transform().transform_path(line.get_path()) for line in lines)
    covered = any(path.intersects_bbox(box, filled=False) for path in paths)
    bars = (bar.get_window_extent(renderer) for bar in ax.patches)
    return covered or any(bar.overlaps(box) and bar.width * bar.height > 0 for bar in bars)


def _put_below(ax: "style.Axes", content: dict[str, Any], renderer: Any) -> None:
    """Put a legend below the panel and its labels, at a distance in points that a new layout keeps."""
    from matplotlib.transforms import ScaledTranslation

    panel, tight = ax.get_window_extent(renderer), ax.get_tightbbox(renderer)
    figure: Any = ax.get_figure()
    down = (tight.y0 - panel.y0) / figure.dpi - _GAP_POINTS / 72  # type: ignore[union-attr]
    below = ax.transAxes + ScaledTranslation(0, down, figure.dpi_scale_trans)
    placed: Any = {"loc": "upper left", "bbox_to_anchor": (0, 0), "bbox_transform": below, "borderaxespad": 0}
    legend: Any = ax.legend(**content, **placed, frameon=False)
    for text in legend.get_texts():
        _break(text, panel.width, renderer)
    legend.is_below = True


def _free_edge(figure: "style.Figure") -> Any:
    """Return the place outside of the panels where no note or heading is."""
    return "outside upper center" if figure._supxlabel and not figure._suptitle else "outside lower center"  # type: ignore[attr-defined]


def _break_legend(figure: "style.Figure", legend: Any, renderer: Any) -> None:
    """Replace a legend outside of the panels by one with as many columns as fit into the figure."""
    place: Any = {"right": "outside right upper"}.get(legend._outside_loc, f"outside {legend._outside_loc} center")
    beside = legend._outside_loc in ("right", "left")
    n_columns, content = legend._ncols, _content(legend)
    if beside and legend.get_window_extent(renderer).width > 0.3 * figure.bbox.width:
        place, n_columns = _free_edge(figure), len(content["labels"])
    elif legend.get_window_extent(renderer).width <= 0.97 * figure.bbox.width:
        return
    while True:
        legend.remove()
        legend = figure.legend(**content, loc=place, ncols=n_columns, frameon=False)
        figure.draw_without_rendering()
        if n_columns == 1 or legend.get_window_extent(renderer).width <= 0.97 * figure.bbox.width:
            return
        n_columns -= 1


def _break(text: Any, room: float, renderer: Any, *, upright: bool = False) -> None:
    """Break the lines of a text at a width [pixels], but not inside formulae."""
    lines = getattr(text, "paragraphs", text.get_text()).split("\n")
    n_letters = max(map(len, lines))
    while text.get_text() and n_letters >= _FEWEST_LETTERS:
        box = text.get_window_extent(renderer)
        length = box.height if upright else box.width
        if length <= room:
            return
        n_letters = min(n_letters - 1, int(n_letters * max(room / length, 0.5)))
        text.set_text("\n".join(_wrapped(line, n_letters) for line in lines))


def _wrapped(line: str, n_letters: int) -> str:
    kept = _KEPT.sub(lambda formula: formula[0].replace(" ", _KEPT_SPACE), line)
    broken = textwrap.wrap(kept, n_letters, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join(broken).replace(_KEPT_SPACE, " ")
