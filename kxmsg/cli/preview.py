"""Preview: what subscriptions would make of an event, as data and as text. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kxmsg.cli.values import in_lines
from kxmsg.model.notification import VARIANTS
from kxmsg.rendering import RenderError
from kxmsg.subscriptions import Catalogue, Defaults, Subscription, Template

SHOWN: Final = 20
"""Targets of one template that the text names; the data has all."""


def preview(catalogue: Catalogue, event: dict[str, Any], defaults: Defaults) -> list[dict[str, Any]]:
    """For each subscription that matches the event, what each of its templates makes. Times in seconds.

    Of a template: ``when`` false where it makes nothing; ``error`` where it can't be rendered; else what it makes.
    """
    return [
        {
            "subscription": one.name,
            "at": str(one.at),
            "alsoTo": [{"id": target.id, "arn": target.arn} for target in one.targets],
            "templates": [_made(template, event, defaults) for template in _templates(one, event)],
        }
        for one in catalogue.subscriptions
        if one.pattern.matches(event)
    ]


def errors(previews: Sequence[Mapping[str, Any]]) -> list[str]:
    """What can't be rendered, by place."""
    return [made["error"] for one in previews for made in one["templates"] if "error" in made]


def lines(previews: Sequence[Mapping[str, Any]], detail_type: str) -> Iterator[str]:
    """The same to read, without what can't be rendered."""
    if not previews:
        yield "no subscription matches"
    for one in previews:
        if not one["templates"]:
            yield f"{one['at']}: {one['subscription']} matches and has no mapping for {detail_type!r}"
        for target in one["alsoTo"]:
            yield f"{one['at']}: {one['subscription']} matches: the event also goes to {target['id']}, {target['arn']}"
        for made in one["templates"]:
            yield from _shown(made)


def _templates(subscription: Subscription, event: Mapping[str, Any]) -> Sequence[Template]:
    return subscription.templates.get(event["detail-type"], ())


def _made(template: Template, event: Mapping[str, Any], defaults: Defaults) -> dict[str, Any]:
    about: dict[str, Any] = {"template": template.name, "at": template.at[""], "kind": template.kind}
    try:
        rendered = template.render(event, defaults)
    except RenderError as error:
        return {**about, "error": str(error)}
    if rendered is None:
        return {**about, "when": False}
    payload = dict(rendered.payload)
    variants = payload.pop(VARIANTS, {})
    made = {
        **about,
        "when": True,
        "targets": [{"tenant": tenant, "target": target.key} for tenant, target in rendered.places],
        "ttl": rendered.ttl,
        "deliverAfter": rendered.deliver_after,
        "payload": payload,
        "variants": variants,
    }
    if template.digest:
        made["digest"] = {"every": template.digest.every, "by": rendered.digest_key}
    if template.throttle:
        throttle = template.throttle
        made["throttle"] = {"atMost": throttle.at_most, "per": throttle.per, "by": rendered.throttle_key}
    return made


def _shown(made: Mapping[str, Any]) -> Iterator[str]:
    if "error" in made:
        return
    head = f"{made['at']}: {made['template']}: {made['kind']}"
    if not made["when"]:
        yield f"{head}: nothing is made, when is false"
        return
    yield head
    targets = [f"{one['tenant']}: {one['target']}" for one in made["targets"]]
    yield from (f"  for {target}" for target in targets[:SHOWN] or ["nobody"])
    if len(targets) > SHOWN:
        yield f"  and {len(targets) - SHOWN} more"
    if made["ttl"] is not None:
        yield f"  ttl: {made['ttl']:g} s"
    if made["deliverAfter"]:
        yield f"  deliverAfter: {made['deliverAfter']:g} s"
    if digest := made.get("digest"):
        yield f"  digest: every {digest['every']:g} s{_by(digest)}"
    if throttle := made.get("throttle"):
        yield f"  throttle: at most {throttle['atMost']} per {throttle['per']:g} s{_by(throttle)}"
    yield from _block("payload", made["payload"])
    for locale, texts in made["variants"].items():
        yield from _block(f"in {locale}", texts)


def _by(window: Mapping[str, Any]) -> str:
    return f", by {window['by']!r}" if window["by"] else ""


def _block(name: str, fields: Mapping[str, Any]) -> Iterator[str]:
    yield f"  {name}:"
    yield from (f"    {line}" for line in in_lines(dict(fields)))
