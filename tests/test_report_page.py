# SPDX-License-Identifier: GPL-2.0-only
"""The report's page in a headless Chromium: the matrix, filters, keys, hostile texts, light and dark, paper."""

import time

import pytest
import report_runs
from chromium import LACKS, Chromium, ChromiumError
from report_runs import record
from test_report import HOSTILE, small  # noqa: F401: a fixture

from harness.driver import report
from harness.driver.report_data import Report

pytestmark = pytest.mark.skipif(bool(LACKS), reason=LACKS)


@pytest.fixture(scope="module")
def browser():
    chromium = Chromium()
    yield chromium
    chromium.close()


@pytest.fixture
def page(browser, small):  # noqa: F811
    return show(browser, small)


def show(browser, folder, address=""):
    """Opens the report of a run; a test that ends with an error of a script or a request of the page's fails."""
    (folder / "index.html").write_text(report.render(Report([folder], {"go:futexsleep": {"title": "Go", "what": "parks", "breaks": "it hangs"}}).data()))
    browser.errors.clear()
    browser.requests.clear()
    browser.media("light")
    browser.size(1400, 900)
    browser.open(f"file://{folder}/index.html{address}")
    return browser


def where(page) -> str:
    """What a screen reader says of the cell the user is at."""
    return page.run("document.getElementById(matrix.getAttribute('aria-activedescendant')).getAttribute('aria-label')")


def test_hostile_texts_stay_text(page):
    assert page.run("document.title").startswith("osprim: 13 clauses")
    page.run("showClause(D.clauses.findIndex(c => c[0].startsWith('hostile')), 2)")
    assert page.run("document.querySelectorAll('img, b, script:not([type])').length") == 1  # the page's own script
    told = page.run("pane.textContent")
    assert HOSTILE[0] in told and HOSTILE[1] in told and "\u241b[31m\u2400" in told and "characters more" in told
    assert page.run("[...document.querySelectorAll('a')].every(a => /^(#|https:)/.test(a.getAttribute('href')))")
    assert page.errors == [] and all(url.startswith("file:") for url in page.requests)


def test_the_policy_stops_a_script_that_came_in(page):
    page.run("(() => { const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s) })()")
    assert page.run("document.title") != "1"
    page.errors.clear()


def test_keys_alone_lead_to_a_log_and_back(page):
    page.key("m")
    assert page.run("document.activeElement.id") == "matrix"
    page.key("Home", ctrl=True)
    assert where(page) == "suite futex"
    page.key("ArrowRight")
    assert where(page).startswith("suite futex, debian:5.10.262:arm64")
    page.key("End", ctrl=True)
    page.key("ArrowUp")
    page.key("Home", ctrl=True)
    page.key("n")
    assert where(page) == "futex/pi/it_is_known, debian:6.9.12:x86_64: pass, unexpectedly"
    page.key("n")
    assert where(page) == "futex/wait/it_wakes_up, debian:6.9.12:x86_64: fail: x.c:1: Expected 0"
    page.key("Enter")
    told = page.run("pane.innerText")
    for text in ("x86_64: fails on 6.9.12-1, 1 of 2 versions", "the log of it", "./runner.py run futex/wait/it_wakes_up debian:6.9.12:x86_64",
                 "build/x86_64/suites/futex/wait -t it_wakes_up", "go:futexsleep", "parks", "it hangs", "suites/futex/wait.c:81"):
        assert text in told, text
    assert page.run("location.hash") == "#clause=futex/wait/it_wakes_up"
    page.key("p")
    assert "futex/pi/it_is_known" in page.run("pane.innerText")
    page.key("Escape")
    assert page.run("pane.hidden && document.activeElement.id") == "matrix"
    assert page.errors == []


