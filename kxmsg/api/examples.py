"""Examples for the OpenAPI document: what is sent to each route, and what it answers."""

from typing import Any, Final

_AT: Final = "2026-11-20T14:36:52.000Z"
_ID: Final = "01M7WP71X0K14V8BHHSX5P4ETG"

NOTIFICATION: Final[dict[str, Any]] = {
    "notificationId": _ID,
    "tenantId": "acme",
    "targetKey": "user#ana",
    "targetType": "user",
    "title": "Order shipped",
    "content": "Order A-1042 is on its way.",
    "priority": "medium",
    "category": "orders",
    "status": "unread",
    "createdAt": _AT,
    "dateReceived": _AT,
}

MESSAGE: Final[dict[str, Any]] = {
    "messageId": _ID,
    "tenantId": "acme",
    "targetKey": "channel#lead-desk",
    "channelId": "lead-desk",
    "senderId": "ana",
    "senderName": "Ana",
    "messageType": "chat",
    "content": "Hello!",
    "metadata": {},
    "dateReceived": _AT,
}

CHANNEL: Final[dict[str, Any]] = {
    "channelId": "lead-desk",
    "tenantId": "acme",
    "channelType": "group",
    "title": "Leads",
    "isActive": True,
    "participants": ["ana"],
    "participantDetails": [{"userId": "ana", "userName": "Ana", "role": "member", "joinedAt": _AT}],
    "createdAt": _AT,
    "metadata": {},
}

PERMISSION: Final[dict[str, Any]] = {"userId": "ana", "chatId": "lead-desk", "role": "member"}
USER: Final[dict[str, Any]] = {
    "userId": "ana",
    "tenantId": "acme",
    "name": "Ana",
    "email": "ana@acme.example",
    "roles": ["member"],
    "locale": "de",
    "timeZone": "Europe/Berlin",
    "createdAt": _AT,
    "updatedAt": _AT,
}
PREFERENCES: Final[dict[str, Any]] = {
    "locale": "de",
    "timeZone": "Europe/Berlin",
    "categories": {"marketing": {"websocket": True, "events": False}},
    "quietHours": {"start": "22:00", "end": "07:00", "allowUrgent": True},
}

_NOTE: Final = {"targetType": "user", "userId": "ana", "title": "Order shipped", "content": "It is on its way."}
_SAID: Final = {"targetType": "channel", "channelId": "lead-desk", "messageType": "chat", "content": "Hello!"}
_LEFT: Final = {
    "message": "Left 1 of 1 channel(s)",
    "results": {"success": [{"channelId": "lead-desk"}], "failed": []},
    "summary": {"channelsLeft": 1},
}


def _list(name: str, *records: dict[str, Any]) -> dict[str, Any]:
    return {name: [*records], "count": len(records), "nextCursor": None, "hasMore": False, "queryParams": {"limit": 50}}


