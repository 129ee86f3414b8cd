"""``kxmsg doctor`` and the command line around it: what is wrong, and what to do."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from kxmsg.aws import doctor
from kxmsg.aws.account import Account
from kxmsg.aws.control import Calls, Control
from kxmsg.aws.desired import desired
from kxmsg.aws.doctor import Caller
from kxmsg.aws.errors import AwsError
from kxmsg.aws.names import Names
from kxmsg.aws.permissions import needed
from kxmsg.aws.provision import Provisioner
from kxmsg.errors import StartError
from kxmsg.telemetry import SystemClock
from kxmsg.topology import LOGS, TOPOLOGY, Topology
from tests.aws.emulator import Emulator
from tests.aws.scripted import no_pause
from tests.cli.conftest import Kxmsg, kxmsg

__all__ = ["kxmsg"]  # a fixture

ROLE = "arn:aws:iam::000000000000:role/kx"
SMALL = Topology((), (), (), TOPOLOGY.tables[:1], ())


@pytest.fixture
async def calls(aws_env: Emulator) -> AsyncIterator[Control]:
    control = Control(Account(), sleep=no_pause)
    yield control
    await control.close()


class Answers:
    """Calls that are answered with what the test says, in turn."""

    def __init__(self, *answers: dict[str, Any] | AwsError) -> None:
        self._answers = list(answers)
        self.payloads: list[Mapping[str, Any]] = []

    async def call(self, service: str, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        self.payloads.append(dict(payload))
        answer = self._answers.pop(0)
        if isinstance(answer, AwsError):
            raise answer
        return answer


async def examined(calls: Calls, names: Names) -> list[str]:
    wanted = desired(SMALL, names, [])
    findings = await doctor.resources(Provisioner(calls, names.prefix, wanted, lambda _: None, sleep=no_pause), wanted)
    return [str(finding) for finding in findings]


async def provisioned(calls: Calls, names: Names) -> None:
    wanted = desired(SMALL, names, [])
    await Provisioner(calls, names.prefix, wanted, lambda _: None, sleep=no_pause).apply()


async def test_who_calls_and_how_far_the_clock_is_off(calls: Control) -> None:
    caller = await doctor.caller(calls, SystemClock())
    assert caller.account == "000000000000"
    assert caller.arn.startswith("arn:aws:iam::000000000000:")
    assert abs(caller.ahead) < 60
    assert all(finding.good for finding in doctor.about(caller, "eu-central-1"))


@pytest.mark.parametrize(("ahead", "where"), [(400.0, "400 s before"), (-400.0, "400 s behind")])
def test_a_clock_that_is_off_is_told(ahead: float, where: str) -> None:
    findings = doctor.about(Caller("arn:x", "1", ahead), "eu-central-1")
    assert [str(one) for one in findings if not one.good] == [
        f"BAD  clock: {where} AWS's; AWS refuses more than 300 s, so set it (NTP)"
    ]


async def test_a_signature_that_the_clock_made_worthless_is_no_matter_of_keys() -> None:
    message = "Signature expired: 20240101T000000Z is now earlier than 20240101T001000Z"
    refused = Answers(AwsError("sts", "GetCallerIdentity", "SignatureDoesNotMatch", message))
    with pytest.raises(StartError, match="this machine's clock is wrong"):
        await doctor.caller(refused, SystemClock())


async def test_wrong_credentials_are_one_line_with_the_remedy() -> None:
    refused = Answers(AwsError("sts", "GetCallerIdentity", "InvalidClientTokenId", "The token is invalid."))
    with pytest.raises(StartError, match=r"AWS credentials: sts GetCallerIdentity: InvalidClientTokenId.*AWS_PROFILE"):
        await doctor.caller(refused, SystemClock())


async def test_what_is_missing_and_what_differs_is_told_with_the_remedy(calls: Control, names: Names) -> None:
    table = names.table(LOGS)
    assert f"BAD  table {table}: is not there; run 'kxmsg provision'" in await examined(calls, names)
    await provisioned(calls, names)
    assert all(line.startswith("ok ") for line in await examined(calls, names))
    await calls.call("dynamodb", "UpdateTable", {"TableName": table, "DeletionProtectionEnabled": False})
    bad = [line for line in await examined(calls, names) if line.startswith("BAD")]
    assert bad == [f"BAD  table {table}: DeletionProtectionEnabled: false → true; run 'kxmsg provision'"]


async def test_a_rule_that_is_not_wanted_any_more_is_told(calls: Control, names: Names) -> None:
    await provisioned(calls, names)
    rule = {"Name": f"{names.prefix}-old", "EventBusName": names.bus, "EventPattern": '{"source":["x"]}'}
    tags = [{"Key": "kxmsg:prefix", "Value": names.prefix}]
    await calls.call("events", "PutRule", {**rule, "Tags": tags})
    lines = await examined(calls, names)
    assert lines[-1] == f"BAD  rule {names.prefix}-old: not wanted any more; run 'kxmsg provision'"


async def test_what_may_not_be_looked_at_does_not_hide_the_rest(calls: Control, names: Names) -> None:
    await provisioned(calls, names)

    class Denied:
        async def call(self, service: str, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
            if operation in ("DescribeTable", "ListRules"):
                raise AwsError(service, operation, "AccessDeniedException")
            return await calls.call(service, operation, payload)

    lines = await examined(Denied(), names)
    assert len([line for line in lines if line.startswith("ok ")]) == 3
    assert [line.partition("; ")[2] for line in lines if line.startswith("BAD")] == [
        "allow dynamodb:DescribeTable on it to this process's user or role",
        "allow events:ListRules on it to this process's user or role",
    ]


# --------------------------------------------------------------------------------------------------------- roles


def result(action: str, decision: str) -> dict[str, str]:
    return {"EvalActionName": action, "EvalDecision": decision}


async def test_a_role_is_told_what_it_lacks_on_which_resource() -> None:
    """One call for each resource, in pages (AWS IAM API, SimulatePrincipalPolicy)."""
    answers = Answers(
        {"EvaluationResults": [result("sqs:SendMessage", "implicitDeny")], "IsTruncated": True, "Marker": "m"},
        {"EvaluationResults": [result("sqs:GetQueueUrl", "allowed")], "IsTruncated": False},
        {"EvaluationResults": [result("sns:Publish", "explicitDeny")], "IsTruncated": False},
    )
    needs = {"arn:q": ("sqs:SendMessage", "sqs:GetQueueUrl"), "arn:t": ("sns:Publish",)}
    findings = await doctor.role(answers, ROLE, needs)
    assert [str(one) for one in findings] == [
        f"BAD  role {ROLE}: allow it sqs:SendMessage on arn:q",
        f"BAD  role {ROLE}: allow it sns:Publish on arn:t",
    ]
    assert answers.payloads[1]["Marker"] == "m"
    assert [one["ResourceArns"] for one in answers.payloads] == [["arn:q"], ["arn:q"], ["arn:t"]]


async def test_where_the_simulation_is_denied_nothing_is_guessed() -> None:
    denied = AwsError("iam", "SimulatePrincipalPolicy", "AccessDenied")
    [finding] = await doctor.role(Answers(denied), ROLE, {"arn:q": ("sqs:SendMessage",)})
    assert not finding.good
    assert "what it may do can't be told" in finding.text
    assert "allow iam:SimulatePrincipalPolicy" in finding.text


async def test_a_role_at_the_emulator_without_a_policy_lacks_everything(calls: Control, names: Names) -> None:
    role = f"{names.prefix}-role"
    trust = orjson.dumps({"Version": "2012-10-17", "Statement": []}).decode()
    arn = (await calls.call("iam", "CreateRole", {"RoleName": role, "AssumeRolePolicyDocument": trust}))["Role"]["Arn"]
    needs = needed("event-consumer", TOPOLOGY, names)
    findings = await doctor.role(calls, arn, needs)
    assert [finding.text.rpartition(" ")[2] for finding in findings] == list(needs)
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = orjson.dumps({"Version": "2012-10-17", "Statement": [statement]}).decode()
    await calls.call("iam", "PutRolePolicy", {"RoleName": role, "PolicyName": "all", "PolicyDocument": policy})
    assert [str(one) for one in await doctor.role(calls, arn, needs)] == [f"ok   role {arn}: may do what it has to"]


# -------------------------------------------------------------------------------------------------- command line


@pytest.fixture
def on_aws(kxmsg: Kxmsg, aws_env: Emulator, names: Names, monkeypatch: pytest.MonkeyPatch) -> Kxmsg:
    monkeypatch.setenv("KXMSG_BACKEND", "aws")
    monkeypatch.setenv("KXMSG_PREFIX", names.prefix)
    return kxmsg


def test_plan_provision_and_doctor_from_the_command_line(on_aws: Kxmsg, names: Names) -> None:
    planned = on_aws("provision", "--plan")
    assert planned.status == 1
    assert f"+ table {names.table(LOGS)}\n" in planned.out
    sick = on_aws("doctor")
    assert sick.status == 3
    assert f"BAD  table {names.table(LOGS)}: is not there; run 'kxmsg provision'\n" in sick.out
    made = on_aws("provision")
    assert made.status == 0
    assert "changes made" in made.out
    again = on_aws("provision", "--plan")
    assert (again.status, again.out.startswith("no differences, ")) == (0, True)
    well = on_aws("doctor")
    assert (well.status, "BAD" in well.out) == (0, False)
    assert "is not checked: name them with --role" in well.out


def test_a_worker_of_ones_own_is_provisioned_where_it_is_named(
    on_aws: Kxmsg, names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "from kxmsg import Worker\nworker = Worker('audit', queue='audit', subscribes={'outbound': {}})\n"
    (tmp_path / "shop_audit.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    planned = on_aws("provision", "--plan", "--worker", "shop_audit:worker")
    assert f"+ subscription {names.topic('outbound')} to {names.queue('audit')}\n" in planned.out


@pytest.mark.parametrize("command", [["provision"], ["provision", "--plan"], ["doctor"]])
def test_no_region_is_3(on_aws: Kxmsg, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.delenv("AWS_REGION")
    done = on_aws(*command)
    assert (done.status, done.err) == (3, "kxmsg: no AWS region: set AWS_REGION, or 'region' in the profile\n")


@pytest.mark.parametrize("command", [["provision"], ["doctor"]])
def test_no_credentials_is_3(on_aws: Kxmsg, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    done = on_aws(*command)
    assert done.status == 3
    assert done.err.startswith("kxmsg: no AWS credentials: set AWS_ACCESS_KEY_ID")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--role", "fanot=arn:aws:iam::1:role/x"], "did you mean 'fanout'?"),
        (["--role", "fanout"], "write it as fanout=arn:aws:iam::123456789012:role/name"),
    ],
)
def test_a_role_that_is_none_is_2(on_aws: Kxmsg, arguments: list[str], told: str) -> None:
    done = on_aws("doctor", *arguments)
    assert done.status == 2
    assert told in done.err


def test_provisioning_the_embedded_backend_is_2(kxmsg: Kxmsg) -> None:
    done = kxmsg("provision")
    assert done.status == 2
    assert "KXMSG_BACKEND: the embedded backend makes what it needs by itself; set it to aws" in done.err


def test_the_embedded_backend_has_only_its_folder(kxmsg: Kxmsg) -> None:
    done = kxmsg("doctor")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("embedded backend: nothing to check but the data folder")
