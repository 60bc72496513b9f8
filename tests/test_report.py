"""The report of a study: what it shows and names as missing, hostile text, and the page in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from PIL import Image

from rnnpipe.cli.main import main
from rnnpipe.io.history import write_history
from rnnpipe.report.contents import in_words, ranges
from rnnpipe.report.curves import Curve, draw
from rnnpipe.report.images import MOST_PIXELS, embed
from rnnpipe.report.page import breakable, commands

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"
STUDY = {
    "tasks": {"motion": {"task": "rdm_fixed", "dt": 50.0}},
    "datasets": {"motion": {"behaviour": {"trials_per_condition": 2}}},
    "experiments": {"a": {"task": "motion", "learning": {"max_updates": 5}, "seeds": [1, 2, 4]}},
    "figures": {
        "shown": {"module": "fig_learning", "of": "a", "needs": ["history"]},
        "absent": {"module": "fig_learning", "of": "a", "seeds": [2], "needs": ["history"]},
    },
    "claims": {
        name: {"quantity": "decision_rate", "of": "a", "needs": ["behaviour"], "target_low": 0.5, "source": HOSTILE}
        for name in ("good", "poor", "unknown")
    },
}
CLAIMS = f"""\
id,source,quantity,unit,target_low,target_high,measured,n_seeds,verdict,range_low,range_high,note
good,"{HOSTILE}",decision_rate,,0.5,,0.9,3,reached,0.8,1,
poor,a paper,decision_rate,,0.5,,0.1,3,missed,0,0.2,"{HOSTILE}"
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a study of which half is there."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "mini.yaml").write_text(yaml.safe_dump(STUDY))
    figures = folder / "results/figures"
    figures.mkdir(parents=True)
    Image.new("RGBA", (40, 20), "navy").save(figures / "shown.png")
    history = [
        {"update": u, "n_trials": 20 * u, "mean_reward": 0.1 * u, "p_correct": 0.4 + 0.1 * u}
        | {"value_rmse": 0.1, "criterion": u == 5}
        for u in range(6)
    ]
    path = folder / "results/train/a/seed1.history.h5"
    path.parent.mkdir(parents=True)
    write_history(path, history, {}, {"torch": "9.9.9", "stage": "train"}, seed=1, reached_criterion=True)
    (folder / "results/claims.csv").write_text(CLAIMS)
    times = folder / "results/benchmarks/train/a"
    times.mkdir(parents=True)
    (times / "seed1.tsv").write_text("s\tmax_rss\tcpu_time\n61.5\t100\t50\n")
    (folder / "results/bench.jsonl").write_text(
        json.dumps({"name": HOSTILE, "value": 12.0, "unit": "trials/s", "threads": 1, "n": 3, "ratio": None}) + "\n"
    )
    config = json.dumps({"sources": [str(folder / "mini.yaml")]})
    out = folder / "report.html"
    assert main(["report", "--config", config, "--results", str(folder / "results"), "--out", str(out)]) == 0
    return out


