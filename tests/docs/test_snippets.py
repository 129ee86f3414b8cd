"""What the documentation shows as code is code: it runs, compiles, parses."""

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from kxmsg.bootstrap import memory_app
from kxmsg.codecs.envelope import decode_bundle
from kxmsg.rendering import compile_value
from kxmsg.subscriptions import Defaults, load
from kxmsg.subscriptions.inline_tests import run
from tests.docs.pages import PAGES, ROOT, Snippet, name, prose, snippets

YAML = list(snippets("yaml"))
JSON = list(snippets("json"))


def _quoted(page: Path) -> list[str]:
    return re.findall(r'`"([^`]*\{\{ [^`…]+ \}\}[^`]*)"`', prose(page))


@pytest.mark.parametrize("page", [page for page in PAGES if any(snippets("python", page))], ids=name)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each snippet of a page is a module, named by its first line's comment; its tests pass."""
    monkeypatch.setenv("KXMSG_DATA", str(tmp_path / "data"))
    monkeypatch.syspath_prepend(str(tmp_path))
    known = set(sys.modules)
    try:
        for number, snippet in enumerate(snippets("python", page)):
            first = snippet.text.partition("\n")[0]
            module = first[2:].removesuffix(".py") if first.startswith("# ") else f"snippet_{number}"
            (tmp_path / f"{module}.py").write_text(snippet.text)
            importlib.invalidate_caches()
            for function, test in vars(importlib.import_module(module)).items():
                if function.startswith("test_"):
                    test()
    finally:
        for module in [one for one in sys.modules if one not in known and (tmp_path / f"{one}.py").exists()]:
            del sys.modules[module]


@pytest.mark.parametrize("snippet", YAML, ids=str)
def test_yaml_compiles(snippet: Snippet, tmp_path: Path) -> None:
    """As a folder of subscriptions, with no mistake; inline tests pass."""
    (tmp_path / "snippet.yaml").write_text(snippet.text)
    subscriptions = load(tmp_path).subscriptions
    assert subscriptions
    assert not [result for one in subscriptions for result in run(one, Defaults()) if result.differences]


@pytest.mark.parametrize("page", [page for page in PAGES if _quoted(page)], ids=name)
def test_expressions_in_the_text_compile(page: Path) -> None:
    """Those in quotes, as they stand in YAML."""
    for template in _quoted(page):
        compile_value(template)


@pytest.mark.parametrize("snippet", JSON, ids=str)
def test_json_parses(snippet: Snippet) -> None:
    """And a bundle is one."""
    value = orjson.loads(snippet.text)
    if "entries" in value and "type" not in value:  # a frame has entries too
        assert decode_bundle(orjson.dumps(value)).entries


async def test_the_actions_of_frames_are_those_there_are() -> None:
    """The page on WebSocket shows each, and no other."""
    shown: list[Any] = [orjson.loads(one.text) for one in snippets("json", ROOT / "docs/reference/websocket.md")]
    assert {one["action"] for one in shown if "action" in one} == set(memory_app().frames._actions)
