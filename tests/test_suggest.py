"""Hints for what somebody may have meant."""

from kxmsg.suggest import did_you_mean


def test_something_close_is_suggested() -> None:
    assert did_you_mean("titel", ["title", "content"]) == "; did you mean 'title'?"


def test_where_nothing_is_close_all_is_listed_in_order() -> None:
    assert did_you_mean("zzz", ["title", "content"]) == "; known are content, title"
