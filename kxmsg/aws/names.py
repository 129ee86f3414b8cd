"""Names: what the topology's logical names are called on AWS, in one account and region. Pure."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from kxmsg.errors import ConfigError
from kxmsg.topology import BUS, Rule

LONGEST_PREFIX: Final = 40
"""Characters of a prefix, so that every name has room beside it: the narrowest, a bucket's, are 63."""

_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_QUEUE: Final = re.compile(r"(?=.{1,80}\Z)[A-Za-z0-9_-]+(\.fifo)?")  # Amazon SQS standard and FIFO queue quotas
_TOPIC: Final = re.compile(r"(?=.{1,256}\Z)[A-Za-z0-9_-]+(\.fifo)?")  # Amazon SNS API, CreateTopic
_TABLE: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")  # Amazon DynamoDB, naming rules
_BUS: Final = re.compile(r"[A-Za-z0-9_.-]{1,256}")  # Amazon EventBridge API, CreateEventBus
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")  # Amazon S3, general purpose bucket naming rules
_RULE_ROOM: Final = 64  # Amazon EventBridge API, PutRule
_NOT_OF_RULE: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_DIGEST: Final = 10


@dataclass(frozen=True, slots=True)
class Names:
    """Resource names are ``{prefix}-{logical name}``; ``account`` and ``region`` make them ARNs.

    A FIFO queue's or topic's name ends in ``.fifo``, as its logical one. Raises
    :class:`~kxmsg.errors.ConfigError` where AWS does not allow what comes out.
    """

    prefix: str
    account: str
    region: str

    def __post_init__(self) -> None:
        if len(self.prefix) > LONGEST_PREFIX or not _PREFIX.fullmatch(self.prefix):
            raise ConfigError(
                [
                    f"KXMSG_PREFIX: {self.prefix!r} can't head resource names; use up to {LONGEST_PREFIX} letters, "
                    "digits, - and _, the first a letter or digit"
                ]
            )

    @property
    def partition(self) -> str:
        """The part of AWS that the region belongs to, as ARNs name it."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    def queue(self, name: str) -> str:
        return self._checked(name, _QUEUE, "an SQS queue")

    def queue_arn(self, name: str) -> str:
        return self._arn("sqs", self.queue(name))

    def topic(self, name: str) -> str:
        return self._checked(name, _TOPIC, "an SNS topic")

    def topic_arn(self, name: str) -> str:
        return self._arn("sns", self.topic(name))

    def table(self, name: str) -> str:
        return self._checked(name, _TABLE, "a DynamoDB table")

    def table_arn(self, name: str) -> str:
        return self._arn("dynamodb", f"table/{self.table(name)}")

    @property
    def bus(self) -> str:
        return self._checked(BUS, _BUS, "an event bus")

    @property
    def bus_arn(self) -> str:
        return self._arn("events", f"event-bus/{self.bus}")

    def rule(self, rule: Rule) -> str:
        """The rule's name, from which nothing but its own name counts, so that a change of it stays one.

        Where that has characters or a length that AWS does not allow, a hash of it tells it from others.
        """
        full = f"{self.prefix}-{rule.name}"
        if len(full) <= _RULE_ROOM and not _NOT_OF_RULE.search(full):
            return full
        digest = sha256(rule.name.encode()).hexdigest()[:_DIGEST]
        return f"{_NOT_OF_RULE.sub('-', full)[: _RULE_ROOM - _DIGEST - 1]}-{digest}"

    def rule_arn(self, rule: Rule) -> str:
        return self._arn("events", f"rule/{self.bus}/{self.rule(rule)}")

    @property
    def secret(self) -> str:
        return f"{self.prefix}-secrets"

    @property
    def secret_arn(self) -> str:
        """Secrets Manager ends the ARN in a hyphen and six characters of its own ("What's in a secret")."""
        return self._arn("secretsmanager", f"secret:{self.secret}-??????")

    def bucket(self, name: str) -> str:
        """A bucket's name is one in the whole world, so account and region are in it."""
        full = f"{self.prefix}-{name}-{self.account}-{self.region}".lower().replace("_", "-")
        return _allowed(full, _BUCKET, "an S3 bucket")

    def bucket_arn(self, name: str) -> str:
        return f"arn:{self.partition}:s3:::{self.bucket(name)}"

    def _checked(self, name: str, pattern: re.Pattern[str], kind: str) -> str:
        return _allowed(f"{self.prefix}-{name}", pattern, kind)

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def _allowed(full: str, pattern: re.Pattern[str], kind: str) -> str:
    if not pattern.fullmatch(full):
        raise ConfigError([f"{full}: {kind} can't be called so; shorten KXMSG_PREFIX or change the logical name"])
    return full
