"""Event patterns: which subscriptions want an event. The whole pattern language of Amazon EventBridge.

>>> Pattern({"source": ["shop"], "detail": {"total": [{"numeric": [">", 100]}]}}).matches(
...     {"source": "shop", "detail": {"total": 120}}
... )
True
"""

from kxmsg.matching.clauses import faults as faults
from kxmsg.matching.errors import PatternError as PatternError
from kxmsg.matching.matcher import Matcher as Matcher
from kxmsg.matching.pattern import Pattern as Pattern
