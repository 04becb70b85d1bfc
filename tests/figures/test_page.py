"""Figures at the width of a column: nothing is clipped, small or in the way, and acronyms are spelled out."""

import matplotlib.text
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.figures.test_tracking import make_areas
from tests.made_fields import make_regimes
from thor.core.errors import ConfigError
from thor.figures.data import drawn_table
from thor.figures.maps import regime_map
from thor.figures.page import PAGE_HEIGHT_CM, PAGE_WIDTHS_CM, fit_to_width
from thor.figures.page_texts import SMALLEST_POINTS, text_without_room
from thor.figures.style import add_note, letter_panels, new_figure, new_panels, style
from thor.figures.tracking_curves import area_curves

LONG = "A heading that is longer than one column of a journal is wide, so that it stands in several lines"


def made_panels(n_panels=6, n_columns=3, **options):
    """Panels of curves with a legend, long titles and a note; 10 inches wide."""
    with style():
        figure = new_figure(10.0, 5.0)
        axes = new_panels(figure, n_panels, n_columns, **options)
        for number, ax in enumerate(axes):
            ax.plot([0, 1, 2], [number, 1, 2], label="curve")
            ax.set_title(f"Panel {number} with a title that is rather long")
        axes[0].set_ylabel("area ($10^6$ km$^2$)")
        axes[0].legend(loc="upper left")
        letter_panels(axes)
        add_note(figure, LONG)
    return figure


def panels_of(figure):
    return [ax for ax in figure.axes if not hasattr(ax, "_colorbar")]


@pytest.mark.parametrize("width", PAGE_WIDTHS_CM)
@pytest.mark.parametrize("draw", [made_panels, lambda: area_curves(make_areas()), lambda: regime_map(make_regimes())])
def test_a_figure_has_the_width_and_its_texts_stay_inside(draw, width):
    figure = draw()
    before = figure.get_size_inches().copy()
    page = fit_to_width(figure, width)
    assert page.get_figwidth() * 2.54 == pytest.approx(width) and page.get_figheight() * 2.54 <= PAGE_HEIGHT_CM + 1e-9
    assert text_without_room(page) == ""
    texts = [text for text in page.findobj(matplotlib.text.Text) if text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= SMALLEST_POINTS
    np.testing.assert_array_equal(figure.get_size_inches(), before)  # the figure itself is not changed


def test_panels_move_to_fewer_columns_in_their_order_with_the_labels_that_they_shared():
    page = fit_to_width(made_panels(sharex=True, sharey=True), 8.9)
    panels = panels_of(page)
    columns = [round(ax.get_position().x0, 2) for ax in panels]
    assert len(set(columns)) == 2 and columns[0] == columns[2] == columns[4]
    assert panels[1].get_position().y0 > panels[2].get_position().y0
    assert [ax.yaxis.get_tick_params()["labelleft"] for ax in panels] == [True, False] * 3
    assert [ax.xaxis.get_tick_params()["labelbottom"] for ax in panels] == [False] * 4 + [True] * 2
    assert panels[0].get_ylabel() == panels[2].get_ylabel() == "area ($10^6$ km$^2$)"


def test_the_numbers_are_those_of_the_figure():
    figure = made_panels()
    figure.draw_without_rendering()
    rows = ["panel", "kind", "x", "y"]
    got = drawn_table(fit_to_width(figure, 8.9))
    assert got[rows].values.tolist() == drawn_table(figure)[rows].values.tolist()


def test_formulae_and_per_cent_are_not_broken():
    figure = made_panels(1, 1)
    figure.axes[0].set_title(
        "The area of the first regime is 12.5 % of $a + b \\times 10^6$ km$^2$, which is much", loc="left"
    )
    title = fit_to_width(figure, 5.0).axes[0].get_title(loc="left")
    assert "\n" in title and "12.5 %" in title and "$a + b \\times 10^6$" in title


def test_a_legend_that_covers_curves_moves_out_of_its_panel():
    with style():
        figure = new_figure(8.0, 3.0)
        ax = figure.subplots()
        ax.plot(np.linspace(0, 1, 50), np.linspace(1, 0, 50), label="a curve with a name that is rather long")
        ax.plot([0, 1], [0.9, 1], label="another one with a name that is long")
        ax.legend(loc="upper left")
    page = fit_to_width(figure, 6.0)
    legend, panel = page.axes[0].get_legend().get_window_extent(), page.axes[0].get_window_extent()
    assert legend.y1 < panel.y0 and legend.y0 >= 0 and legend.x1 <= page.bbox.x1


def test_the_rows_of_a_headed_figure_stay_together():
    figure = made_panels()
    for number, ax in enumerate(figure.axes):
        if number % 3 == 0:
            ax.set_title(f"Row {number}\n{ax.get_title(loc='left')}", loc="left")
    panels = panels_of(fit_to_width(figure, 8.9))
    assert len({round(ax.get_position().x0, 2) for ax in panels}) == 3


def test_acronyms_are_spelled_out_once_below_the_panels():
    acronyms = {"ECE": "expected calibration error", "SO": "Southern Ocean", "BIC": "Bayesian information criterion"}
    figure = made_panels(1, 1)
    figure.axes[0].set(xlabel="ECE (1)", ylabel="SOFT BIC", title="The Bayesian information criterion")
    note = " ".join(fit_to_width(figure, 18.3, acronyms=acronyms).get_supxlabel().split())
    assert note == f"{LONG} ECE: expected calibration error."
    # once more: it is there already
    figure.supxlabel("ECE: expected calibration error.")
    assert fit_to_width(figure, 18.3, acronyms=acronyms).get_supxlabel() == "ECE: expected calibration error."


def test_a_width_without_room_is_an_error():
    with pytest.raises(ConfigError, match=r"does not fit into 1.2 cm: .*\. Choose a larger width"):
        fit_to_width(made_panels(), 1.2)


def test_numbers_in_the_cells_of_a_matrix_do_not_cover_one_another():
    figure = Figure(figsize=(9, 2.5), layout="constrained")
    ax = figure.subplots()
    ax.imshow(np.zeros((5, 7)), aspect="auto")
    for row, column in np.ndindex(5, 7):
        ax.text(column, row, "0.55\n0.43 to 0.66", ha="center", va="center", fontsize=6)
    page = fit_to_width(figure, 8.9)
    boxes = [text.get_window_extent() for text in page.axes[0].texts]
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])
