"""AwsError: what an AWS call can come to instead of an answer, classified once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from kxmsg.errors import Permanent, StartError, Transient

Kind = Literal["throttle", "transient", "permanent"]
"""``throttle``: not done, too many calls; ``transient``: may succeed when repeated; ``permanent``: never will."""

_READ, _SHOWN = 10_000, 300
"""Characters of AWS's own message that are looked at, and that an error shows."""

_VALUE: Final = re.compile(r"\bvalue (?:['\[].*(?= at ')|.*(?= for parameter )|['\[].*)", re.DOTALL | re.IGNORECASE)
"""What a validation message repeats of the request: ``Value '[…]' at 'entries' …``, ``Value … for parameter X …``."""


class AwsError(Exception):
    """A call that got no good answer.

    ``code`` is AWS's error code without its namespace, or one of our own: ``Timeout``, ``Unreachable``, ``Reset``,
    ``BadAnswer``, ``NoCredentials``. ``status`` is the HTTP status, 0 where no answer came. ``unclear`` tells that the
    call may have been executed all the same: the answer was lost, or cut short, or a 5xx. ``details`` is the error's
    JSON object (``CancellationReasons``, ``Item``). ``message`` is AWS's, without what it repeats of the request.
    """

    def __init__(
        self,
        service: str,
        operation: str,
        code: str,
        message: str = "",
        *,
        status: int = 0,
        unclear: bool = False,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.message = _presentable(message)
        super().__init__(f"{service} {operation}: {code}" + (f": {self.message}" if self.message else ""))
        self.service = service
        self.operation = operation
        self.code = code
        self.status = status
        self.unclear = unclear
        self.details: Mapping[str, Any] = details or {}


def _presentable(message: str) -> str:
    """Its first line, without the request's values: a signature error goes on with the session token."""
    return _VALUE.sub("the value", message[:_READ]).partition("\n")[0].strip()[:_SHOWN]


@dataclass(frozen=True, slots=True)
class _Family:
    """Codes that mean the same, without ``Exception`` at their end; ``remedy`` may name {action}, {service}."""

    kind: Kind
    codes: str
    remedy: str = ""


_FAMILIES: Final = (
    # What AWS's SDKs take for throttles (SDKs and Tools Reference Guide, "Retry behavior"), those of SNS and of KMS
    # behind SQS and SNS, SQS with too many messages in flight, and the reasons of a cancelled transaction.
    _Family(
        "throttle",
        "Throttling Throttled RequestThrottled SlowDown TooManyRequests ProvisionedThroughputExceeded "
        "RequestLimitExceeded BandwidthLimitExceeded LimitExceeded EC2Throttled KMSThrottling KMSThrottled "
        "OverLimit ThrottlingError",
        "see to the service's quota",
    ),
    _Family(
        "transient",
        "InternalError Internal InternalFailure InternalServerError InternalServer ServiceUnavailable RequestTimeout "
        "PriorRequestNotComplete TransactionInProgress TransactionConflict ReplicatedWriteConflict "
        "ConcurrentModification ConcurrentAccess OperationAborted BadDigest IDPCommunicationError",
        "try again",
    ),
    _Family(
        "transient",
        "Timeout Unreachable Reset BadAnswer",
        "check the network, AWS_REGION and AWS_ENDPOINT_URL",
    ),
    _Family(
        "transient",
        "ExpiredToken TokenRefreshRequired",
        "renew AWS_SESSION_TOKEN with its keys, or the profile's login, or use a role",
    ),
    _Family(
        "transient",
        "NoCredentials",
        "see to the source of its credentials: the profile's login, or the role of the task or machine",
    ),
    # Every attempt is signed anew: a process that was suspended for minutes gets over it.
    _Family("transient", "RequestTimeTooSkewed RequestExpired RequestInTheFuture", "set this machine's clock"),
    _Family(
        "permanent",
        "AccessDenied AuthorizationError Forbidden UnauthorizedOperation NotAuthorizedForSource "
        "NotAuthorizedForDetailType 403",
        "allow {action} on it to this process's user or role",
    ),
    _Family(
        "permanent",
        "KMSAccessDenied KMSDisabled KMSInvalidKeyUsage KMSInvalidState KMSNotFound KMSOptInRequired",
        "see to its KMS key: enabled, with kms:Decrypt and kms:GenerateDataKey allowed to this process's user or role",
    ),
    _Family(
        "permanent",
        "QueueDoesNotExist NonExistentQueue ResourceNotFound NotFound TableNotFound NoSuchBucket InvalidAddress 404",
        "run 'kxmsg provision' (with --worker for one of your own), or check KXMSG_PREFIX, AWS_REGION and the account",
    ),
    _Family(
        "permanent",
        "UnrecognizedClient InvalidClientTokenId InvalidAccessKeyId InvalidSignature SignatureDoesNotMatch "
        "InvalidSecurity IncompleteSignature MissingAuthenticationToken AuthFailure InvalidIdentityToken "
        "IDPRejectedClaim",
        "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or this process's role",
    ),
    _Family(
        "permanent",
        "OptInRequired SubscriptionRequired RegionDisabled",
        "enable {service} in this account and region",
    ),
)

_BY_CODE: Final = {code.lower(): family for family in _FAMILIES for code in family.codes.split()}

_EXPIRED: Final = _BY_CODE["expiredtoken"]

_ACTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("sqs", "SendMessageBatch"): "sqs:SendMessage",
    ("sqs", "DeleteMessageBatch"): "sqs:DeleteMessage",
    ("sqs", "ChangeMessageVisibilityBatch"): "sqs:ChangeMessageVisibility",
    ("sns", "PublishBatch"): "sns:Publish",
    ("dynamodb", "TransactGetItems"): "dynamodb:GetItem",
    ("dynamodb", "TransactWriteItems"): (
        "dynamodb:PutItem, dynamodb:UpdateItem, dynamodb:DeleteItem and dynamodb:ConditionCheckItem"
    ),
    ("s3", "HeadBucket"): "s3:ListBucket",
    ("s3", "HeadObject"): "s3:GetObject",
    ("s3", "PutBucketLifecycleConfiguration"): "s3:PutLifecycleConfiguration",
    ("s3", "GetBucketLifecycleConfiguration"): "s3:GetLifecycleConfiguration",
    ("s3", "GetPublicAccessBlock"): "s3:GetBucketPublicAccessBlock",
    ("s3", "PutPublicAccessBlock"): "s3:PutBucketPublicAccessBlock",
    ("s3", "GetBucketEncryption"): "s3:GetEncryptionConfiguration",
    ("s3", "PutBucketEncryption"): "s3:PutEncryptionConfiguration",
    ("apigatewaymanagementapi", "PostToConnection"): "execute-api:ManageConnections",
    ("apigatewaymanagementapi", "DeleteConnection"): "execute-api:ManageConnections",
}
"""IAM actions that are not named like the operation (Service Authorization Reference)."""


