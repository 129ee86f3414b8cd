"""Secrets of an installation on AWS: one secret of Secrets Manager, made by ``kxmsg provision``."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Final, Self

import orjson

from kxmsg.aws.errors import start_error
from kxmsg.aws.sdk import SdkApi
from kxmsg.aws.sdk_errors import SDK_ERRORS, from_sdk
from kxmsg.errors import StartError
from kxmsg.services.secrets import NEW, Secrets

SERVICE: Final = "secretsmanager"

TIMEOUT: Final = 30.0
"""Seconds for the secret, the SDK's repetitions included."""


class AwsSecrets(Secrets):
    """The secret ``name``, as it was at the start. Made by :meth:`load`."""

    def __init__(self, name: str, contents: Mapping[str, bytes]) -> None:
        self._name = name
        self._contents = contents

    @classmethod
    async def load(cls, sdk: SdkApi, name: str) -> Self:
        """Read it; raises :class:`~kxmsg.errors.StartError` naming it and the remedy."""
        try:
            async with asyncio.timeout(TIMEOUT):
                client = await sdk.client(SERVICE)
                answer = await client.get_secret_value(SecretId=name)
        except SDK_ERRORS as error:
            raise start_error(from_sdk(error, SERVICE, "GetSecretValue"), f"secret {name}") from error
        try:
            fields = orjson.loads(answer["SecretString"])
            return cls(name, {key: b64decode(fields[key]) for key in NEW})
        except (ValueError, KeyError, TypeError) as error:
            raise StartError(f"secret {name} is damaged; delete it and run 'kxmsg provision'") from error

    def read(self, name: str) -> bytes:
        return self._contents[name]

    def place(self, name: str) -> str:
        return f"secret {self._name}, {name}"


def fresh() -> str:
    """The text of a new secret."""
    return orjson.dumps({name: b64encode(make()).decode() for name, make in NEW.items()}).decode()
