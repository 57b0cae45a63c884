"""The documentation site, without the slow writing of every page: reading, links and references are checked."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import clfa

pytest.importorskip("myst_parser")
pytest.importorskip("furo")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "site"))

from assemble import assemble, set_links  # noqa: E402
from build_site import run_sphinx  # noqa: E402
from navigation import sections  # noqa: E402

INDEX = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembled pages."""
    path = tmp_path_factory.mktemp("site") / "source"
    assemble(path)
    return path


def test_the_site_builds_without_a_warning(sources: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # Everything is read and every reference resolved; no page is written.
    assert run_sphinx(sources, sources.with_name("checked"), builder="dummy") == 0, capfd.readouterr().err


def test_a_page_loads_nothing_from_outside(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("# Title\n\nText\n", encoding="utf-8")
    site = tmp_path / "site"
    assert run_sphinx(tmp_path, site) == 0
    page = (site / "index.html").read_text(encoding="utf-8")
    loaded = re.findall(r"<(?:link|script|img)\b[^>]*?(?:href|src)=\"([^\"]+)\"", page)
    assert len(loaded) > 3
    assert [address for address in loaded if "//" in address] == []
    outside = re.compile(r"@import|url\(\s*['\"]?(https?:)?//")
    assert [path.name for path in site.rglob("*.css") if outside.search(path.read_text(encoding="utf-8"))] == []


def test_every_public_name_has_a_place_in_the_reference(sources: Path) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (sources / "api").glob("*.rst"))
    described = set(re.findall(r"clfa\.(\w+)$", text, re.MULTILINE))
    assert described == {*clfa.__all__} - {"__version__"}


def test_every_page_is_in_the_navigation_once() -> None:
    linked = [link for section in sections(INDEX) for link in section.links if not link.startswith("..")]
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert sorted(linked) == sorted(pages - {"index.md"})


def test_links_that_leave_the_folder_lead_to_the_place_in_the_site(tmp_path: Path) -> None:
    page, place = ROOT / "docs" / "plugins.md", tmp_path / "plugins.md"
    pages = {page: place, ROOT / "CONTRIBUTING.md": tmp_path / "project" / "contributing.md"}
    text = set_links(page, place, pages, tmp_path)
    assert "[CONTRIBUTING.md](project/contributing.md)" in text
    assert "../CONTRIBUTING.md" not in text


def test_a_link_that_leads_nowhere_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("assemble.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("[x](nowhere.md)", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"page\.md: the link 'nowhere\.md' leads nowhere\."):
        set_links(page, page, {page: page}, tmp_path)
