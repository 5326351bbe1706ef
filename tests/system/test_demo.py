"""`make demo` whole, and its page in a real Chromium. With `--screenshots` the picture of README is made anew."""

import re
import signal
import sys
import time

import browser as chromium
import pytest
from outside import until

from tools import ROOT, processes

SECONDS = 40
_START_S = 90  # on a busy machine
WIDTH, HEIGHT = 900, 470

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(300)]


def test_nothing_is_lost_and_the_page_shows_it(request, tmp_path):
    log = tmp_path / "log"
    words = [sys.executable, "-u", "-m", "station", "demo", "--stay", "--seconds", SECONDS]
    words += ["--folder", tmp_path / "demo"]
    with log.open("w") as out:
        process = processes.start(words, cwd=ROOT, stdout=out, stderr=out)
    try:
        until(lambda: "the page stays" in log.read_text(), SECONDS + _START_S, "the end")
        said = log.read_text()
        assert re.search(r"\ntaken (\d+), arrived \1, lost 0, twice 0, invented 0\n", said), said
        assert int(re.search(r"(\d+) of it late", said)[1]) > 3, said
        browser = chromium.start(0)
        try:
            browser.get(re.search(r"http://\S+", said)[0])
            until(lambda: browser.find_elements("css selector", ".u-over"), 30, "a plot")
            if request.config.getoption("screenshots"):
                take(browser, ROOT / "docs" / "demo.png")
        finally:
            browser.quit()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        processes.stop(process)
        sys.stdout.write(log.read_text())


def take(browser, path):
    """The plot of the temperature, as wide as a page of docs."""
    metrics = {"width": WIDTH, "height": 2 * HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    time.sleep(3)  # it is drawn anew when its width has settled
    path.write_bytes(browser.find_element("css selector", ".plot").screenshot_as_png)
