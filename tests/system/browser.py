"""A real browser the size of a phone: Debian's Chromium without a screen."""

import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from tools.setup import setup

NAME = "captive.example"
WIDTH, HEIGHT = 360, 740
_LOAD_S = 30

# Every text that is to be seen, with its colour and what is behind it.
_TEXTS = """
const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode, element = node.parentElement;
  if (!node.textContent.trim() || element.closest("[aria-hidden],style,script,:disabled") || !element.offsetParent) continue;
  let behind = element;
  while (behind && getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
  found.push([node.textContent.trim(), getComputedStyle(element).color,
              behind ? getComputedStyle(behind).backgroundColor : "rgb(255, 255, 255)"]);
}
return found;
"""


# Every text of two words' length that is to be seen, with the characters that fit on its lines.
_LINES = """
const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = document.createRange();
while (walker.nextNode()) {
  const text = walker.currentNode.textContent.trim();
  if (text.length < 16 || !walker.currentNode.parentElement.offsetParent) continue;
  range.selectNodeContents(walker.currentNode);
  const lines = new Set([...range.getClientRects()].map((each) => Math.round(each.top))).size;
  found.push([text, text.length / lines]);
}
return found;
"""
_LEAST = 8  # characters of a line


def start(port):
    """A Chromium for which NAME, and port 80 here, is the board's web server."""
    missing = [package for name, package in setup.BROWSER.items() if not shutil.which(name)]
    if missing:
        pytest.skip(f"needs Debian's {', '.join(missing)}")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",  # root has none
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        f"--host-resolver-rules=MAP {NAME}:80 127.0.0.1:{port},MAP 127.0.0.1:80 127.0.0.1:{port}",
    ):
        options.add_argument(argument)
    metrics = {"width": WIDTH, "height": HEIGHT, "pixelRatio": 1.5}
    options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
    found = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    found.set_page_load_timeout(_LOAD_S)
    return found


def runs_scripts(browser):
    """Would the page's own scripts run? (Those of the driver do; without them it can see nothing.)"""
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'document.title = 1';"
        "document.head.append(s)"
    )
    return browser.title == "1" or bool(browser.find_elements(By.TAG_NAME, "noscript"))


def dark(browser, on=True):
    scheme = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def picture(browser, path):
    """The whole page as a PNG."""
    height = browser.execute_script("return document.documentElement.scrollHeight")
    metrics = {"width": WIDTH, "height": height, "deviceScaleFactor": 1.5, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    path.write_bytes(browser.get_screenshot_as_png())
    metrics["height"] = HEIGHT
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def contrasts(browser):
    """[(WCAG 2.1 contrast ratio, text)] of all that is to be read."""
    return [
        (ratio(_rgb(colour), _rgb(behind)), text)
        for text, colour, behind in browser.execute_script(_TEXTS)
    ]


def narrow(browser):
    """[(text, characters on a line)] of what stands in a column that is too narrow to read."""
    return [each for each in browser.execute_script(_LINES) if each[1] < _LEAST]


def _rgb(css):
    return [float(part) for part in css.partition("(")[2].rstrip(")").split(",")[:3]]


def ratio(one, other):
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(rgb):
    parts = [c / 255 for c in rgb]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