def test_filters_leave_what_was_asked_for(page):
    page.key("/")
    page.type("wakes")
    assert page.run("view.clauses.map(c => D.clauses[c][0])") == ["futex/wait/it_wakes_up"]
    page.key("Escape")
    page.key("Escape")
    assert page.run("view.clauses.length") == 13
    page.key("t")
    page.type("6.9")
    assert page.run("view.cols.map(c => D.columns[c].name)") == ["debian:6.9.12:x86_64"]
    page.key("Escape")
    page.click("[data-verdict=panic]")
    assert page.run("view.clauses.map(c => D.clauses[c][0])") == ["signal/all/a_verdict_of_panic"]
    page.click("[data-verdict=known]")
    assert page.run("view.clauses.length") == 2 and page.run("location.hash") == "#verdict=panic,known"
    page.click("#clear")
    page.run("(() => { $('suite').value = 'hostile'; $('suite').dispatchEvent(new Event('input')) })()")
    assert page.run("view.clauses.length") == 1
    page.click("#clear")
    page.key("/")
    page.type("no such thing")
    assert "Nothing is left" in page.run("matrix.innerText") and page.errors == []
    page.key("Escape")


def test_an_address_brings_its_view_back(browser, small):  # noqa: F811
    page = show(browser, small, "#q=futex&verdict=fail&clause=futex%2Fwait%2Fit_wakes_up")
    assert page.run("[chosen.q, [...chosen.verdicts].join(), D.clauses[shown][0], view.clauses.length]") == ["futex", "fail", "futex/wait/it_wakes_up", 4]
    assert page.errors == []


def test_each_verdict_has_a_sign_and_a_colour_of_its_own(page):
    signs = page.run("D.words.map(word => Object.values(CELL).find(cell => cell.word === word && !cell.marks).sign)")
    assert len(set(signs)) == 8
    for scheme in ("light", "dark"):
        page.media(scheme)
        assert len(set(map(tuple, page.run("(palette.clear(), D.words.map(word => coloursOf(word).slice(0, 2)))")))) == 8


def test_text_is_readable_in_light_and_dark(page):
    contrast = """(() => { const lum = c => c.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
        palette.clear();
        return D.words.map(word => { const [a, b] = coloursOf(word).slice(0, 2).map(lum); return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) }) })()"""
    for scheme in ("light", "dark"):
        page.media(scheme)
        assert min(page.run(contrast)) > 3.6, scheme


def test_a_narrow_window_scrolls_only_the_matrix(page):
    page.size(400, 800)
    page.key("m")
    page.key("n")
    page.key("Enter")
    assert page.run("document.documentElement.scrollWidth") <= 400 and page.errors == []


def test_paper_has_the_matrix_the_open_clause_and_the_lists(page):
    page.run("showClause(D.clauses.findIndex(c => c[0].includes('wakes')), 1)")
    page.run("dispatchEvent(new Event('beforeprint'))")
    page.media(media="print")
    told = page.run("document.body.innerText")
    assert "the log of it" in told and "arm64 5.10.262 cloud" in page.run("$('paper').textContent")
    assert page.run("getComputedStyle(matrix).display") == "none" and page.run("$('paper').querySelectorAll('td').length") > 8
    page.media()
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.pdf().startswith(b"%PDF") and page.errors == []


def outer_html(browser) -> str:
    """The page's elements as they are now, without its scripts' help; "" while another one takes their place."""
    try:
        root = browser.send("DOM.getDocument", depth=0)["root"]["nodeId"]
        return browser.send("DOM.getOuterHTML", nodeId=root)["outerHTML"]
    except ChromiumError:
        return ""


def test_without_scripts_the_lists_stand(browser, small):  # noqa: F811
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        (small / "index.html").write_text(report.render(Report([small]).data()))
        browser.send("Page.navigate", url=f"file://{small}/index.html?still")
        html, end = "", time.monotonic() + 60
        while "</dialog>" not in html and time.monotonic() < end:
            html = outer_html(browser)
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)
    assert "futex/wait/it_wakes_up" in html and "halves are swapped" in html
    assert 'id="main" hidden' in html, "the matrix stays hidden"


def test_a_large_matrix_keeps_few_elements(browser, tmp_path):
    page = show(browser, report_runs.write_large(tmp_path / "large", 2500, 20))
    page.click("#unfold")
    assert page.run("view.rows.length") == 2525
    for top in (0, 20_000, 10_000_000):
        page.run(f"(matrix.scrollTop = {top}, new Promise(done => requestAnimationFrame(() => setTimeout(done))))")
        page.until("names.lastElementChild.getBoundingClientRect().bottom >= matrix.getBoundingClientRect().bottom - 40")
        assert page.run("matrix.querySelectorAll('*').length") < 1000
    page.key("m")
    page.key("End", ctrl=True)
    assert "wait/" in where(page) and page.errors == []
