"""The account: region, endpoints by the SDK's rules, and credentials that are renewed while calls go on."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kxmsg.aws.account import AT_ONCE, PAUSE, SHORT_PAUSE, SOON, Account, Resolved, resolve_credentials
from kxmsg.aws.errors import AwsError
from kxmsg.errors import StartError
from kxmsg.sigv4 import Credentials
from kxmsg.testing.virtual import run
from tests.aws.emulator import Emulator
from tests.aws.responder import Reply, json_reply, responding

HOUR = 3600.0


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of AWS's files; nothing of the user's own is left in the environment but for a region."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    return tmp_path


# ------------------------------------------------------------------------------------------------------ region


def test_the_region_is_that_of_the_environment_before_that_of_the_profile(
    monkeypatch: pytest.MonkeyPatch, files: Path
) -> None:
    (files / "config").write_text("[default]\nregion = eu-north-1\n")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert Account().region == "eu-central-1"
    monkeypatch.delenv("AWS_REGION")
    assert Account().region == "eu-west-1"
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert Account().region == "eu-north-1"


def test_no_region_stops_the_start_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(StartError, match=r"^no AWS region: set AWS_REGION"):
        Account()


@pytest.mark.parametrize("region", ["eu central 1", "evil.example/", "-"])
def test_what_is_no_region_stops_the_start(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    with pytest.raises(StartError, match=r"^AWS_REGION=.* is not the name of a region"):
        Account()


def test_a_profile_that_is_not_there_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StartError, match=r"nobody.*check AWS_PROFILE"):
        Account()


def test_a_broken_file_stops_the_start(files: Path) -> None:
    (files / "config").write_text("region = eu-north-1\n[default\n")
    with pytest.raises(StartError, match=r"AWS configuration: .*config"):
        Account()


# --------------------------------------------------------------------------------------------------- endpoints


@pytest.mark.parametrize(
    ("region", "service", "url"),
    [
        ("eu-central-1", "sqs", "https://sqs.eu-central-1.amazonaws.com"),
        ("us-east-1", "sns", "https://sns.us-east-1.amazonaws.com"),
        ("eu-west-3", "events", "https://events.eu-west-3.amazonaws.com"),
        ("cn-north-1", "dynamodb", "https://dynamodb.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "sqs", "https://sqs.us-gov-west-1.amazonaws.com"),
        ("eu-newland-9", "sqs", "https://sqs.eu-newland-9.amazonaws.com"),
    ],
)
def test_an_endpoint_is_the_regions_and_the_partitions(
    monkeypatch: pytest.MonkeyPatch, region: str, service: str, url: str
) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    assert Account().endpoint(service) == url


def test_a_region_that_aws_does_not_know_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "moon")
    with pytest.raises(StartError, match=r"no sqs in a region named 'moon': check AWS_REGION"):
        Account().endpoint("sqs")


def test_fips_and_dual_stack_endpoints_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    assert Account().endpoint("sqs") == "https://sqs-fips.us-east-1.amazonaws.com"
    monkeypatch.delenv("AWS_USE_FIPS_ENDPOINT")
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    assert Account().endpoint("sqs") == "https://sqs.us-east-1.api.aws"


def test_a_services_own_variable_comes_before_the_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566/")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9324")
    monkeypatch.setenv("AWS_ENDPOINT_URL_EVENTBRIDGE", "http://127.0.0.1:9325")
    account = Account()
    assert account.endpoint("sqs") == "http://127.0.0.1:9324"
    assert account.endpoint("events") == "http://127.0.0.1:9325"
    assert account.endpoint("sns") == "http://127.0.0.1:4566"


def test_a_profiles_endpoints_are_honoured(files: Path) -> None:
    (files / "config").write_text(
        "[default]\nendpoint_url = http://127.0.0.1:1\nservices = local\n"
        "[services local]\ndynamodb =\n  endpoint_url = http://127.0.0.1:2\n"
    )
    account = Account()
    assert account.endpoint("sqs") == "http://127.0.0.1:1"
    assert account.endpoint("dynamodb") == "http://127.0.0.1:2"


def test_configured_endpoints_are_ignored_where_the_user_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert Account().endpoint("sqs") == "https://sqs.eu-central-1.amazonaws.com"


def test_an_endpoint_that_is_no_url_stops_the_start_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "user:secret@127.0.0.1:4566")
    with pytest.raises(StartError, match="see AWS_ENDPOINT_URL") as stopped:
        Account().endpoint("sqs")
    assert "secret" not in str(stopped.value)


def test_a_services_section_that_is_not_there_stops_the_start(files: Path) -> None:
    (files / "config").write_text("[default]\nservices = nowhere\n")
    with pytest.raises(StartError, match="nowhere"):
        Account().endpoint("sqs")


# ----------------------------------------------------------------------------------- credentials: whence they come


async def test_credentials_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert await Account().credentials() == Credentials("key", "secret", "token")


async def test_credentials_come_from_the_profile_and_a_renewal_reads_it_again(
    monkeypatch: pytest.MonkeyPatch, files: Path
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    (files / "credentials").write_text("[work]\naws_access_key_id = first\naws_secret_access_key = secret\n")
    monkeypatch.setattr("kxmsg.aws.account.SHORT_PAUSE", 0.0)
    account = Account()
    assert (await account.credentials()).access_key == "first"
    (files / "credentials").write_text("[work]\naws_access_key_id = second\naws_secret_access_key = secret\n")
    await account.renew()
    assert (await account.credentials()).access_key == "second"


async def test_credentials_come_from_the_tasks_role_and_know_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    end = datetime.now(UTC) + timedelta(hours=6)
    role = {"AccessKeyId": "key", "SecretAccessKey": "secret", "Token": "token", "Expiration": end.isoformat()}
    async with responding(json_reply(200, role)) as agent:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{agent.url}/role")
        resolved = await asyncio.to_thread(resolve_credentials, "eu-central-1")
    assert resolved is not None
    assert resolved.credentials == Credentials("key", "secret", "token")
    assert not resolved.ends_within(5 * HOUR)
    assert resolved.ends_within(7 * HOUR)


async def test_no_credentials_stop_the_start_with_the_remedy() -> None:
    with pytest.raises(StartError, match=r"^no AWS credentials: set AWS_ACCESS_KEY_ID"):
        await Account().credentials()


async def test_half_of_a_key_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    with pytest.raises(StartError, match=r"AWS credentials: .*AWS_SECRET_ACCESS_KEY"):
        await Account().credentials()


async def test_a_source_that_fails_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async with responding(Reply(500, b"no")) as agent:
        monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{agent.url}/role")
        with pytest.raises(StartError, match=r"^AWS credentials: "):
            await Account().credentials()


async def test_a_source_that_hangs_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kxmsg.aws.account.RESOLVE_TIMEOUT", 0.05)
    async with responding("hang") as agent:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{agent.url}/role")
        with pytest.raises(StartError, match=r"^AWS credentials: their source did not answer in 0\.05 s$"):
            await Account().credentials()


async def test_the_files_are_read_on_another_thread() -> None:
    threads: list[threading.Thread] = []

    def resolve(_: str) -> Resolved:
        threads.append(threading.current_thread())
        return Resolved(Credentials("key", "secret"))

    await Account(resolve).credentials()
    assert threads != [threading.main_thread()]


# ------------------------------------------------------------------------------------------ credentials: how they last


class Source:
    """Gives credentials, numbered, that last for ``life`` seconds of the loop's time; fails while ``broken``."""

    def __init__(self, life: float = HOUR) -> None:
        self.life = life
        self.broken = False
        self.asked: list[float] = []

    def __call__(self, region: str) -> Resolved | None:
        now = asyncio.get_running_loop().time
        self.asked.append(now())
        if self.broken:
            raise StartError("AWS credentials: the agent is away")
        end = now() + self.life
        return Resolved(Credentials(f"key{len(self.asked)}", "secret"), lambda seconds: end - now() < seconds)


