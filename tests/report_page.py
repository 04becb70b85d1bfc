"""The report of a run in a browser, and runs that make one."""

from tests import kedro_runs
from tests.browser import Page

READY = "document.documentElement.dataset.ready === 'yes'"
SECTIONS = (
    *("summary", "regimes", "skill", "uncertainty", "explanations", "scenarios", "explorer"),
    *("limits", "glossary", "methods", "manifest"),
)


def kedro(root, *arguments):
    """Run in the test environment into a folder, and return what was printed."""
    done = kedro_runs.kedro(root, "run", "--env", "test", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def opened(root):
    """Return the open report of a run."""
    page = Page()
    page.open(root / "08_reporting/report.html", ready=READY)
    return page


def cell_shown(page):
    """Return the number and the title of the cell in the explorer."""
    return page.run(
        "[document.querySelector('#ocean-map').dataset.cell, document.querySelector('#cell-title').innerText]"
    )
