"""The report of a tiny run, in a browser with mouse and keyboard, on a phone and on paper."""

import json
import re

import pandas as pd
import pytest

from tests.browser import Page
from tests.report_page import READY, SECTIONS, cell_shown, opened
from thor.report.content import captions
from thor.report.words import PREDICTOR_NAMES


@pytest.fixture(scope="module")
def root(whole_run):
    return whole_run[0]


@pytest.fixture(scope="module")
def page(root):
    page = opened(root)
    yield page
    page.close()


def test_the_page_is_one_file_without_errors_and_every_image_is_there(page, root):
    assert (root / "08_reporting/report.html").stat().st_size < 15e6
    assert page.errors == []
    outside = [url for url in page.requests if not url.startswith(("data:", "blob:"))]
    assert outside == [(root / "08_reporting/report.html").as_uri()]
    images = page.run("[...document.images].map(i => [i.complete && i.naturalWidth > 0, i.alt.length > 20])")
    assert len(images) == len(captions()) + 2, "and the two maps of the first screen"
    assert all(loaded and described for loaded, described in images)
    assert page.run("[...document.querySelectorAll('main > section')].map(s => s.id)") == list(SECTIONS)
    links = page.run("[...document.querySelectorAll('nav a')].map(a => a.getAttribute('href').slice(1))")
    assert links == list(SECTIONS)


def test_the_first_screen_shows_two_maps_and_five_findings(page, root):
    page.resize(1440, 900)
    bottoms = page.run(
        "[...document.querySelectorAll('.firsts img, .findings div')]"
        ".map(e => e.getBoundingClientRect().bottom + scrollY)"
    )
    page.resize(1280, 900)
    assert len(bottoms) == 7 and max(bottoms) <= 900
    summary = json.loads((root / "08_reporting/summary.json").read_text())
    shown = page.run(
        "[...document.querySelectorAll('.findings div')].map(e => [e.innerText, e.querySelector('a').hash])"
    )
    for (text, link), finding in zip(shown, summary["findings"], strict=True):
        assert text.startswith(finding["headline"]) and finding["text"] in text and link == f"#{finding['section']}"
    accuracy = summary["skill"]["predictors"]["average"]["accuracy"]["value"]
    assert summary["findings"][1]["headline"] == f"{100 * accuracy:.0f}\u00a0% correct"


def test_each_section_begins_with_a_figure_and_at_most_twelve_are_unfolded(page):
    for section in ("regimes", "skill", "uncertainty", "explanations"):
        assert page.run(f"document.querySelector('#{section} h2').nextElementSibling.tagName") == "FIGURE"
    unfolded = "[...document.querySelectorAll('main figure')].filter(f => !f.closest('details, .cell')).length"
    assert 8 <= page.run(unfolded) <= 12
    assert page.run("document.querySelectorAll('#scenarios details:not([open])').length") >= 3


def test_every_link_to_a_file_is_right_and_every_figure_and_dataset_has_one(page, root):
    links = page.run("[...document.querySelectorAll('main a')].map(a => a.getAttribute('href'))")
    files = [link for link in links if not link.startswith(("#", "http"))]
    missing = [link for link in files if not (root / "08_reporting" / link).exists()]
    assert missing == [] and len(set(files)) > 60
    figures = page.run("[...document.querySelectorAll('figure.drawn')].map(f => !!f.querySelector('a[download]'))")
    assert figures and all(figures)
    assert page.run("[...document.querySelectorAll('#files tbody tr')].every(r => r.querySelector('a'))")
    inside = "[...document.querySelectorAll('nav a, .findings a')].every(a => document.querySelector(a.hash))"
    assert page.run(inside)


