"""Settings, from the environment alone. ``kxmsg settings`` lists them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[list[str], NoDecode, BeforeValidator(_split)]
"""A comma-separated list."""

BasePath = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)+$")]
"""Where a family of routes is found."""

Secrets = Annotated[list[Annotated[SecretStr, Field(min_length=16)]], NoDecode, BeforeValidator(_split)]
"""As :data:`Names`, never shown."""


class Settings(BaseSettings):
    """What a deployment decides. Each is ``KXMSG_`` + its name in capitals, but for ``LOG_LEVEL``."""

    model_config = SettingsConfigDict(env_prefix="KXMSG_", extra="ignore", frozen=True)

    backend: Literal["embedded", "aws"] = Field("embedded", description="Where queues, tables and files live.")
    config: Path = Field(Path("config"), description="Folder of YAML subscriptions.")
    data: Path = Field(Path(".kxmsg"), description="Folder of the embedded backend.")
    prefix: str = Field("kx-notifications", description="Head of every resource name on AWS.")
    fast_wire: bool = Field(
        True, description="AWS: hot calls over kxmsg's own HTTP client; false: all through the SDK, 20 times slower."
    )
    aws_timeout: float = Field(
        10,
        gt=0,
        le=60,
        description="AWS: seconds that an attempt of a call may take; a poll may take 5 more than it waits.",
    )
    durability: Literal["full", "normal"] = Field(
        "full", description="Embedded: 'full' survives power loss, 'normal' only crashes of the process."
    )

    host: str = Field("127.0.0.1", description="Address that api and gateway listen on.")
    api_port: int = Field(8080, ge=0, le=65535, description="Port of the REST API.")
    gateway_port: int = Field(8081, ge=0, le=65535, description="Port of the WebSocket gateway and @connections.")
    metrics_port: int | None = Field(None, description="Port of a worker's Prometheus endpoint; none by default.")
    api_url: str | None = Field(None, description="Where the gateway finds the API; default: host and api_port.")
    gateway_name: str = Field("local", description="This gateway's name in the allow-list.")
    gateways: Names = Field(
        default_factory=list,
        description="Allow-list of gateways, name=url, comma-separated; default: gateway_name on host and port.",
    )
    gateway_secrets: Secrets = Field(
        default_factory=list,
        max_length=2,
        description="Secrets of the integration routes: one, or two to rotate, comma-separated; made on first use.",
    )

    jwks: str | None = Field(None, description="URL or file of the JWKS; default: the key in the data folder.")
    issuer: str = Field("kxmsg-local", description="Required 'iss' of tokens.")
    audience: str = Field("kxmsg", description="Required 'aud', or 'client_id' of a Cognito access token.")
    tenant_claims: Names = Field(default=["tenantId", "custom:tenantId"], description="Claims that name the tenant.")
    role_claims: Names = Field(default=["roles", "cognito:groups"], description="Claims that list the roles.")
    default_tenant: str = Field("default", description="Tenant of events that name none.")
    locale: str = Field("en", description="Language of readers who name none, as en or pt-BR.")
    origins: Names = Field(
        default_factory=list, description="Browser origins allowed to call the API and to connect; none: any."
    )

    notifications_path: BasePath = Field("/notifications", description="Base path of the notification routes.")
    messages_path: BasePath = Field("/messages", description="Base path of the message routes.")
    channels_path: BasePath = Field("/channels", description="Base path of the channel routes.")
    rate_user: float = Field(200, ge=0, description="Requests per second of one user, per API process; 0: any number.")
    rate_user_burst: int = Field(1000, ge=1, description="Requests that a user may make at once.")
    rate_tenant: float = Field(2000, ge=0, description="As rate_user, of all users of a tenant together.")
    rate_tenant_burst: int = Field(10_000, ge=1, description="Requests that a tenant may make at once.")
    client_metrics: Names = Field(
        default=["page_load", "connect", "reconnect", "send_to_ack", "send_to_screen", "frame_gap", "error"],
        description="Names of measurements that clients may report.",
    )
    client_tags: Names = Field(
        default=["platform", "browser", "version"], description="Tags that those may carry; others are dropped."
    )

    notification_ttl_days: int = Field(90, ge=1, description="How long notifications are kept.")
    message_ttl_days: int = Field(90, ge=1, description="How long messages are kept.")
    available_events: Literal["all", "connected", "none"] = Field(
        "all", description="Per-user *.available events: for all, for connected users, or none."
    )

    concurrency: int = Field(100, ge=1, le=10_000, description="Messages that a worker holds at once, per queue.")
    visibility: float = Field(30, gt=0, le=43_200, description="Seconds a message is leased before it is extended.")
    stop_timeout: float = Field(30, gt=5, le=120, description="Seconds from SIGTERM to SIGKILL; the drain gets 5 less.")
    max_failures: int = Field(3, ge=1, description="Failures of a handler before the message is dead-lettered.")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias="LOG_LEVEL", description="Least severe level that is logged."
    )
    log_format: Literal["auto", "json", "pretty"] = Field(
        "auto", description="'auto': pretty on a terminal, else JSON."
    )
