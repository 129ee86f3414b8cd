"""Account: where AWS is and who calls it, by the SDK's rules for environment, profiles, roles and metadata services."""

import asyncio
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from aiobotocore.config import AioConfig  # type: ignore[import-untyped]  # aiobotocore has no stubs
from aiobotocore.credentials import (  # type: ignore[import-untyped]  # as above
    AioCredentials,
    AioRefreshableCredentials,
)
from aiobotocore.session import AioSession  # type: ignore[import-untyped]  # as above
from botocore.configprovider import ConfiguredEndpointProvider  # type: ignore[import-untyped]  # nor has botocore
from botocore.credentials import ReadOnlyCredentials  # type: ignore[import-untyped]  # as above
from botocore.exceptions import BotoCoreError, InvalidRegionError  # type: ignore[import-untyped]  # as above
from botocore.regions import EndpointResolver  # type: ignore[import-untyped]  # as above
from botocore.utils import validate_region_name  # type: ignore[import-untyped]  # as above

from kxmsg.aws.errors import AwsError, start_error
from kxmsg.aws.sdk_errors import SDK_ERRORS, from_sdk
from kxmsg.errors import StartError
from kxmsg.sigv4 import Credentials
from kxmsg.telemetry import get_logger

SOON: Final = 15 * 60.0
"""Credentials that end within these seconds are renewed, while calls go on with them."""
AT_ONCE: Final = 60.0
"""For credentials that end within these seconds, calls wait until they are renewed."""
LOOK: Final = 5.0
"""Seconds between two looks at the credentials' end."""
PAUSE: Final = 60.0
"""Seconds from one renewal to the next: a metadata service may give the same credentials again."""
SHORT_PAUSE: Final = 10.0
"""As :data:`PAUSE`, where there is nothing to go on with."""
RESOLVE_TIMEOUT: Final = 10.0
_STS: Final = AioConfig(connect_timeout=3.0, retries={"mode": "standard", "total_max_attempts": 3})
"""For the first call that a process makes: what is out of reach is told in a few seconds."""

_NO_CREDENTIALS: Final = (
    "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the task a role"
)

_URL: Final = re.compile(r"https?://[^/]")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Resolved:
    """Credentials; ``ends_within(seconds)`` tells whether they will have run out by then."""

    credentials: Credentials
    ends_within: Callable[[float], bool] = lambda _: False


class Account:
    """Region, endpoints and credentials of this process, of the environment and of AWS's files.

    Reads the files when it is made. Credentials are resolved by ``resolve``, on a thread: profiles, token files and
    service models are read there. Raises :class:`~kxmsg.errors.StartError` where a region or profile is missing.
    """

    def __init__(self, resolve: Callable[[str], Resolved | None] | None = None) -> None:
        self._resolve = resolve or resolve_credentials
        try:
            self._config = AioSession()
            self.region = self._region()
            self._profile = self._config.get_scoped_config()
        except BotoCoreError as error:
            raise StartError(f"AWS configuration: {error}; check AWS_PROFILE and the files it is in") from error
        self._endpoints: dict[str, str] = {}
        self._account_id: str | None = None
        self._held: Resolved | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._failure: StartError | AwsError = StartError(_NO_CREDENTIALS)
        self._renewed_at = -inf
        self._look_at = 0.0

    def endpoint(self, service: str) -> str:
        """The service's base URL, without a closing slash; the SDK's rules, ``AWS_ENDPOINT_URL`` among them.

        Raises :class:`~kxmsg.errors.StartError`.
        """
        if service not in self._endpoints:
            self._endpoints[service] = self._find_endpoint(service).rstrip("/")
        return self._endpoints[service]

    async def credentials(self) -> Credentials:
        """Those to sign with now; renewed well before they end, by one renewal that all callers share.

        A renewal that fails changes nothing while the credentials last. Raises
        :class:`~kxmsg.errors.StartError` where there never were any, AwsError ``NoCredentials`` once they have ended.
        """
        now = asyncio.get_running_loop().time()
        if self._held is not None and now < self._look_at:
            return self._held.credentials
        if self._held is None or self._held.ends_within(AT_ONCE):
            await self.renew()
            if self._held is None or self._held.ends_within(0):
                raise self._failure.with_traceback(None)
        else:
            self._look_at = now + LOOK
            if self._held.ends_within(SOON):
                self._start_renewal(PAUSE)
        return self._held.credentials

    async def renew(self) -> None:
        """Resolve the credentials anew, as AWS says that they have expired; not when that has just been done."""
        renewal = self._start_renewal(SHORT_PAUSE)
        if renewal is not None:
            await asyncio.shield(renewal)

    async def account_id(self) -> str:
        """The account's number, asked of STS once. Raises :class:`~kxmsg.errors.StartError`."""
        if self._account_id is None:
            credentials = await self.credentials()
            try:
                self._account_id = await asyncio.to_thread(asyncio.run, _caller_account(self.region, credentials))
            except SDK_ERRORS as error:
                raise start_error(from_sdk(error, "sts", "GetCallerIdentity"), "the AWS account") from error
        return self._account_id

    def session(self) -> Any:
        """A session of aiobotocore's whose clients have this region and these credentials."""
        session = _session(self.region)
        session.register_component("credential_provider", _Provider(self))
        return session

    def _region(self) -> str:
        region: str | None = os.environ.get("AWS_REGION") or self._config.get_config_variable("region")
        if not region:
            raise StartError("no AWS region: set AWS_REGION, or 'region' in the profile")
        try:
            validate_region_name(region)
        except InvalidRegionError as error:
            raise StartError(f"AWS_REGION={region!r} is not the name of a region, such as eu-central-1") from error
        return region

    def _find_endpoint(self, service: str) -> str:
        variable = self._config.get_config_variable
        if not variable("ignore_configured_endpoint_urls"):
            configured = self._configured_endpoint(service)
            if configured:
                return configured
        found = EndpointResolver(self._config.get_component("data_loader").load_data("endpoints")).construct_endpoint(
            service,
            self.region,
            use_dualstack_endpoint=variable("use_dualstack_endpoint") or False,
            use_fips_endpoint=variable("use_fips_endpoint") or False,
        )
        if found is None:
            raise StartError(f"AWS has no {service} in a region named {self.region!r}: check AWS_REGION")
        return f"https://{found['hostname']}"

    def _configured_endpoint(self, service: str) -> str | None:
        try:
            url: str | None = ConfiguredEndpointProvider(self._config.full_config, self._profile, service).provide()
        except BotoCoreError as error:
            raise StartError(f"AWS configuration: {error}") from error
        if url and not _URL.match(url):  # it isn't shown: there may be a password in it
            raise StartError(f"the endpoint of {service} is not http:// or https:// with a host: see AWS_ENDPOINT_URL")
        return url

    def _start_renewal(self, pause: float) -> asyncio.Task[None] | None:
        """The renewal under way, begun if there is none; None where the last one ended less than ``pause`` ago."""
        loop = asyncio.get_running_loop()
        if self._renewal is None and loop.time() >= self._renewed_at + pause:
            self._renewal = loop.create_task(self._run_renewal())
        return self._renewal

    async def _run_renewal(self) -> None:
        try:
            resolved = await asyncio.to_thread(self._resolve, self.region)
            if resolved is None:
                self._failed(StartError(_NO_CREDENTIALS))
            elif resolved.ends_within(0):
                self._failed(StartError("the AWS credentials have expired: log in again, or check the role's source"))
            else:
                self._held, self._failure = resolved, _ended("they have ended")
        except StartError as error:
            self._failed(error)
        finally:
            self._renewal = None
            self._renewed_at = asyncio.get_running_loop().time()
            self._look_at = 0.0

    def _failed(self, error: StartError) -> None:
        if self._held is None:
            self._failure = error
        else:
            _log.warning("AWS credentials could not be renewed", reason=str(error))
            self._failure = _ended(str(error))


