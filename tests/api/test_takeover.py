"""PUT /channels/{id}/takeover, over HTTP."""

from tests.api.conftest import Api

LEAD = {"channelType": "lead", "channelId": "L", "participants": [{"userId": "joe"}], "botEmployeeId": "bot-7"}
SAY = {"payload": {"chatId": "L", "content": "hello"}}


async def test_while_a_person_has_taken_over_the_bot_is_refused(api: Api) -> None:
    await api.call("POST", "/channels", "joe", "lead", json=LEAD)
    assert (await api.call("POST", "/publish", "bot-7", "bot", json=SAY)).status == 202
    on = await api.call("PUT", "/channels/L/takeover", "max", "employee", json={"isHumanOverride": True})
    assert (on.status, on.body["message"]) == (200, "Takeover enabled successfully")
    assert (on.body["channel"]["isHumanOverride"], on.body["channel"]["agentId"]) == (True, "max")
    assert (await api.call("POST", "/publish", "bot-7", "bot", json=SAY)).status == 409
    assert (await api.call("POST", "/publish", "joe", "lead", json=SAY)).status == 202
    off = await api.call("PUT", "/channels/L/takeover", "max", "employee", json={"isHumanOverride": False})
    assert (off.body["message"], off.body["channel"]["agentId"]) == ("Takeover disabled successfully", None)
    assert (await api.call("POST", "/publish", "bot-7", "bot", json=SAY)).status == 202


async def test_who_takes_over_is_oneself_unless_an_admin_says_otherwise(api: Api) -> None:
    await api.call("POST", "/channels", "joe", "lead", json=LEAD)
    other = {"isHumanOverride": True, "agentId": "lea"}
    assert (await api.call("PUT", "/channels/L/takeover", "max", "employee", json=other)).status == 403
    assert (await api.call("PUT", "/channels/L/takeover", "joe", "lead", json=other)).status == 403
    done = await api.call("PUT", "/channels/L/takeover", "root", "admin", json=other)
    assert done.body["channel"]["agentId"] == "lea"
    assert (
        await api.call("PUT", "/channels/none/takeover", "max", "employee", json={"isHumanOverride": True})
    ).status == 404
    assert (await api.call("PUT", "/channels/L/takeover", "max", "employee", json={})).status == 400