class Reader(HTMLParser):
    """Identifiers, links and resources of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.scripts = 0
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if tag == "a" else []
        self.sources += [values[key] for key in ("src", "srcset", "data") if key in values]
        self.sources += [values["href"]] if tag == "link" else []
        self.scripts += tag == "script"
        self.handlers += [key for key in values if key.startswith("on")]


def test_links_lead_somewhere_and_everything_is_within_the_page(page: Path) -> None:
    reader = Reader()
    reader.feed(page.read_text())
    assert len(reader.ids) == len(set(reader.ids))
    assert reader.links and all(link[0] == "#" and link[1:] in reader.ids for link in reader.links), reader.links
    assert any(source.startswith("data:image/png;base64,") for source in reader.sources)
    assert all(source.startswith("data:") for source in reader.sources)
    assert {"figure-shown", "experiment-a", "claim-good", "provenance"} <= set(reader.ids)


def test_hostile_text_is_text(page: Path) -> None:
    reader = Reader()
    reader.feed(page.read_text())
    assert reader.scripts == 1 and not reader.handlers
    assert HOSTILE not in page.read_text() and "&lt;/script&gt;" in page.read_text()


def test_what_is_missing_is_named(page: Path) -> None:
    text = page.read_text()
    assert "figure absent has not been drawn" in text
    assert "a is not trained for seed 2, 4" in text
    assert re.search(r'data-verdict="not measured"[^>]*>.*?id="claim-unknown"', text, re.S)


def test_what_is_there_is_shown(page: Path) -> None:
    text = page.read_text()
    assert '<polyline class="curve" points="52.0,' in text and "100 trials</text>" in text
    assert '1 network of <a href="#experiment-a">a</a>: <code>torch 9.9.9</code>' in text
    assert "max_updates = 5" in text and "seed 2" in text and "61.5 s" in text
    assert '<span class="verdict reached">✓ 1 reached</span>' in text


def test_curves_share_an_axis_and_one_point_is_a_dot() -> None:
    one = Curve(0, "accuracy", (50.0,), (0.5,), False, "")
    two = Curve(1, "accuracy", (0.0, 100.0), (0.5, 1.0), True, "")
    drawing = draw([one, two])
    assert drawing is not None and (drawing.low, drawing.high, drawing.x_end) == ("0", "1", "100 trials")
    assert drawing.dots == [(0, "171.0", "59.0")] and drawing.lines == [(1, "52.0,59.0 290.0,10.0")]
    assert draw([Curve(0, "accuracy", (0.0,), (0.5,), False, "")]) is None


def test_a_large_picture_is_scaled_and_a_broken_one_refused(tmp_path: Path) -> None:
    from rnnpipe.errors import ArtefactError

    Image.new("RGB", (1000, MOST_PIXELS // 1000 + 1000), "white").save(tmp_path / "large.png")
    large = embed(tmp_path / "large.png")
    assert large.scaled and 0.95 * MOST_PIXELS < large.width * large.height < 1.01 * MOST_PIXELS
    (tmp_path / "broken.png").write_bytes(b"\x89PNG but no more")
    with pytest.raises(ArtefactError, match="draw it again"):
        embed(tmp_path / "broken.png")


def test_words() -> None:
    assert ranges([4, 0, 1, 2, 7, 8]) == "0 to 2, 4, 7, 8"
    assert in_words({"network": {"n_units": 5}, "b": [1, 2]}) == "network.n_units = 5, b = [1,2]"
    assert in_words({"label": "a, b"}) == 'label = "a, b"'
    assert in_words({}) == "defaults"
    assert breakable("<i>_b") == "&lt;i&gt;_<wbr>b"
    assert commands("`a <b>` makes it") == "<code>a &lt;b&gt;</code> makes it"


def browser() -> tuple[str, str]:
    """A Chromium and its driver, or a skip that says what is missing."""
    names = [shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")]
    if not all(names):
        pytest.skip("no browser: needs chromium and chromedriver (Debian: apt install chromium chromium-driver)")
    return str(names[0]), str(names[1])


def test_in_a_browser(page: Path, tmp_path: Path) -> None:
    program, driver_path = browser()
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser: pip install selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(driver_path, log_output=subprocess.DEVNULL)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.get("about:blank")
        driver.get_log("performance")  # what the browser asked for its own start page
        driver.get(page.as_uri())

        def shown() -> list[str]:
            rows = driver.find_elements("css selector", "#claims-table tbody tr:not([hidden])")
            return [row.find_element("css selector", "td:nth-child(2)").get_attribute("id") for row in rows]

        assert shown() == ["claim-good", "claim-poor", "claim-unknown"]
        search = driver.find_element("id", "claims-search")
        search.send_keys("a paper")
        assert shown() == ["claim-poor"]
        search.clear()
        search.send_keys(" ")
        driver.find_element("css selector", "#claims-filters input[value=missed]").click()
        assert shown() == ["claim-good", "claim-unknown"]
        driver.find_element("css selector", "#claims-filters input[value=missed]").send_keys(" ")  # by keyboard
        measured = driver.find_element("css selector", "#claims-table th:nth-child(4) button")
        measured.click()
        assert shown() == ["claim-poor", "claim-good", "claim-unknown"]
        measured.send_keys("\n")
        assert shown() == ["claim-good", "claim-poor", "claim-unknown"]
        driver.find_element("css selector", "nav a[href='#figure-shown']").click()
        assert driver.current_url.endswith("#figure-shown")
        assert driver.execute_script("return document.querySelector('figure.shown img').naturalWidth") == 40
        assert "owned" not in driver.title
        # the policy of the page refuses nothing of its own, and nothing of the study is taken for a script
        assert driver.get_log("browser") == []
        events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
        asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        assert page.as_uri() in asked and all(url.startswith(("data:", page.as_uri())) for url in asked), asked
        # on a telephone, too, only tables scroll sideways; on paper the settings are unfolded
        screen = {"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        root = "document.documentElement"
        assert driver.execute_script(f"return {root}.scrollWidth <= {root}.clientWidth")
        unfolded = "document.querySelectorAll('td details[open]').length"
        driver.execute_script(f"addEventListener('beforeprint', () => {{ window.n = {unfolded} }})")
        assert len(driver.execute_cdp_cmd("Page.printToPDF", {})["data"]) > 10_000
        assert driver.execute_script(f"return [n, {unfolded}]") == [1, 0]
    finally:
        driver.quit()