def test_the_glossary_explains_every_acronym(page):
    text = page.run(
        "(() => { const m = document.querySelector('main').cloneNode(true);"
        "m.querySelectorAll('#manifest, #glossary, code, select, table, .files').forEach(e => e.remove());"
        "return m.textContent; })()"
    )
    known = " ".join(page.run("[...document.querySelectorAll('#glossary dt, #glossary dd')].map(e => e.textContent)"))
    used = set(re.findall(r"(?<![\w-])[A-Z][A-Z0-9]*[A-Z](?![\w-])", text)) - {"IDEAL"}
    assert {"PNG", "LIME", "AMOC"} <= used
    assert {word for word in used if not re.search(rf"\b{word}\b", known)} == set()


def test_the_explorer_opens_on_an_uncertain_cell_that_the_networks_get_right(page):
    text = page.run("document.querySelector('#cell-text').innerText")
    label, predicted, probability = re.search(
        r"Clustering assigns it to (\S+);.* gives (\S+) as most probable, with a probability of (\d+)", text
    ).groups()
    assert label == predicted and int(probability) < 90 and "Use of the cell in training: test." in text
    assert re.search(r"Conformal set: \S+, ", text) and "It is like the training cells" in text


def test_cells_without_a_budget_are_in_the_legend(page):
    legend = page.run("[...document.querySelectorAll('#ocean-legend > span')].map(e => e.textContent)")
    assert "merged small clusters" in legend and legend[-1] == "budget not used"


def test_every_control_has_a_label_and_every_chart_a_name(page):
    unnamed = "[...document.querySelectorAll('select, input')].filter(e => !e.labels.length).map(e => e.outerHTML)"
    assert page.run(unnamed) == []
    charts = page.run("[...document.querySelectorAll('.chart')].map(c => [!!c.ariaLabel, !!c.querySelector('svg')])")
    assert len(charts) == 5
    assert all(named and drawn for named, drawn in charts)


def pixels(page, canvas):
    return page.run(f"document.querySelector('{canvas}').toDataURL()")


def test_a_click_shows_all_numbers_of_another_cell(page):
    before = cell_shown(page)
    page.click("#ocean-map", across=0.55, down=0.45)  # the tropical Pacific
    page.wait_for(f"document.querySelector('#ocean-map').dataset.cell !== '{before[0]}'")
    _, title = cell_shown(page)
    assert "Pacific Ocean" in title
    text = page.run("document.querySelector('#cell-text').innerText")
    assert "runs agree" in text and "Conformal set" in text
    shown = page.run("document.querySelector('#chart-probabilities').data[0].x")
    assert sum(shown) == pytest.approx(1, abs=0.02)
    attributions = page.run("document.querySelector('#chart-attributions').data.map(t => t.x.length)")
    assert attributions == [13, 13, 13]
    terms = page.run("document.querySelector('#chart-terms').data[0].x")
    assert abs(sum(terms)) < 1e-5 * max(map(abs, terms))
    projections = page.run(
        "[...document.querySelectorAll('#projections tbody tr')].map(r => r.querySelectorAll('.state').length)"
    )
    # of each model: historical in three variants, abrupt-4xCO2, ssp585 and its level; of one, that of abrupt-4xCO2
    assert len(projections) == 19 and min(projections) > 0
    # with many models the rows scroll: the page does not grow with them
    heights = page.run(
        "[...document.querySelectorAll('.scroll.tall')].map(e => [e.clientHeight, e.scrollHeight > e.clientHeight])"
    )
    assert len(heights) == 2 and heights[1][1]
    assert max(height for height, _ in heights) <= page.run("0.8 * innerHeight")


