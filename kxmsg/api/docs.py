"""The OpenAPI document as one page of plain HTML: no script, nothing from another host."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import escape
from typing import Any, Final

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #d0d7de }
details { border: 1px solid #d0d7de; border-radius: 6px; margin: .5rem 0; padding: .4rem .8rem }
summary { cursor: pointer } summary b { display: inline-block; min-width: 4.5rem }
code, pre { font: 14px/1.4 ui-monospace, monospace } pre { background: #f6f8fa; padding: .6rem; overflow: auto }
table { border-collapse: collapse } td, th { text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top }
"""

_STYLE_HASH: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY: Final = f"default-src 'none'; frame-ancestors 'none'; style-src 'sha256-{_STYLE_HASH}'"

_METHODS: Final = ("get", "post", "put", "patch", "delete")


def page(document: Mapping[str, Any], openapi_url: str) -> str:
    """The page for an OpenAPI 3.1 ``document``, which is found at ``openapi_url``."""
    title = f"{escape(document['info']['title'])} {escape(document['info']['version'])}"
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if operation := operations.get(method):
                tag = (operation.get("tags") or ["other"])[0]
                groups.setdefault(tag, []).append("".join(_operation(method, path, operation, document)))
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(parts)}" for tag, parts in groups.items())
    schemas = document.get("components", {}).get("schemas", {})
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><p>{escape(document['info'].get('description', ''))}</p>"
        f'<p>For tools: <a href="{escape(openapi_url)}">{escape(openapi_url)}</a></p>'
        f"{sections}<h2>Schemas</h2>{''.join(_schema(name, schema) for name, schema in schemas.items())}</body></html>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    yield f"<details><summary><b>{method.upper()}</b><code>{escape(path)}</code> {escape(operation.get('summary', ''))}"
    yield f"</summary><p>{escape(operation.get('description', ''))}</p>"
    if operation.get("security"):
        yield "<p>Needs a bearer token.</p>"
    if parameters := operation.get("parameters"):
        yield "<table><tr><th>Parameter</th><th>In</th><th>Required</th><th>Description</th></tr>"
        for parameter in (_resolved(one, document) for one in parameters):
            required = "yes" if parameter.get("required") else "no"
            cells = (parameter["name"], parameter["in"], required, parameter.get("description", ""))
            yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        yield "</table>"
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body, <code>{escape(kind)}</code>:</p>{_json(content.get('schema', {}))}"
    for status, response in ((status, _resolved(one, document)) for status, one in operation["responses"].items()):
        yield f"<p><b>{escape(str(status))}</b> {escape(response.get('description', ''))}</p>"
        for content in response.get("content", {}).values():
            if schema := content.get("schema"):
                yield _json(schema)
    yield "</details>"


def _resolved(part: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference within the document stands for; anything else is itself."""
    if "$ref" not in part:
        return part
    found: Any = document
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    resolved: Mapping[str, Any] = found
    return resolved


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    return f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>'


def _json(schema: Mapping[str, Any]) -> str:
    if ref := schema.get("$ref"):
        name = escape(ref.rpartition("/")[2])
        return f'<p><a href="#{name}"><code>{name}</code></a></p>'
    return f"<pre>{escape(json.dumps(schema, indent=2, ensure_ascii=False))}</pre>"
