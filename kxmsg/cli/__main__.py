"""``python -m kxmsg.cli``."""

from kxmsg.cli.main import main

main()