def test_the_numbers_of_a_cell_are_those_of_the_files(page, root):
    import numpy as np
    import xarray as xr

    lat, lon = page.run(
        "(() => { const title = document.querySelector('#cell-title').innerText;"
        "const t = title.match(/([\\d.]+)° ([NS]) ([\\d.]+)° ([EW])/);"
        "return [t[2] === 'S' ? -t[1] : +t[1], t[4] === 'W' ? 360 - t[3] : +t[3]]; })()"
    )
    fields = xr.open_dataset(root / "07_model_output/regime_uncertainty.nc").sel(predictor="average")
    here = fields["regime_probability"].sel(lat=lat, lon=lon, method="nearest").values
    shown = page.run("document.querySelector('#chart-probabilities').data[0].x")
    np.testing.assert_allclose(shown, here, atol=0.003)
    values = xr.open_dataset(root / "07_model_output/shapley_values.nc").sel(predictor="ensemble")
    here = values["attribution"].sel(lat=lat, lon=lon, method="nearest").transpose("feature").values
    shown = page.run("document.querySelector('#chart-attributions').data[1].x")
    np.testing.assert_allclose(shown, here, atol=2e-3 * float(abs(values["attribution"]).max()))


def test_the_keyboard_moves_from_cell_to_cell(page):
    page.run("document.querySelector('#ocean-map').focus()")
    before = cell_shown(page)
    page.key("ArrowRight", 39)
    page.wait_for(f"document.querySelector('#ocean-map').dataset.cell !== '{before[0]}'")
    page.key("ArrowLeft", 37)
    page.wait_for(f"document.querySelector('#ocean-map').dataset.cell === '{before[0]}'")


def test_every_layer_is_another_map(page):
    maps = set()
    for k in range(page.run("document.querySelector('#ocean-layer').options.length")):
        page.choose("#ocean-layer", k)
        maps.add(pixels(page, "#ocean-map"))
        assert page.run("document.querySelector('#ocean-legend').childNodes.length") > 1
    assert len(maps) >= 7  # all cells may be like the training cells
    page.choose("#ocean-predictor", 3)
    assert "Bayesian network" in page.run("document.querySelector('#cell-text').innerText")
    assert page.errors == []


def text(page, selector):
    return page.run(f"document.querySelector('{selector}').innerText").replace("\u00a0", " ")


def layer(page, name):
    page.run(f"document.querySelector('input[name=run-layer][value={name}]').click()")


def test_the_scenario_viewer_follows_its_selectors(page):
    models = page.run("[...document.querySelector('#a-model').options].map(o => o.value)")
    assert models == ["IDEAL-LAND", "IDEAL-POLE", "IDEAL-REG"]
    for side, other in (("a", "b"), ("b", "a")):
        still = pixels(page, f"#{other}-map")
        maps = []
        for model in models:
            page.choose(f"#{side}-model", model)
            maps.append((pixels(page, f"#{side}-map"), pixels(page, "#difference-map")))
        assert len({one for one, _ in maps}) == len({two for _, two in maps}) == 3
        assert pixels(page, f"#{other}-map") == still
        experiments = page.run(f"[...document.querySelector('#{side}-experiment').options].map(o => o.value)")
        page.choose(f"#{side}-experiment", next(key for key in experiments if "abrupt" in key))
    shown = []
    for name in ("forced", "change", "applicable", "truth", "right", "regime"):
        layer(page, name)
        shown.append(pixels(page, "#a-map"))
        caption = text(page, "#a-caption")
        assert ("Test with known truth" in caption and "precision" in caption) == (name in ("forced", "change"))
        assert text(page, "#difference-caption").startswith("Difference, IDEAL-REG abrupt-4xCO2")
    assert len(set(shown)) == 6
    label = text(page, "#a-window-label")
    page.choose("#a-window", 0)
    assert text(page, "#a-window-label") != label
    curves = page.run("JSON.stringify(document.querySelector('#chart-areas').data.map(t => t.y))")
    page.choose("#area-kind", "expected_area")
    assert page.run("JSON.stringify(document.querySelector('#chart-areas').data.map(t => t.y))") != curves
    assert page.errors == []


