"""Links lead somewhere, names of files are names of files, and what code says is what pages say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kxmsg.api.app import create_app
from kxmsg.api.routes import ROUTERS
from kxmsg.bootstrap import memory_app
from kxmsg.settings import Settings
from tests.docs.pages import PAGES, ROOT, name, prose


def anchors(page: Path) -> set[str]:
    """What ``#…`` may name on a page, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_resolve(page: Path) -> None:
    """To a file of the repository and, where they name one, to a heading on it."""
    for link in re.findall(r"\]\((?!\w+:)([^)]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_named_in_the_text_exist(page: Path) -> None:
    """Within the repository or, shorter, within ``kxmsg/``."""
    for file in re.findall(r"`([\w/.-]+/[\w.-]+\.(?:py|md|yaml|json))`", prose(page)):
        if not file.startswith(("shop", "secrets/")):  # the reader's own, and the data folder's
            assert (ROOT / file).exists() or (ROOT / "kxmsg" / file).exists(), file


def test_every_page_is_in_the_index() -> None:
    """Who looks into ``docs/README.md`` finds all there is."""
    index = ROOT / "docs/README.md"
    linked = {(index.parent / link).resolve() for link in re.findall(r"\]\(([^)#]+)\)", index.read_text())}
    assert {page for page in PAGES if page.is_relative_to(ROOT / "docs")} - linked == {index}


def test_generated_pages_are_up_to_date() -> None:
    """Else ``python docs/generate.py`` makes them so."""
    command = [sys.executable, str(ROOT / "docs/generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)  # noqa: S603 - ours
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_on_rest_has_every_route(tmp_path: Path) -> None:
    """And no other, with the statuses of success that the OpenAPI document tells."""
    app = memory_app(settings=Settings(data=tmp_path))
    paths = create_app(app, ROUTERS).openapi()["paths"]
    there = {
        f"{method.upper()} {path}": next(status for status in operation["responses"] if status.startswith("2"))
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    page = (ROOT / "docs/reference/rest.md").read_text()
    assert dict(re.findall(r"^\| `([A-Z]+ [^`]+)` \| (\d+)", page, re.MULTILINE)) == there
