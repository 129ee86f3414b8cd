"""Event patterns: which subscriptions want an event.

>>> Pattern({"source": ["shop"]}).matches({"source": "shop", "detail": {}})
True
"""

from kxmsg.matching.matcher import Matcher as Matcher
from kxmsg.matching.pattern import Pattern as Pattern
from kxmsg.matching.pattern import PatternError as PatternError
