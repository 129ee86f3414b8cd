"""POST /metrics: what clients measure."""

from typing import Any

import pytest

from kxmsg.api import metrics
from kxmsg.runtime.metrics import Emf
from kxmsg.telemetry import REGISTRY
from tests.api.conftest import Api

SEEN = {"name": "send_to_screen", "value": 250, "unit": "Milliseconds", "tags": {"platform": "ios"}}


def counted(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, labels) or 0.0


async def test_it_gets_into_the_metrics_of_the_process(api: Api) -> None:
    """Times in seconds, tags as one label, those that nobody asked for dropped."""
    labels = {"name": "send_to_screen", "unit": "Seconds", "tags": "platform=ios"}
    before = counted("kxmsg_client_measured_sum", **labels)
    body = {"metrics": [{**SEEN, "tags": {"platform": "ios", "email": "ana at home"}}]}
    answer = await api.call("POST", "/metrics", "ana", json=body)
    assert (answer.status, answer.body) == (202, {"success": True, "accepted": 1})
    assert counted("kxmsg_client_measured_sum", **labels) - before == pytest.approx(0.25)


async def test_one_alone_needs_no_list(api: Api) -> None:
    labels = {"name": "error", "tags": ""}
    before = counted("kxmsg_client_events_total", **labels)
    one = {"name": "error", "value": 3, "unit": "Count"}
    assert (await api.call("POST", "/metrics", "ana", json=one)).body["accepted"] == 1
    assert counted("kxmsg_client_events_total", **labels) - before == 3
    assert any('"kxmsg_client_events"' in line for line in Emf().lines(0))


async def test_bytes_are_told_as_such(api: Api) -> None:
    await api.call("POST", "/metrics", "ana", json={"name": "page_load", "value": 2048, "unit": "Bytes"})
    assert counted("kxmsg_client_measured_count", name="page_load", unit="Bytes", tags="") == 1


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"name": "nonsense"}, "unknown_metric"),
        ({"name": "send_to_screen"}, "invalid_input"),
        ({**SEEN, "value": -1}, "invalid_input"),
        ({**SEEN, "value": 1e13}, "invalid_input"),
        ({**SEEN, "unit": "Furlongs"}, "invalid_input"),
        ({**SEEN, "tags": {"platform": "x" * 65}}, "invalid_input"),
        ({**SEEN, "tags": {"platform": 'a"b\n'}}, "invalid_input"),
        ({"metrics": []}, "invalid_input"),
        ({"metrics": [SEEN] * 101}, "invalid_input"),
        ([], "invalid_input"),
    ],
    ids=str,
)
async def test_anything_else_is_refused(api: Api, wrong: Any, code: str) -> None:
    if isinstance(wrong, dict) and code == "unknown_metric":
        wrong = {**wrong, "value": 1}
    answer = await api.call("POST", "/metrics", "ana", json=wrong)
    assert (answer.status, answer.code) == (400, code)


async def test_a_report_is_taken_as_a_whole(api: Api) -> None:
    labels = {"name": "connect", "unit": "Seconds", "tags": ""}
    body = {"metrics": [{"name": "connect", "value": 1}, {"name": "nonsense", "value": 1}]}
    assert (await api.call("POST", "/metrics", "ana", json=body)).status == 400
    assert counted("kxmsg_client_measured_count", **labels) == 0


async def test_clients_can_not_make_up_ever_more_series(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Further sets of tags are counted together."""
    monkeypatch.setattr(metrics, "MAX_SERIES", 2)
    monkeypatch.setattr(metrics, "_seen", {"version=1", "version=2"})
    for version in range(1, 6):
        one = {"name": "frame_gap", "value": 1, "unit": "Count", "tags": {"version": str(version)}}
        assert (await api.call("POST", "/metrics", "ana", json=one)).status == 202
    assert counted("kxmsg_client_events_total", name="frame_gap", tags="version=2") == 1
    assert counted("kxmsg_client_events_total", name="frame_gap", tags="other") == 3