def test_windows_at_warming_levels_are_diamonds_in_the_colour_of_their_experiment(page):
    curves = page.run(
        "document.querySelector('#chart-areas').data.filter(t => t.name)"
        ".map(t => [t.name, t.line.color, t.marker.symbol])"
    )
    colours = {name: colour for name, colour, _ in curves}
    at_level = [name for name in colours if "-gwl" in name]
    assert at_level and all(colours[name] == colours[name.partition("-gwl")[0]] for name in at_level)
    assert {(symbol == "diamond-open") == (name in at_level) for name, _, symbol in curves} == {True}


def choose_run(page, side, key, window):
    page.choose(f"#{side}-model", key.split("/")[0])
    page.choose(f"#{side}-experiment", key)
    page.choose(f"#{side}-window", window)


def test_equal_sides_do_not_differ_and_windows_of_one_run_can_be_compared(page):
    run = "IDEAL-LAND/abrupt-4xCO2/r1i1p1f1"
    for side in "ab":
        choose_run(page, side, run, 1)
    layer(page, "regime")
    assert "a different regime on 0.0 % of the common area" in text(page, "#difference-caption")
    layer(page, "change")
    assert ", 0.0 percentage points on average" in text(page, "#difference-caption")
    page.choose("#b-window", 0)
    assert ", 0.0 percentage points on average" not in text(page, "#difference-caption")


def test_a_layer_of_the_truth_states_the_share_of_the_area_that_is_right(page, root):
    import numpy as np
    import xarray as xr

    choose_run(page, "a", "IDEAL-LAND/abrupt-4xCO2/r1i1p1f1", 1)
    layer(page, "right")
    stated = float(re.search(r"right on (\d+) %", text(page, "#a-caption"))[1])
    run = xr.open_dataset(root / "07_model_output/scenario_regimes/IDEAL-LAND/abrupt-4xCO2/r1i1p1f1.nc")
    truth = xr.open_dataset(root / "05_model_input/true_regimes/IDEAL-LAND/abrupt-4xCO2/r1i1p1f1.nc")["true_regime"]
    predicted = run["regime"].isel(predictor=0)
    known = (predicted >= 0) & (truth >= 0)
    right = (predicted == truth).where(known).isel(window=1).weighted(run["areacello"].fillna(0)).mean()
    np.testing.assert_allclose(stated, 100 * float(right), atol=3)  # pixels of the map against areas of cells
    assert text(page, "#a-legend").split() == ["right", "wrong"]


def test_forced_changes_are_outlined_on_request(page):
    choose_run(page, "a", "IDEAL-LAND/abrupt-4xCO2/r1i1p1f1", 2)
    layer(page, "regime")
    outlined = pixels(page, "#a-map")
    page.run("document.querySelector('#run-outlines').click()")
    assert pixels(page, "#a-map") != outlined
    page.run("document.querySelector('#run-outlines').click()")
    assert pixels(page, "#a-map") == outlined


