"""kxmsg.aws.wire.query_protocol: SNS's forms and XML, in the shapes of the JSON protocols, as botocore has them."""

import string
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import botocore.session  # type: ignore[import-untyped]  # botocore has no stubs
import pytest
from botocore.parsers import create_parser  # type: ignore[import-untyped]  # botocore has no stubs
from botocore.serialize import create_serializer  # type: ignore[import-untyped]  # botocore has no stubs
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.aws.errors import AwsError, kind_of
from kxmsg.aws.wire.http1 import Answer
from kxmsg.aws.wire.query_protocol import QueryProtocol, UnreadableXml, _escape, read_xml

PROTOCOL = QueryProtocol("2010-03-31")
OPERATION = botocore.session.get_session().get_service_model("sns").operation_model("PublishBatch")
NAMESPACE = b"http://sns.amazonaws.com/doc/2010-03-31/"
GOOD = (
    b'<PublishBatchResponse xmlns="%b"><PublishBatchResult>'
    b"<Failed><member><Id>2</Id><Code>InternalFailure</Code><Message>a &lt;b&gt; &#233;</Message>"
    b"<SenderFault>false</SenderFault></member></Failed>"
    b"<Successful><member><Id>1</Id><MessageId>m-1</MessageId></member>"
    b"<member><Id>3</Id><MessageId>m-3</MessageId><SequenceNumber>10000000000000003000</SequenceNumber></member>"
    b"</Successful></PublishBatchResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
    b"</PublishBatchResponse>" % NAMESPACE
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
attributes = st.dictionaries(
    st.text(string.ascii_letters, min_size=1, max_size=8),
    st.fixed_dictionaries({"DataType": st.just("String"), "StringValue": texts}),
    max_size=3,
)
entries = st.lists(
    st.fixed_dictionaries(
        {"Id": st.text(string.digits, min_size=1, max_size=2), "Message": texts},
        optional={
            "MessageAttributes": attributes.filter(bool),
            "MessageGroupId": texts,
            "MessageDeduplicationId": texts,
        },
    ),
    min_size=1,
    max_size=4,
)


def decode(status: int, body: bytes) -> dict[str, Any]:
    return PROTOCOL.decode("sns", "PublishBatch", Answer(status, body, b"HTTP/1.1 000"))


def refused(status: int, body: bytes) -> AwsError:
    with pytest.raises(AwsError) as caught:
        decode(status, body)
    assert caught.value.status == status
    return caught.value


def form(body: bytes) -> dict[str, str]:
    pairs = [field.partition(b"=") for field in body.split(b"&")]
    assert len({name for name, _, _ in pairs}) == len(pairs)
    return {name.decode(): unquote_to_bytes(value).decode() for name, _, value in pairs}


@given(entries)
def test_the_form_is_botocores(entries: list[dict[str, Any]]) -> None:
    payload = {"TopicArn": "arn:aws:sns:eu-central-1:1:t", "PublishBatchRequestEntries": entries}
    expected = create_serializer("query").serialize_to_request(payload, OPERATION)["body"]
    assert form(PROTOCOL.encode("sns", "PublishBatch", payload)) == expected


@given(texts | st.text('%25 "{}é€&=+', max_size=40) | st.text(st.characters(codec="utf-8"), min_size=60, max_size=200))
def test_text_is_escaped_as_urllib_does(text: str) -> None:
    assert _escape(text) == quote(text, safe="~")


def test_the_result_is_botocores() -> None:
    expected = create_parser("query").parse({"body": GOOD, "headers": {}, "status_code": 200}, OPERATION.output_shape)
    del expected["ResponseMetadata"]
    assert decode(200, GOOD) == expected


def test_empty_lists_are_lists() -> None:
    body = b"<PublishBatchResponse><PublishBatchResult><Failed/></PublishBatchResult></PublishBatchResponse>"
    assert decode(200, body) == {"Successful": [], "Failed": []}


@pytest.mark.parametrize("result", [b"<PublishBatchResult/>", b"<PublishBatchResult> \n </PublishBatchResult>"])
def test_an_empty_result_has_its_lists(result: bytes) -> None:
    assert decode(200, b"<PublishBatchResponse>" + result + b"</PublishBatchResponse>") == {
        "Successful": [],
        "Failed": [],
    }


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", GOOD[:-5], GOOD + b"<x/>", b"<PublishBatchResponse/>", b"<PublishResponse><x/></PublishResponse>"],
    ids=["empty", "JSON", "cut short", "more", "no result", "another operation's"],
)
def test_a_success_that_can_not_be_read_is_unclear(body: bytes) -> None:
    error = refused(200, body)
    assert (error.code, error.unclear, kind_of(error)) == ("BadAnswer", True, "transient")


def test_errors_have_code_and_message() -> None:
    body = (
        b'<ErrorResponse xmlns="%b"><Error><Type>Sender</Type><Code>NotFound</Code><Message>Topic does not exist'
        b"</Message></Error><RequestId>r</RequestId></ErrorResponse>" % NAMESPACE
    )
    error = refused(404, body)
    assert (error.code, error.message, error.unclear) == ("NotFound", "Topic does not exist", False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><p>sorry</html>",
        b"<Error/>",
        b"<a><Error>x</Error></a>",
        b"<a><Error><Code><b/></Code></Error></a>",
    ],
)
def test_an_error_that_can_not_be_read_has_its_status(body: bytes) -> None:
    error = refused(502, body)
    assert (error.code, error.unclear, kind_of(error)) == ("502", True, "transient")


def test_a_throttle_was_not_executed() -> None:
    body = b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
    error = refused(503, body)
    assert (error.unclear, kind_of(error)) == (False, "throttle")


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY b "cc">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>&b;</a>",
    ],
    ids=["entity", "external", "undeclared"],
)
def test_documents_with_entities_of_their_own_are_refused(body: bytes) -> None:
    with pytest.raises(UnreadableXml):
        read_xml(body)


@given(st.binary(max_size=60) | st.text("<>/!&;a \"='", max_size=60).map(str.encode))
def test_arbitrary_bytes_are_xml_or_refused(body: bytes) -> None:
    try:
        name, _ = read_xml(body)
    except UnreadableXml:
        return
    assert name


def test_other_operations_are_refused_before_anything_is_sent() -> None:
    with pytest.raises(AwsError, match=r"CreateTopic: UnsupportedOperation: .*kxmsg\.aws\.sdk") as caught:
        PROTOCOL.encode("sns", "CreateTopic", {"Name": "t"})
    assert (kind_of(caught.value), caught.value.unclear) == ("permanent", False)


@pytest.mark.parametrize("value", [b"hunter2", None, 15, "hunter2\ud800"], ids=["bytes", "none", "number", "surrogate"])
def test_what_a_form_can_not_hold_is_refused_without_being_shown(value: object) -> None:
    with pytest.raises(AwsError, match="SerializationException") as caught:
        PROTOCOL.encode("sns", "PublishBatch", {"PublishBatchRequestEntries": [{"Id": "1", "Message": value}]})
    assert "hunter2" not in str(caught.value)
