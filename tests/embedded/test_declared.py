"""Queues of users' workers, known to every process on the folder."""

from pathlib import Path

from kxmsg.embedded.declared import Declared
from kxmsg.topology import QueueSpec, SubscriptionSpec


def test_what_one_process_declares_another_finds_at_its_next_publish(tmp_path: Path) -> None:
    mine, theirs = Declared(tmp_path), Declared(tmp_path)
    assert theirs.subscriptions("outbound") == []
    wanted = SubscriptionSpec("outbound", "audit", {"kind": ("notification", "message")})
    mine.declare(QueueSpec("audit"), [wanted])
    assert theirs.subscriptions("outbound") == [wanted]
    assert theirs.subscriptions("outbound.fifo") == []


def test_declaring_again_takes_the_place_of_what_was_declared(tmp_path: Path) -> None:
    declared = Declared(tmp_path)
    declared.declare(QueueSpec("audit"), [SubscriptionSpec("outbound", "audit")])
    declared.declare(QueueSpec("audit"), [SubscriptionSpec("outbound.fifo", "audit")])
    assert declared.subscriptions("outbound") == []
    assert [one.topic for one in declared.subscriptions("outbound.fifo")] == ["outbound.fifo"]


def test_a_declared_queue_and_its_dead_letters_are_known(tmp_path: Path) -> None:
    declared = Declared(tmp_path)
    declared.declare(QueueSpec("audit.fifo"), [])
    assert declared.knows("audit.fifo")
    assert declared.knows("audit-dlq.fifo")
    assert not declared.knows("audit")