def _ended(reason: str) -> AwsError:
    return AwsError("sts", "credentials", "NoCredentials", reason)


class _Provider:
    """The credential chain of a session: one link, the account."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def load_credentials(self) -> "_Current":
        return _Current(self._account)


class _Current(AioCredentials):  # type: ignore[misc]  # untyped: see above
    """Whatever credentials the account has at the moment of signing."""

    def __init__(self, account: Account) -> None:
        super().__init__("", "", method="kxmsg")
        self._account = account

    async def get_frozen_credentials(self) -> Any:
        now = await self._account.credentials()
        return ReadOnlyCredentials(now.access_key, now.secret_key, now.session_token)


def resolve_credentials(region: str) -> Resolved | None:
    """Go through the SDK's whole chain: environment, profile, process, SSO, web identity, container, instance.

    Blocks; not on a thread with a running event loop. None where there are none. Raises
    :class:`~kxmsg.errors.StartError`.
    """
    try:
        return asyncio.run(_resolve(region))
    except TimeoutError as error:
        raise StartError(f"AWS credentials: their source did not answer in {RESOLVE_TIMEOUT:g} s") from error
    except Exception as error:  # whatever a provider of the chain makes of a bad file or answer
        operation = getattr(error, "operation_name", "credentials")
        raise start_error(from_sdk(error, "sts", operation), "AWS credentials") from error


async def _resolve(region: str) -> Resolved | None:
    async with asyncio.timeout(RESOLVE_TIMEOUT):
        found = await _session(region).get_credentials()
        if found is None:
            return None
        frozen = await found.get_frozen_credentials()
    credentials = Credentials(frozen.access_key, frozen.secret_key, frozen.token)
    if isinstance(found, AioRefreshableCredentials):
        return Resolved(credentials, found.refresh_needed)
    return Resolved(credentials)


async def _caller_account(region: str, credentials: Credentials) -> str:
    keys = {
        "aws_access_key_id": credentials.access_key,
        "aws_secret_access_key": credentials.secret_key,
        "aws_session_token": credentials.session_token,
    }
    async with asyncio.timeout(RESOLVE_TIMEOUT), _session(region).create_client("sts", config=_STS, **keys) as sts:
        answer = await sts.get_caller_identity()
    return str(answer["Account"])


def _session(region: str) -> Any:
    session = AioSession()
    session.set_config_variable("region", region)
    return session
