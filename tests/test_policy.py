"""kxmsg.policy: every cell of role and action."""

from itertools import chain, combinations

import pytest

from kxmsg.policy import ROLES, Action, allowed, table

# One letter per role, in the order of ROLES: y always, p participant, o owner, s own (self), - never.
EXPECTED = {
    "publish_event": "yy----",
    "address_anyone": "yy----",
    "write_broadcast": "y-----",
    "act_for_others": "yy----",
    "read_inbox": "yyssss",
    "change_inbox": "yyssss",
    "edit_notification": "yy----",
    "create_channel": "yyy--y",
    "create_lead": "yyy-yy",
    "read_channel": "yypppp",
    "send_message": "yypppp",
    "edit_message": "yyssss",
    "post_reply": "yy-p--",
    "join_channel": "yyyppp",
    "leave_channel": "yypppp",
    "update_channel": "yyo--o",
    "force_delete": "yy----",
    "see_unclaimed_leads": "yyy---",
    "claim_lead": "yyy---",
    "release_lead": "yys---",
    "assign_bot": "yy----",
    "set_takeover": "yyy---",
    "read_permissions": "yyssss",
    "manage_permissions": "yyo--o",
    "list_users": "yyy---",
    "read_user": "yyysss",
    "manage_users": "yy----",
    "export_user": "yys-ss",
    "set_preferences": "yyssss",
    "open_support_chat": "yyy-yy",
    "close_support_chat": "yyp-oo",
    "manage_support": "yyp---",
    "submit_metrics": "yyyyyy",
}
FACTS = {"p": "participant", "o": "owner", "s": "own"}
CELLS = [
    (role, action, letter) for action, letters in EXPECTED.items() for role, letter in zip(ROLES, letters, strict=True)
]


def test_the_table_here_speaks_of_every_action() -> None:
    """No action is left untested."""
    assert list(EXPECTED) == [action.value for action in Action]


@pytest.mark.parametrize(("role", "action", "letter"), CELLS)
def test_cell(role: str, action: str, letter: str) -> None:
    """A role may do an action when, and only when, its cell's condition holds."""
    for facts in chain.from_iterable(combinations(FACTS.values(), size) for size in range(4)):
        expected = letter == "y" or FACTS.get(letter) in facts
        assert allowed([role], Action(action), **dict.fromkeys(facts, True)) is expected, facts


def test_agent_is_another_name_of_employee() -> None:
    """Both may do the same."""
    for action in Action:
        assert allowed(["agent"], action) == allowed(["employee"], action)
    assert allowed(["agent"], Action.CLAIM_LEAD)


def test_the_strongest_of_several_roles_counts() -> None:
    """Roles add up."""
    assert allowed(["member", "admin"], Action.FORCE_DELETE)
    assert allowed(["admin", "member"], Action.FORCE_DELETE)


@pytest.mark.parametrize("roles", [[], ["root"], ["Admin"], [""]])
def test_denied_by_default(roles: list[str]) -> None:
    """No role, or none we know, may do nothing at all."""
    assert not any(allowed(roles, action, participant=True, owner=True, own=True) for action in Action)


def test_documentation_has_a_row_per_action_and_a_word_per_role() -> None:
    """The table for the docs is made from the one that decides."""
    rows = {row.action: row for row in table()}
    assert list(rows) == list(Action)
    assert rows[Action.CLOSE_SUPPORT_CHAT].cells == {
        "system": "yes",
        "admin": "yes",
        "employee": "participant",
        "bot": "no",
        "lead": "owner",
        "member": "owner",
    }
    assert all(row.meaning and tuple(row.cells) == ROLES for row in rows.values())
