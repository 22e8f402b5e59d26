"""Parts of paths. One ends at a slash, or at the colon before a verb."""

import re

from starlette.convertors import StringConvertor, register_url_convertor

PLAIN = re.compile(r"{(\w+)}")
# With what says how it is read.
PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")


class Part(StringConvertor):
    """Whatever names a resource: names and numbers have no colon."""

    regex = "[^/:]+"


class RequestPart(StringConvertor):
    """What names a deletion request: not the place of uploads, which has no other methods."""

    regex = "(?!uploads(?:/|$))[^/:]+"


register_url_convertor("part", Part())
register_url_convertor("request", RequestPart())


def in_parts(path: str) -> str:
    """A route's path of which every parameter that says nothing else is one part.

    Starlette's own would read the verb of another route as the end of a name: what is refused by
    its method would be refused by its name.
    """
    return PLAIN.sub(r"{\1:part}", path)
