"""The page in a real browser: one post, a file of posts, the keyboard, a phone's width, and nothing from elsewhere."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clfa.prediction.post import Post
from clfa.serving.page import FILES, FOLDER, POLICY
from clfa.serving.served_model import ServedModel
from clfa.sheets import guarded
from serving.conftest import Client, picture
from serving.live import Live, live

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = "<img src=x onerror=alert(1)>=1+1"


def test_files_come_with_a_strict_policy(client: Client) -> None:
    import asyncio

    async def ask() -> None:
        async with client() as http:
            for path, (name, kind) in FILES.items():
                answer = await http.get(path)
                assert (answer.content, answer.headers["content-type"]) == ((FOLDER / name).read_bytes(), kind)
                assert answer.headers["content-security-policy"] == POLICY

    asyncio.run(ask())
    for name, _ in FILES.values():
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert [word for word in ("http://", "https://", "innerHTML", "eval(", "document.write") if word in text] == []
    assert {path.name for path in FOLDER.iterdir()} == {name for name, _ in FILES.values()}


@pytest.fixture(scope="module")
def server(tiny_run: Path) -> Iterator[Live]:
    with live(tiny_run) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if BROWSER is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield one
        one.close()


@pytest.mark.slow
def test_one_post_and_a_file_of_posts(browser: Any, server: Live, served: ServedModel, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme="dark", reduced_motion="reduce")
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append("a dialog"))
    page.goto(server.url)
    page.locator("#about", has_text="answers with").wait_for()

    # With the keyboard alone.
    page.get_by_label("Text", exact=True).focus()
    page.keyboard.type(f"so sunny {HOSTILE}")
    page.get_by_label("Picture", exact=True).set_input_files(
        {"name": f"{HOSTILE}.png", "mimeType": "image/png", "buffer": picture("red")}
    )
    page.get_by_role("button", name="Ask", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_text("The answer is there.").wait_for()
    (wanted,) = served.classifier([Post(f"so sunny {HOSTILE}", [picture("red")])])
    assert page.locator("#targets h4").inner_text() == wanted.label
    for label, share in wanted.probabilities.items():
        assert f"{100 * share:.1f} %" in page.locator("#targets li", has_text=label).inner_text()
    assert page.evaluate("document.activeElement.id") == "answer"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off on a phone"

    # A post that cannot be read.
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("missing image").wait_for()

    table = tmp_path / "posts.csv"
    rows = f'=1+1,great,images/a.png\nb,{HOSTILE},b.png\nc,great,c.png\nd,"two\nlines",a.png\ne,short\n'
    table.write_text(f"id,text,image\n{rows}", encoding="utf-8")
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(picture("blue"))
    page.get_by_label("Table with a line of names").set_input_files(table)
    page.get_by_label("Pictures, all at once").set_input_files([tmp_path / "a.png", tmp_path / "b.png"])
    page.get_by_role("button", name="Ask for all").click()
    page.get_by_text("5 rows: 3 with an answer, 2 without").wait_for()
    with page.expect_download() as waiting:
        page.get_by_text("Download all rows").click()
    found = list(csv.reader(io.StringIO(Path(waiting.value.path()).read_text(encoding="utf-8-sig"), newline="")))
    assert found[0][:3] == ["id", "text", "prediction"]
    assert [row[0] for row in found[1:]] == ["'=1+1", "b", "c", "d", "5"]
    assert found[2][1] == guarded(HOSTILE)
    assert found[3][-1] == "no chosen picture is named c.png"
    assert found[4][1] == "two\nlines"
    assert found[5][-1] == "The row has 2 cells, the table 3 columns."
    good = served.classifier([Post("great", [picture("blue")])])[0]
    assert [float(value) for value in found[1][3:-1]] == pytest.approx(list(good.probabilities.values()), abs=2e-6)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    # Cells are guarded as in Python.
    texts = ["=1", " -x", "-0.5", "a;=1", "\t x", "a\n@b", "'=1", "＝x", '"=x', "a-b", "\u200b+1", "\x85=1"]
    script = "async (texts) => { const m = await import('/posts.js'); return texts.map(m.guarded); }"
    assert page.evaluate(script, texts) == [guarded(text) for text in texts]
    assert [url for url in asked if not url.startswith((server.url, "blob:", "data:"))] == []
    # The post that could not be read.
    assert [fault.partition(" (")[0] for fault in faults] == [
        "Failed to load resource: the server responded with a status of 422"
    ]
    page.close()
