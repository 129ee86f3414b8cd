"""Doctor: looks at everything that kxmsg needs on AWS, changes nothing, and says what to do."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

from kxmsg.aws.control import Calls
from kxmsg.aws.errors import AwsError, start_error
from kxmsg.aws.plan import Change, Resource, differences
from kxmsg.aws.provision import Provisioner
from kxmsg.errors import StartError
from kxmsg.ports import Clock

SKEW: Final = 300.0
"""Seconds that a clock may be off: AWS refuses signatures that are older ("Troubleshooting Signature Version 4")."""

_PROVISION: Final = "run 'kxmsg provision'"
_SKEWED: Final = ("Signature expired", "Signature not yet current")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one thing: nothing wrong, or what, with the remedy."""

    good: bool
    text: str

    def __str__(self) -> str:
        return f"{'ok ' if self.good else 'BAD'}  {self.text}"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls AWS, by ARN, in which account; ``ahead``: seconds that this machine's clock is before AWS's."""

    arn: str
    account: str
    ahead: float


async def caller(calls: Calls, clock: Clock) -> Caller:
    """Ask AWS who we are. Raises :class:`~kxmsg.errors.StartError`."""
    try:
        answer = await calls.call("sts", "GetCallerIdentity", {})
    except AwsError as error:
        if error.message.startswith(_SKEWED):
            raise StartError(
                f"this machine's clock is wrong, so AWS takes no signature of it: {error.message}"
            ) from error
        raise start_error(error, "AWS credentials") from error
    return Caller(answer["Arn"], answer["Account"], clock.now() - _date(answer, clock.now()))


def about(found: Caller, region: str) -> list[Finding]:
    """Credentials, region and clock."""
    clock = f"clock: {abs(found.ahead):.0f} s {'before' if found.ahead > 0 else 'behind'} AWS's"
    skewed = abs(found.ahead) > SKEW
    return [
        Finding(True, f"credentials: {found.arn}"),
        Finding(True, f"account {found.account}, region {region}"),
        Finding(not skewed, f"{clock}; AWS refuses more than {SKEW:g} s, so set it (NTP)" if skewed else clock),
    ]


async def resources(provisioner: Provisioner, wanted: list[Resource]) -> list[Finding]:
    """Whether each is there as it should be; and what is there without need."""
    looked = await asyncio.gather(*(_look(provisioner, resource) for resource in wanted))
    findings = [finding for some in looked for finding in some]
    try:
        surplus = await provisioner.surplus()
    except StartError as error:
        return [*findings, Finding(False, str(error))]
    return findings + [Finding(False, f"{Change('remove', one).text}; {_PROVISION}") for one in surplus]


async def role(calls: Calls, arn: str, needed: Mapping[str, tuple[str, ...]]) -> list[Finding]:
    """Whether the role may do what it has to, as IAM simulates it, by resource ARN; resource policies don't count."""
    findings: list[Finding] = []
    for resource, actions in needed.items():
        try:
            denied = await _denied(calls, arn, resource, actions)
        except AwsError as error:
            unknown = f"role {arn}: what it may do can't be told"
            return [*findings, Finding(False, str(start_error(error, unknown)))]
        if denied:
            findings.append(Finding(False, f"role {arn}: allow it {', '.join(denied)} on {resource}"))
    return findings or [Finding(True, f"role {arn}: may do what it has to")]


async def _look(provisioner: Provisioner, resource: Resource) -> list[Finding]:
    try:
        found = await provisioner.read(resource)
    except StartError as error:
        return [Finding(False, str(error))]
    if found is None:
        return [Finding(False, f"{resource}: is not there; {_PROVISION}")]
    return [
        Finding(False, change.text if change.action == "refuse" else f"{change.text}; {_PROVISION}")
        for change in differences(resource, found)
    ] or [Finding(True, str(resource))]


async def _denied(calls: Calls, role_arn: str, resource: str, actions: tuple[str, ...]) -> list[str]:
    """The actions that are not allowed. One resource at a time, so that there is one result for each action."""
    payload: dict[str, Any] = {"PolicySourceArn": role_arn, "ActionNames": list(actions), "ResourceArns": [resource]}
    denied: list[str] = []
    while True:
        answer = await calls.call("iam", "SimulatePrincipalPolicy", payload)
        denied += [one["EvalActionName"] for one in answer["EvaluationResults"] if one["EvalDecision"] != "allowed"]
        if not answer.get("IsTruncated"):
            return denied
        payload["Marker"] = answer["Marker"]


def _date(answer: Mapping[str, Any], default: float) -> float:
    """AWS's time, of the answer's header."""
    header = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(header).timestamp() if header else default