async def key(account: Account) -> str:
    return (await account.credentials()).access_key


async def settle() -> None:
    """Let a renewal in the background come to its end; no time passes."""
    for _ in range(10):
        await asyncio.sleep(0)


def scenario(main: Callable[[Source, Account], Coroutine[Any, Any, None]], life: float = HOUR) -> None:
    """Run in virtual time, where the resolving thread is the loop's own."""

    async def play() -> None:
        source = Source(life)
        await main(source, Account(source))

    run(play())


def test_credentials_are_resolved_once_for_all_who_ask_together() -> None:
    async def main(source: Source, account: Account) -> None:
        assert set(await asyncio.gather(*(key(account) for _ in range(20)))) == {"key1"}
        assert len(source.asked) == 1

    scenario(main)


def test_they_are_renewed_well_before_their_end_while_calls_go_on_with_the_old_ones() -> None:
    async def main(source: Source, account: Account) -> None:
        await key(account)
        await asyncio.sleep(HOUR - SOON - 10)
        assert await key(account) == "key1"
        assert len(source.asked) == 1
        await asyncio.sleep(20)
        assert await key(account) == "key1"
        await settle()
        assert await key(account) == "key2"
        assert len(source.asked) == 2

    scenario(main)


def test_nobody_waits_longer_than_the_renewal_when_they_have_ended() -> None:
    async def main(source: Source, account: Account) -> None:
        await key(account)
        await asyncio.sleep(HOUR + 1)
        assert await key(account) == "key2"

    scenario(main)


