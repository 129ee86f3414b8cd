"""Templates: what a notification says, made from its event."""

from kxmsg.rendering.template import Renderer as Renderer
from kxmsg.rendering.template import RenderError as RenderError
from kxmsg.rendering.template import TemplateError as TemplateError
from kxmsg.rendering.template import compile_value as compile_value
