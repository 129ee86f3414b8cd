"""Templates: what a notification says, made from its event.

::

    template  ─▶ parser ─▶ checker ─▶ codegen ─▶ compiler
    texts        lexer     functions   operators, loops, output, strings, moments, locales: what runs
                 nodes     overloads, hints
"""

from kxmsg.rendering.checker import UNKNOWN as UNKNOWN
from kxmsg.rendering.compiler import Expression as Expression
from kxmsg.rendering.compiler import FieldsRenderer as FieldsRenderer
from kxmsg.rendering.compiler import Renderer as Renderer
from kxmsg.rendering.compiler import compile_expression as compile_expression
from kxmsg.rendering.compiler import compile_fields as compile_fields
from kxmsg.rendering.compiler import compile_value as compile_value
from kxmsg.rendering.errors import CODES as CODES
from kxmsg.rendering.errors import RenderError as RenderError
from kxmsg.rendering.errors import TemplateError as TemplateError
