"""The YAML compiler: a folder of subscriptions in, a catalogue out, or all mistakes at once."""

from kxmsg.subscriptions.catalogue import Catalogue as Catalogue
from kxmsg.subscriptions.catalogue import Hit as Hit
from kxmsg.subscriptions.catalogue import Subscription as Subscription
from kxmsg.subscriptions.compiler import load as load
from kxmsg.subscriptions.template import Defaults as Defaults
from kxmsg.subscriptions.template import Rendered as Rendered
from kxmsg.subscriptions.template import Template as Template