def test_a_renewal_that_fails_changes_nothing_while_they_last() -> None:
    async def main(source: Source, account: Account) -> None:
        await key(account)
        source.broken = True
        await asyncio.sleep(HOUR - 1)
        assert await key(account) == "key1"
        await asyncio.sleep(2)
        with pytest.raises(AwsError, match="the agent is away") as ended:
            await key(account)
        assert ended.value.code == "NoCredentials"
        source.broken = False
        await asyncio.sleep(SHORT_PAUSE)
        assert await key(account) == "key3"

    scenario(main)


def test_a_source_that_fails_is_not_asked_again_at_once() -> None:
    async def main(source: Source, account: Account) -> None:
        source.broken = True
        for _ in range(100):
            with pytest.raises(StartError, match="the agent is away"):
                await key(account)
        assert len(source.asked) == 1
        await asyncio.sleep(SHORT_PAUSE)
        source.broken = False
        assert await key(account) == "key2"

    scenario(main)


def test_credentials_that_end_soon_again_are_renewed_at_intervals() -> None:
    async def main(source: Source, account: Account) -> None:
        for _ in range(600):
            await key(account)
            await asyncio.sleep(1)
        gaps = [later - earlier for earlier, later in zip(source.asked, source.asked[1:], strict=False)]
        assert len(gaps) > 5
        assert min(gaps) >= PAUSE

    scenario(main, life=SOON - 60)


def test_credentials_that_have_ended_already_are_refused() -> None:
    async def main(source: Source, account: Account) -> None:
        with pytest.raises(StartError, match="have expired"):
            await key(account)

    scenario(main, life=-1)


def test_a_source_that_has_no_more_credentials_is_told_when_the_last_end() -> None:
    async def main() -> None:
        now = asyncio.get_running_loop().time
        given: list[Resolved | None] = [Resolved(Credentials("key", "secret"), lambda s: HOUR - now() < s), None]
        account = Account(lambda _: given.pop(0))
        await account.credentials()
        await asyncio.sleep(HOUR - AT_ONCE / 2)
        assert await key(account) == "key"
        await asyncio.sleep(AT_ONCE)
        given.append(None)
        with pytest.raises(AwsError, match="no AWS credentials"):
            await key(account)

    run(main())


def test_when_aws_says_that_they_have_expired_all_share_one_renewal() -> None:
    async def main(source: Source, account: Account) -> None:
        await key(account)
        await asyncio.sleep(SHORT_PAUSE)
        await asyncio.gather(*(account.renew() for _ in range(20)))
        assert await key(account) == "key2"
        await account.renew()
        assert len(source.asked) == 2

    scenario(main)


async def test_a_caller_that_gives_up_leaves_the_renewal_to_the_others() -> None:
    release = threading.Event()

    def resolve(_: str) -> Resolved:
        release.wait(10)
        return Resolved(Credentials("key", "secret"))

    account = Account(resolve)
    hasty, patient = asyncio.create_task(key(account)), asyncio.create_task(key(account))
    await asyncio.sleep(0)
    hasty.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hasty
    release.set()
    assert await patient == "key"


# ------------------------------------------------------------------------------------------------- the account's number


def identity(status: int, body: str) -> Reply:
    return Reply(status, body.encode(), {"content-type": "text/xml"})


async def test_the_accounts_number_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = (
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    async with responding(identity(200, answer)) as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        account = Account(lambda _: Resolved(Credentials("key", "secret", "token")))
        assert [await account.account_id() for _ in range(3)] == ["123456789012"] * 3
    (request,) = sts.requests
    assert b"Action=GetCallerIdentity" in request.body
    assert "Credential=key/" in request.headers["authorization"]
    assert "/eu-central-1/sts/" in request.headers["authorization"]
    assert request.headers["x-amz-security-token"] == "token"


async def test_wrong_credentials_stop_the_start_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = (
        "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>"
        "<Message>The security token included in the request is invalid</Message></Error></ErrorResponse>"
    )
    async with responding(identity(403, refusal)) as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        account = Account(lambda _: Resolved(Credentials("key", "secret")))
        with pytest.raises(StartError, match=r"^the AWS account: .*InvalidClientTokenId.*check AWS_ACCESS_KEY_ID"):
            await account.account_id()


async def test_the_emulators_account_is_found(aws_env: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws_env.environment.items():
        monkeypatch.setenv(name, value)
    assert await Account().account_id() == aws_env.account
