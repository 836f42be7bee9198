"""What S3 and the way to it can say, as a sentence for a person and a consequence."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import Final

from botocore import exceptions as boto
from fsspec.exceptions import FSTimeoutError

from etl_callables.errors import RetryLater, Stop, TrawlError
from etl_callables.store import Missing
from etl_callables.url import veiled

_LATER: Final = {
    "429", "500", "502", "503", "504", "BadDigest", "IncompleteBody", "InternalError", "InvalidPart",
    "NoSuchUpload", "OperationAborted", "RequestLimitExceeded", "RequestTimeout", "ServiceUnavailable",
    "SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "XAmzContentSHA256Mismatch",
}  # fmt: skip
_REFUSED: Final = {
    "AccessDenied", "AllAccessDisabled", "403", "AccountProblem", "InvalidObjectState", "UserSuspended",
}  # fmt: skip
_FULL: Final = {"QuotaExceeded", "InsufficientCapacity"}
_UNKNOWN_KEYS: Final = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId"}
_EXPIRED: Final = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
_ELSEWHERE: Final = {
    "301", "307", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect",
    "TemporaryRedirect",
}  # fmt: skip
_NO_KEY: Final = {"404", "NoSuchKey", "NotFound"}
_OR_ABSENT: Final = (
    " (and s3:ListBucket on the bucket: without that, S3 refuses to say that an object is not there)"
)
_UNKNOWN: Final = {"NotImplemented", "501"}
_SERVER_FAULT: Final = 500
_WORDLESS: Final = "400"
"""What is left of an error's code where S3 may send no body, which is so of every HEAD."""

_HOW_TO_GIVE_KEYS: Final = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give the machine an instance role, "
    "or name an AWS connection in the job"
)


def explain(error: BaseException, action: str, url: str) -> TrawlError:
    """The error to raise for what happened on `action` (an IAM name) at `url`."""
    for cause in _chain(error):
        if isinstance(cause, TrawlError):
            return cause
        if isinstance(cause, boto.ClientError):
            answer = cause.response
            status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            detail = answer.get("Error", {})
            return explain_code(detail.get("Code", ""), detail.get("Message", ""), action, url, status)
        known = _explain_client(cause, action, url)
        if known:
            return known
    return RetryLater(f"{url} could not be reached for {action} ({_line(error)}).{_unwritten(action)}")


def explain_code(code: str, message: str, action: str, url: str, status: int = 0) -> TrawlError:
    """The error to raise for an answer of S3: its error code, message and HTTP status."""
    bucket = "/".join(url.split("/")[:3])
    said = f"{code}: {_line(message)}" if message else code
    if code == "NoSuchBucket":
        return Stop(
            f"The bucket {bucket} does not exist: create it (`aws s3 mb {bucket}`), "
            "or correct `bucket` in the job."
        )
    if code in _NO_KEY:
        return Missing(f"There is no object {url}.")
    if code in _FULL:
        return Stop(f"The bucket {bucket} is full ({said}): make room, or have its quota raised.")
    if refusal := _refusal(code, said, action, url):
        return Stop(refusal)
    if code in _ELSEWHERE:
        return Stop(f"The bucket {bucket} is in another region ({said}): set AWS_REGION to it.")
    if code in _LATER or (status >= _SERVER_FAULT and code not in _UNKNOWN):
        return RetryLater(f"S3 cannot take {action} on {url} now ({said}).{_unwritten(action)}")
    return Stop(f"S3 did not do {action} on {url} ({said}).")


def _refusal(code: str, said: str, action: str, url: str) -> str | None:
    """What S3 has against whoever asks, None when it is something else."""
    bucket = "/".join(url.split("/")[:3])
    if code in _REFUSED:
        return (
            f"S3 refuses {action} on {url} ({said}): whoever runs the AWS account must allow it "
            f"for the credentials this job uses{_OR_ABSENT if action == 's3:GetObject' else ''}."
        )
    if code in _EXPIRED:
        return f"The AWS credentials for {bucket} have expired ({said}): renew them."
    if code == _WORDLESS:
        return (
            f"S3 refuses {action} on {url} without a word ({said}), as where credentials have expired: "
            "renew them."
        )
    if code in _UNKNOWN_KEYS:
        return f"AWS does not accept the credentials for {bucket} ({said}): {_HOW_TO_GIVE_KEYS}."
    if code == "RequestTimeTooSkewed":
        return f"This machine's clock is wrong, so S3 refuses every request to {bucket}: set the clock."
    return None


def is_missing(error: BaseException) -> bool:
    """Whether S3 said that there is no such key."""
    return _said(error, _NO_KEY)


def is_unknown(error: BaseException) -> bool:
    """Whether this server does not know such a request at all."""
    return _said(error, _UNKNOWN)


def _said(error: BaseException, codes: Container[str]) -> bool:
    return any(
        isinstance(cause, boto.ClientError) and cause.response.get("Error", {}).get("Code") in codes
        for cause in _chain(error)
    )


def _unwritten(action: str) -> str:
    """What a writer wants to know where nothing came of it; to a reader it would say nothing."""
    return " Nothing was published." if action == "s3:PutObject" else ""


def _explain_client(cause: BaseException, action: str, url: str) -> TrawlError | None:
    """The error to raise for what botocore says without asking S3, None when it means nothing to us."""
    bucket = "/".join(url.split("/")[:3])
    if isinstance(
        cause, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError
    ):
        return Stop(f"There are no AWS credentials for {bucket}: {_HOW_TO_GIVE_KEYS}.")
    if isinstance(
        cause, boto.ProfileNotFound | boto.ParamValidationError | boto.InvalidRegionError | ValueError
    ):
        return Stop(f"{bucket} cannot be used ({_line(cause)}).")
    if isinstance(cause, boto.EndpointConnectionError | boto.ConnectTimeoutError | boto.ConnectionError):
        return RetryLater(f"The way to {bucket} is closed ({_line(cause)}).{_unwritten(action)}")
    if isinstance(cause, boto.HTTPClientError | FSTimeoutError | TimeoutError | ConnectionError):
        return RetryLater(f"{bucket} stopped answering ({_line(cause)}).{_unwritten(action)}")
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _line(text: object) -> str:
    """On one line, short, and without a final stop: it stands inside a sentence."""
    return veiled(re.sub(r"\s+", " ", str(text) or type(text).__name__)).strip().rstrip(".")[:300]
