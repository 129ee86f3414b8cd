"""Subscriptions for the tests of the stages."""

from pathlib import Path

SUBSCRIPTIONS = """
eventSubscriptions:
  - name: orders
    eventPattern: { source: [com.acme.orders], detail-type: [shipped] }
    notificationMapping:
      shipped:
        targetType: user
        userId: "{{ detail.customer }}"
        content: "Order {{ detail.order }}"
        ttl: 3600
  - name: reminders
    eventPattern: { source: [com.acme.orders], detail-type: [ordered] }
    notificationMapping:
      ordered:
        targetType: user
        userId: "{{ detail.customer }}"
        content: Reminder
        deliverAfter: "{{ detail.after }}"
  - name: leads
    eventPattern: { source: [com.acme.crm] }
    messageMapping:
      lead: { targetType: channel, channelId: desk, senderId: crm, content: "{{ detail.lead }}" }
    notificationMapping:
      lead: { targetType: client, clientId: "{{ detail.tenantId }}", targetUserIds: "{{ detail.team }}", content: Lead }
  - name: alarms
    eventPattern: { source: [com.acme.alarms], detail-type: [raised] }
    notificationMapping:
      raised:
        - targetType: client
          clientId: "{{ detail.tenantId }}"
          targetUserIds: "{{ detail.team }}"
          content: "{{ detail.text }}"
          throttle: { atMost: 2, per: 60, by: "{{ detail.host }}" }
          deliverAfter: "{{ has(detail.after) ? detail.after : 0 }}"
        - targetType: user
          userId: chief
          content: "{{ detail.text }}"
          ttl: 3600
          throttle: { atMost: 3, per: 1m }
          digest:
            every: 10m
            title: "{{ count }} alarms"
            content: "{{ items.map(item, item.content).join(', ') }}"
            metadata: { from: "{{ first.content }}", to: "{{ last.content }}" }
        - targetType: channel
          channelId: desk
          content: "{{ detail.text }}"
          digest: { every: 10m, by: "{{ detail.host }}", priority: "{{ last.content }}" }
  - name: echo
    eventPattern: { source: [kx-notifications-messaging], detail-type: [notification.created] }
    notificationMapping:
      notification.created:
        when: "!has(detail.userId) || detail.userId != 'echo'"
        targetType: user
        userId: echo
        content: "{{ detail.notificationId }}"
"""


def write(folder: Path, text: str = SUBSCRIPTIONS) -> Path:
    """A configuration folder of ``text``."""
    folder.mkdir(exist_ok=True)
    (folder / "subscriptions.yaml").write_text(text)
    return folder
