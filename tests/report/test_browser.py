"""The report in headless Chromium: everything shows, nothing runs off the page."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from report.classification.page import build_report

pytestmark = pytest.mark.browser

MEASURE = """<script>
addEventListener("load", () => {
  const images = [...document.images];
  document.body.dataset.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  document.body.dataset.images = images.length;
  document.body.dataset.broken = images.filter(image => !image.naturalWidth).length;
});
</script></body>"""

SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=5000"
)


@pytest.fixture(scope="module")
def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium; install Debian's package chromium")


@pytest.mark.parametrize("width", [1280, 420])
def test_the_page_fits_and_its_images_show(finished_run, chromium: str, tmp_path: Path, width: int) -> None:
    files, config = finished_run
    page = tmp_path / "report.html"
    build_report(files.folder, config, page)
    source = page.read_text(encoding="utf-8")
    assert "</body>" in source
    page.write_text(source.replace("</body>", MEASURE), encoding="utf-8")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [chromium, *SWITCHES.split(), profile, f"--window-size={width},2000", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    measured = dict(re.findall(r'data-(overflow|images|broken)="(-?\d+)"', done.stdout))
    assert int(measured["images"]) >= 5
    assert measured["broken"] == "0"
    assert int(measured["overflow"]) <= 0
