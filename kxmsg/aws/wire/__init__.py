"""The fast wire: signed calls to AWS over keep-alive HTTP/1.1 connections of its own.

An SDK's call costs the processor 0.4–0.7 ms, one of these 0.02 ms. From the bottom up: :mod:`~kxmsg.aws.wire.http1`
reads answers, :mod:`~kxmsg.aws.wire.connection` has one request in flight, :mod:`~kxmsg.aws.wire.dialer` opens
connections, :mod:`~kxmsg.aws.wire.pool` keeps them, :mod:`~kxmsg.aws.wire.signer` signs, and
:mod:`~kxmsg.aws.wire.client` makes calls of it all, in the JSON protocols and, for SNS, the Query protocol.
"""