def kind_of(error: AwsError) -> Kind:
    """Whether, and how, the call may be repeated; where it is ``unclear``, only if doing it twice does no harm."""
    return kind_of_code(error.code, error.status)


def kind_of_code(code: str, status: int = 0) -> Kind:
    """As :func:`kind_of`, for the code of one entry of a batch or of a cancelled transaction."""
    family = _family(code)
    if status == 429:
        return "throttle"
    if family is not None:
        return family.kind
    return "transient" if status >= 500 or status == 408 else "permanent"


def expired(error: AwsError) -> bool:
    """Whether the call was refused because its credentials have run out: fresh ones may do."""
    return _family(error.code) is _EXPIRED


def iam_action(service: str, operation: str) -> str:
    """What a policy must allow for this call."""
    return _ACTIONS.get((service, operation), f"{service}:{operation}")


def to_backend_error(error: AwsError, resource: str) -> Transient | Permanent:
    """What a port raises for it; ``resource`` as in ``queue kx-notifications-render``."""
    if kind_of(error) == "permanent":
        return Permanent(_sentence(error, resource))
    return Transient(f"{resource}: {error}")


def start_error(error: AwsError, resource: str) -> StartError:
    """As :func:`to_backend_error`, for a check at start: one line with the remedy, whatever the error's kind."""
    return StartError(_sentence(error, resource))


def _sentence(error: AwsError, resource: str) -> str:
    family = _family(error.code)
    if family is None:
        return f"{resource}: {error}"
    action = iam_action(error.service, error.operation)
    return f"{resource}: {error}; {family.remedy.format(action=action, service=error.service)}"


def _family(code: str) -> _Family | None:
    """Of ``com.amazonaws.sqs#QueueDoesNotExist``, ``AWS.SimpleQueueService.NonExistentQueue``, ``KMS.Disabled…``."""
    name = code.rpartition("#")[2].replace("KMS.", "KMS").rpartition(".")[2]
    return _BY_CODE.get(name.removesuffix("Exception").lower())
