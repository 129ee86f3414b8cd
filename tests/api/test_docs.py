"""kxmsg.api.docs: the page holds what the document says, and no markup of its."""

from base64 import b64encode
from hashlib import sha256

from kxmsg.api.docs import CONTENT_SECURITY_POLICY, page

DOCUMENT = {
    "info": {"title": "<t>", "version": "1"},
    "paths": {
        "/a/{id}": {
            "get": {
                "tags": ["<tag>"],
                "summary": "<b>bold</b>",
                "parameters": [{"name": "<id>", "in": "path", "required": True, "description": "&"}],
                "responses": {
                    "200": {"description": "<ok>", "content": {"application/json": {"schema": {"x": "<s>"}}}}
                },
            },
            "parameters": [],
        }
    },
    "components": {"schemas": {"<S>": {"type": "object"}}},
}


def test_markup_in_the_document_is_escaped() -> None:
    """Nothing that a description holds becomes part of the page."""
    html = page(DOCUMENT, "/openapi.json")
    for text in ("<t>", "<tag>", "<b>bold", "<id>", "<ok>", "<s>", "<S>"):
        assert text not in html
        assert text.replace("<", "&lt;").replace(">", "&gt;") in html


def test_policy_allows_the_style_of_the_page() -> None:
    """By its hash, as the browser computes it."""
    style = page(DOCUMENT, "/openapi.json").split("<style>")[1].split("</style>")[0]
    assert b64encode(sha256(style.encode()).digest()).decode() in CONTENT_SECURITY_POLICY
