"""The worker runtime: what stands between a queue and a handler.

One :class:`~kxmsg.runtime.consumer.Consumer` serves one queue: permits, polls, dispatch, settlement, drain. Decisions
are pure and apart (``backlog``, ``verdict``, ``pace``); what waits uses nothing but the event loop's timers, so that
all of it runs under virtual time as well.
"""