def test_a_place_is_marked_on_all_maps_and_hover_names_both_sides(page):
    page.click("#b-map", across=0.5, down=0.5)
    chosen = text(page, "#run-text")
    assert re.match(r"[\d.]+° [NS] [\d.]+° [EW]\nA: .+\nB: .+", chosen) and "truly" in chosen
    box = page.run("(b => [b.x, b.y, b.width, b.height])(document.querySelector('#b-map').getBoundingClientRect())")
    page.send("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + box[2] / 2, y=box[1] + box[3] / 2)
    assert not page.run("document.querySelector('#hover').hidden")
    assert text(page, "#hover") == chosen
    page.send("Input.dispatchMouseEvent", type="mouseMoved", x=2, y=2)
    assert page.run("document.querySelector('#hover').hidden")


def test_the_address_holds_what_is_shown(page, root):
    choose_run(page, "a", "IDEAL-REG/abrupt-4xCO2/r1i1p1f1", 1)
    choose_run(page, "b", "IDEAL-POLE/abrupt-4xCO2/r1i1p1f1", 0)
    layer(page, "forced")
    page.choose("#run-predictor", "bayesian")
    page.click("#a-map", across=0.55, down=0.45)
    shown = ("#a-caption", "#b-caption", "#difference-caption", "#run-text")
    before, address = [text(page, selector) for selector in shown], page.run("location.hash")
    assert address.startswith("#view?a=IDEAL-REG")
    other = Page()
    try:
        file = (root / "08_reporting/report.html").resolve().as_uri()
        other.open(file + address, ready=READY)
        assert [text(other, selector) for selector in shown] == before
        assert pixels(other, "#difference-map") == pixels(page, "#difference-map")
        assert other.run("document.querySelector('#viewer').getBoundingClientRect().top") < 200
        assert other.run("document.querySelector('#a-file').href").endswith(
            "07_model_output/scenario_regimes/IDEAL-REG/abrupt-4xCO2/r1i1p1f1.nc"
        )
        other.open(f"{file}#view?a=IDEAL-OLD/none/r1@1&layer=none&at=x", ready=READY)
        assert other.errors == []
    finally:
        other.close()
    page.choose("#run-predictor", "average")


def test_what_is_shown_can_be_saved_as_a_table(page, root):
    import io

    import xarray as xr

    key = "IDEAL-LAND/abrupt-4xCO2/r1i1p1f1"
    choose_run(page, "a", key, 1)
    choose_run(page, "b", "IDEAL-POLE/abrupt-4xCO2/r1i1p1f1", 1)
    page.run("window.create = URL.createObjectURL, URL.createObjectURL = b => (window.saved = b, window.create(b))")
    page.run("HTMLAnchorElement.prototype.click = function () { window.savedAs = this.download; }")
    page.run("document.querySelector('#save-csv').click()")
    assert page.run("window.savedAs").startswith("thor_IDEAL-LAND_abrupt-4xCO2_r1i1p1f1_")
    saved = page.run("window.saved.text()")
    assert saved.startswith(f"# a: {key} ")
    table = pd.read_csv(io.StringIO(saved), comment="#")
    run = xr.open_dataset(root / f"07_model_output/scenario_regimes/{key}.nc").isel(window=1, predictor=0)
    valid = run["valid"].values == 1
    names = run.attrs["regimes"].split()
    expected = [names[code] if code >= 0 else None for code in run["regime"].values[valid]]
    assert len(table) == valid.sum()
    assert [None if pd.isna(name) else name for name in table["a_regime"]] == expected
    assert (table["a_change_probability"] - run["change_probability"].values[valid]).abs().max() < 0.01
    assert table["b_regime"].notna().mean() > 0.5 and table["a_true_regime"].notna().any()
    assert set(table["a_forced"].dropna()) <= {"none", "shift", "forced"}


def test_tiles_show_the_regime_of_the_baseline_first(page):
    tiles = page.run("[...document.querySelectorAll('#projections .state')].map(e => [e.title, e.innerText])")
    compared = [(title, shown) for title, shown in tiles if " in the baseline, " in title]
    for title, shown in compared:
        before, after = re.search(r": (\S+) in the baseline, (\S+)$", title).groups()
        assert shown.startswith(f"{before} → {after}" if before != after else after)
    assert len(compared) > 10


BEYOND = """
[...document.querySelectorAll('header *, main *')].filter(e => {
  if (e.ownerSVGElement || e.getBoundingClientRect().right <= innerWidth + 1) return false;
  for (let up = e.parentElement; up; up = up.parentElement)
    if (up !== document.body && getComputedStyle(up).overflowX === 'auto') return false;
  return true;
}).map(e => `${e.tagName} ${e.id} ${e.className}`)
"""
"""What reaches beyond the right edge and cannot be scrolled to; inside charts nothing is shown beyond their edges."""

CHARTS_FIT = (
    "[...document.querySelectorAll('.chart')].every(c => c.querySelector('svg').getBoundingClientRect().width"
    " <= c.getBoundingClientRect().width + 1)"
)


def test_a_phone_shows_it_without_scrolling_sideways(page):
    page.resize(390, 844, mobile=True)
    page.run("window.dispatchEvent(new Event('resize'))")
    page.wait_for(f"document.documentElement.scrollWidth <= 390 && {CHARTS_FIT}")
    assert page.run(BEYOND) == []
    assert page.run("document.querySelector('#chart-areas').layout.grid.columns") == 1
    boxes = page.run("[...document.querySelectorAll('.scroll')].map(b => [b.scrollWidth > b.clientWidth, b.tabIndex])")
    assert any(scrolls for scrolls, _ in boxes)
    assert all((stop == 0) == scrolls for scrolls, stop in boxes), "what scrolls takes the focus, and nothing else"
    controls = "[...document.querySelectorAll('main select, #a-window, #save-csv')]"
    assert page.run(f"{controls}.filter(e => e.offsetHeight < 32).map(e => e.id)") == []
    # names of predictors and of rows leave room for the numbers, and stay in sight beside them
    assert page.run("(c => c._fullLayout._size.w / c.clientWidth)(document.querySelector('#chart-skill'))") > 0.9
    turned = "[...document.querySelectorAll('#chart-skill .xtick text')].map(t => t.getAttribute('transform'))"
    assert not any("rotate" in (transform or "") for transform in page.run(turned))
    first = (
        "[...document.querySelectorAll('#skill .scroll')].map(b => {"
        "b.closest('details').open = true; b.scrollLeft = 60; const e = b.querySelector('tbody th');"
        "const x = e.getBoundingClientRect().x - b.getBoundingClientRect().x;"
        "b.scrollLeft = 0; b.closest('details').open = false; return [x, e.offsetWidth / b.clientWidth]; })"
    )
    for shift, share in page.run(first):
        assert shift == pytest.approx(0, abs=1) and share < 0.5
    page.resize(1280, 900)
    page.wait_for("document.querySelector('#chart-areas').layout.grid.columns === 3")
    assert page.run("document.querySelector('#chart-skill').layout.annotations") == []


def test_paper_holds_all_of_it(page):
    """The width is that between the margins of A4."""
    closed = page.run("document.querySelectorAll('details:not([open])').length")
    page.resize(702, 1000)
    page.send("Emulation.setEmulatedMedia", media="print")
    page.run("window.dispatchEvent(new Event('beforeprint'))")
    try:
        page.wait_for(CHARTS_FIT)
        assert page.run(BEYOND) == []
        wide = (
            "[...document.querySelectorAll('.scroll')].filter(b => b.offsetParent && b.scrollWidth > b.clientWidth + 1)"
        )
        assert page.run(f"{wide}.map(b => b.innerText.slice(0, 40))") == []
        hidden = (
            "['nav', '.controls', '.skip'].every(s => getComputedStyle(document.querySelector(s)).display === 'none')"
        )
        assert page.run(hidden)
        assert page.run("document.querySelectorAll('details:not([open])').length") == 0
        assert page.run("getComputedStyle(document.querySelector('header')).backgroundColor") == "rgba(0, 0, 0, 0)"
        whole = "[...document.querySelectorAll('figure, tr')].every(f => getComputedStyle(f).breakInside === 'avoid')"
        assert page.run(whole)
        assert page.run("Math.max(...[...document.images].map(i => i.getBoundingClientRect().height))") < 0.5 * 1123
        assert "IDEAL" in page.run("document.querySelector('#a-caption').innerText")
        layer = page.run("document.querySelector('#ocean-layer').selectedOptions[0].label")
        assert page.run("document.querySelector('#ocean-caption').innerText").startswith(layer)
    finally:
        page.run("window.dispatchEvent(new Event('afterprint'))")
        page.send("Emulation.setEmulatedMedia", media="")
        page.resize(1280, 900)
    assert page.run("document.querySelectorAll('details:not([open])').length") == closed
    page.wait_for(f"document.querySelector('#chart-skill svg').clientWidth > 1000 && {CHARTS_FIT}")
    assert page.errors == []


def test_the_tab_key_reaches_all_controls_in_order_with_visible_focus(page):
    page.run("window.scrollTo(0, 0), document.querySelector('.skip').focus()")
    stops, outlines = [], []
    for _ in range(120):
        page.key("Tab", 9)
        stop, outline = page.run(
            "(() => { const e = document.activeElement; return [e.id || e.name, getComputedStyle(e).outlineStyle]; })()"
        )
        stops.append(stop)
        outlines.append(outline)
        if stop == "ocean-map":
            break
    named = [stop for stop in stops if stop]
    assert named == [
        *("run-layer", "run-predictor", "run-outlines"),
        *(f"{side}-{part}" for side in "ab" for part in ("model", "experiment", "window", "map")),
        *("difference-map", "save-csv", "a-file", "b-file", "area-kind"),
        *("ocean-layer", "ocean-predictor", "ocean-map"),
    ]
    assert set(outlines) == {"solid"}


def test_the_scenario_viewer_works_by_keys_alone(page):
    page.run("document.querySelector('#a-window').focus()")
    page.key("End", 35)
    label = text(page, "#a-window-label")
    page.key("ArrowLeft", 37)
    assert text(page, "#a-window-label") != label
    layer(page, "change")
    page.run("document.querySelector('input[name=run-layer][value=change]').focus()")
    page.key("ArrowRight", 39)
    assert page.run("document.querySelector('input[name=run-layer]:checked').value") == "forced"
    for canvas in ("#a-map", "#b-map", "#difference-map"):
        page.run(f"document.querySelector('{canvas}').focus()")
        before = pixels(page, canvas)
        page.key("ArrowRight", 39)
        assert pixels(page, canvas) != before, "the mark moves"
    assert "forced regime change (beyond internal variability, P(change) of at least 50 %)" in text(page, "#a-caption")


def test_figures_and_predictors_stand_in_their_order(page):
    for section in SECTIONS:
        titles = page.run(
            f"[...document.querySelectorAll('#{section} figure.drawn figcaption.title')].map(c => c.textContent)"
        )
        assert titles == [
            caption.title
            for shown in (True, False)
            for caption in captions().values()
            if caption.shown == shown and caption.section == {"methods": "data"}.get(section, section)
        ]
    names = page.run("[...document.querySelectorAll('#skill tbody th')].map(c => c.textContent)")
    assert names == [name for name in PREDICTOR_NAMES.values() if name in names]
    assert names[0] == "the mean of networks and boosting"
    assert page.run("document.querySelector('#chart-skill').data[0].y") == names


def test_sentences_and_manifest_hold_the_numbers_of_the_files(page, root):
    skill = json.loads((root / "08_reporting/skill_metrics.json").read_text())
    text = page.run("document.querySelector('#skill').innerText").replace("\u00a0", " ")
    assert f"{100 * skill['average']['test']['accuracy']:.0f} % of the cells" in text
    assert "In the Atlantic" in text
    manifest = json.loads((root / "08_reporting/manifest.json").read_text())
    assert manifest["differences"] == []
    assert manifest["last_run"]["seed"] == 42
    assert manifest["last_run"]["parameters"]["modelling"]["training"]["n_networks"] == 4
    names = [node["name"] for node in manifest["nodes"]]
    assert {"make_training_ocean", "track_regimes", "index_figures", "summarise_run"} <= set(names)
    assert all(node["seconds"] >= 0 and node["peak_memory_mb"] > 50 for node in manifest["nodes"])
    from thor.core.checksums import sha256

    for name in ("regimes", "ensemble", "scenario_regimes", "skill_metrics"):
        assert manifest["datasets"][name]["sha256"] == sha256(root / manifest["datasets"][name]["path"])
    assert set(captions()) <= set(manifest["datasets"])
