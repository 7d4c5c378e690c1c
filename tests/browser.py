"""A real Chromium for tests of pages: what it shows, asks for and complains of."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WIDTHS = (390, 1280)

# Every text that is shown, with its colour and that of the nearest opaque ground beneath it.
READ_CONTRASTS = """
const parse = (text) => (text.match(/[0-9.]+/g) || []).map(Number);
const over = (top, below) => {
  const alpha = top.length < 4 ? 1 : top[3];
  return [0, 1, 2].map((i) => alpha * top[i] + (1 - alpha) * below[i]);
};
const light = (rgb) => {
  const [r, g, b] = rgb.map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  if (!element) return [255, 255, 255];
  const own = parse(getComputedStyle(element).backgroundColor);
  return own.length === 4 && own[3] === 0 ? ground(element.parentElement)
    : over(own, ground(element.parentElement));
};
const found = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const text = walk.currentNode.textContent.trim();
  const element = walk.currentNode.parentElement;
  if (!text || !element.checkVisibility() || /^(SCRIPT|STYLE)$/.test(element.tagName)) continue;
  const style = getComputedStyle(element);
  const paint = element.closest("svg") ? style.fill : style.color;
  const below = ground(element.closest("svg") || element);
  const [a, b] = [light(over(parse(paint), below)), light(below)];
  found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), text]);
}
return found;
"""


# Waits until every picture has been decoded, or could not be.
LOAD_PICTURES = """
const done = arguments[0];
Promise.allSettled([...document.images].map((image) => image.decode()))
  .then(() => done([...document.images].map((i) => [i.complete && i.naturalWidth > 0, i.alt])));
"""


@dataclass(frozen=True)
class Browser:
    """A Chromium that notes what its page asks for and complains of."""

    driver: Any

    def open(self, address: str, *, width: int = 1280, scheme: str = "light") -> None:
        self.driver.get("about:blank")
        self.driver.get_log("performance")
        self.driver.get_log("browser")
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        self.driver.get(address)

    def run(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def requests(self) -> list[str]:
        """What was asked for that is no file and no data: URL, since the last look."""
        events = [json.loads(entry["message"]) for entry in self.driver.get_log("performance")]
        sent = {}
        for event in events:
            method, about = event["message"]["method"], event["message"]["params"]
            if method == "Network.requestWillBeSent":
                sent[about["requestId"]] = about["request"]["url"]
            elif method == "Network.loadingFailed" and about.get("blockedReason"):
                del sent[about["requestId"]]  # stopped before it went out
        return [url for url in sent.values() if not url.startswith(("file:", "data:"))]

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """Start a Chromium with a new profile; skip where there is none."""
    for program in (CHROMIUM, DRIVER):
        if not program.exists():
            pytest.skip(f"{program} is missing; 'apt-get install chromium chromium-driver'")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = webdriver.ChromeService(executable_path=str(DRIVER))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield Browser(driver)
    finally:
        driver.quit()


def is_wider_than_the_window(browser: Browser) -> bool:
    return bool(
        browser.run(
            "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
    )