BODIES: Final[dict[str, dict[str, Any]]] = {
    "POST /events": {
        "source": "com.acme.orders",
        "detail-type": "order.shipped",
        "detail": {"tenantId": "acme", "customerId": "ana", "orderId": "A-1042"},
    },
    "POST /notifications": _NOTE,
    "PUT /notifications/{notification_id}": {"title": "Order delivered"},
    "POST /notifications/mark-read": {"notificationIds": [_ID]},
    "POST /messages": _SAID,
    "PUT /messages/{message_id}": {"content": "Hello, all!"},
    "POST /messages/{message_id}/reactions": {"emoji": "👍"},
    "DELETE /messages/{message_id}/reactions": {"emoji": "👍"},
    "POST /publish": {
        "targetChannel": "WebSocket",
        "messageType": "fifo",
        "payload": {"chatId": "lead-desk", "eventType": "chat", "content": "Hello!"},
    },
    "POST /post-to-connection": {"userId": "bot-7", "threadId": "t-1", "message": "How can I help?"},
    "POST /metrics": {"metrics": [{"name": "send_to_screen", "value": 142, "unit": "Milliseconds"}]},
    "POST /channels": {"channelType": "group", "title": "Leads", "participants": [{"userId": "ana"}]},
    "POST /channels/find": {"userIds": ["ana", "bea"]},
    "POST /channels/find-or-create": {"channelType": "direct", "participants": [{"userId": "ana"}, {"userId": "bea"}]},
    "PUT /channels/{channel_id}": {"title": "Leads, west"},
    "POST /channels/{channel_id}/join": {"userName": "Ana"},
    "POST /channels/{channel_id}/claim": {"userName": "Ana"},
    "POST /channels/{channel_id}/assign-bot": {"botEmployeeId": "bot-7", "botName": "Helper"},
    "PUT /channels/{channel_id}/takeover": {"isHumanOverride": True, "agentId": "ana"},
    "POST /permissions": PERMISSION,
    "PUT /users/{user_id}": {"name": "Ana", "roles": ["employee"]},
    "PUT /users/{user_id}/preferences": PREFERENCES,
}
"""What is sent, by route."""

ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "GET /health": {"status": "ok"},
    "GET /ready": {"status": "ok", "checks": {"tables": "ok", "queues": "ok"}},
    "POST /events": {"event": {"source": "com.acme.orders", "detailType": "order.shipped", "wanted": True}},
    "GET /notifications": _list("notifications", NOTIFICATION),
    "POST /notifications": {"notification": NOTIFICATION},
    "GET /notifications/{notification_id}": {"notification": NOTIFICATION},
    "PUT /notifications/{notification_id}": {"notification": NOTIFICATION},
    "DELETE /notifications/{notification_id}": {"message": "Notification deleted successfully"},
    "POST /notifications/{notification_id}/archive": {
        "notification": {**NOTIFICATION, "status": "archived"},
        "message": "Notification archived successfully",
    },
    "POST /notifications/mark-read": {
        "message": "Marked 1 notification(s) as read",
        "count": 1,
        "results": {"success": [_ID], "failed": []},
    },
    "POST /notifications/mark-all-read": {"message": "Marked 7 notification(s) as read", "count": 7},
    "GET /notifications/unread-count": {"count": 7, "byTargetType": {"user": 4, "client": 3, "broadcast": 0}},
    "GET /messages": _list("messages", MESSAGE),
    "POST /messages": {"message": MESSAGE},
    "GET /messages/{message_id}": {"message": MESSAGE},
    "PUT /messages/{message_id}": {"message": MESSAGE},
    "DELETE /messages/{message_id}": {"message": {**MESSAGE, "content": None, "deletedAt": _AT}},
    "POST /messages/{message_id}/reactions": {"message": MESSAGE},
    "DELETE /messages/{message_id}/reactions": {"message": MESSAGE},
    "POST /messages/{message_id}/read": {
        "messageId": _ID,
        "readSequence": 12,
        "message": "Message marked as read",
    },
    "POST /publish": {"message": MESSAGE},
    "POST /post-to-connection": {"message": {**MESSAGE, "senderId": "bot-7"}},
    "POST /metrics": {"accepted": 1},
    "GET /channels": _list("channels", CHANNEL),
    "POST /channels": {"channel": CHANNEL, "message": "Channel created successfully"},
    "POST /channels/find": {"channels": [CHANNEL], "participantHash": "9f2c…", "matchCount": 1},
    "POST /channels/find-or-create": {"channel": CHANNEL, "created": True},
    "GET /channels/{channel_id}": {"channel": CHANNEL, "messages": [MESSAGE], "messageCount": 1, "hasMore": False},
    "PUT /channels/{channel_id}": {"channel": CHANNEL, "message": "Channel updated successfully"},
    "DELETE /channels/{channel_id}": _LEFT,
    "DELETE /channels": _LEFT,
    "POST /channels/{channel_id}/join": {"message": "Joined channel successfully"},
    "POST /channels/{channel_id}/leave": {"message": "Left channel successfully"},
    "POST /channels/{channel_id}/claim": {"message": "Lead claimed successfully"},
    "POST /channels/{channel_id}/release": {"message": "Lead released successfully"},
    "POST /channels/{channel_id}/assign-bot": {"message": "Bot assigned successfully"},
    "PUT /channels/{channel_id}/takeover": {"channel": CHANNEL, "message": "Takeover enabled successfully"},
    "GET /permissions": _list("permissions", PERMISSION),
    "POST /permissions": {"permission": PERMISSION, "message": "Permission granted successfully"},
    "DELETE /permissions": {"message": "Permission revoked successfully"},
    "GET /users": _list("users", USER),
    "PUT /users/{user_id}": {"user": USER},
    "GET /users/{user_id}": {"user": USER},
    "GET /users/{user_id}/preferences": {"preferences": PREFERENCES},
    "PUT /users/{user_id}/preferences": {"preferences": PREFERENCES},
    "GET /users/{user_id}/data": {
        "data": {
            "user": USER,
            "preferences": PREFERENCES,
            "channels": ["lead-desk"],
            "notifications": [NOTIFICATION],
            "messages": [MESSAGE],
        },
        "count": 2,
        "nextCursor": None,
        "hasMore": False,
        "queryParams": {"limit": 200},
    },
    "DELETE /users/{user_id}/data": {
        "message": "User data erased successfully",
        "summary": {"entriesDeleted": 12, "messagesDeleted": 3, "reactionsDeleted": 1, "channelsLeft": 2},
    },
}
"""What is answered, by route, beside ``success: true``."""
