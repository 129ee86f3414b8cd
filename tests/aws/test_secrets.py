"""Secrets of an installation on AWS: made by provision, read at the start."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kxmsg.aws.account import Account, Resolved
from kxmsg.aws.names import Names
from kxmsg.aws.sdk import SdkApi
from kxmsg.aws.secrets import SERVICE, AwsSecrets, fresh
from kxmsg.errors import StartError
from kxmsg.sigv4 import Credentials
from tests.aws.responder import responding


@pytest.fixture
async def sdk(aws_env: None) -> AsyncIterator[SdkApi]:
    made = SdkApi(Account())
    yield made
    await made.close()


async def test_all_who_read_it_agree(sdk: SdkApi, names: Names) -> None:
    client = await sdk.client(SERVICE)
    await client.create_secret(Name=names.secret, SecretString=fresh())
    one, other = [await AwsSecrets.load(sdk, names.secret) for _ in range(2)]
    assert one.jwks() == other.jwks()
    assert one.cursor_key() == other.cursor_key()
    assert one.gateway_secrets() == other.gateway_secrets()
    assert one.management_credentials() == other.management_credentials()


def test_no_two_are_alike() -> None:
    assert fresh() != fresh()


async def test_one_that_is_not_there_is_named_with_the_remedy(sdk: SdkApi, names: Names) -> None:
    with pytest.raises(StartError, match=rf"^secret {names.secret}: .*; run 'kxmsg provision'"):
        await AwsSecrets.load(sdk, names.secret)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"cursor.key": 5}'])
async def test_one_that_is_damaged_is_named_and_not_shown(sdk: SdkApi, names: Names, text: str) -> None:
    client = await sdk.client(SERVICE)
    await client.create_secret(Name=names.secret, SecretString=text or " ")
    with pytest.raises(StartError, match=rf"^secret {names.secret} is damaged; delete it and run 'kxmsg provision'$"):
        await AwsSecrets.load(sdk, names.secret)


async def test_a_source_of_secrets_that_hangs_stops_the_start_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kxmsg.aws.secrets.TIMEOUT", 0.2)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    async with responding("hang") as server, asyncio.timeout(10):
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        sdk = SdkApi(Account(lambda _: Resolved(Credentials("key", "secret"))))
        await sdk.client(SERVICE)  # opening it takes time
        with pytest.raises(StartError, match="secret kx-secrets: secretsmanager GetSecretValue: Timeout"):
            await AwsSecrets.load(sdk, "kx-secrets")
        await sdk.close()
