"""The report as one HTML page that needs nothing else: no network, no script, no other file.

Words of questions and answers come from data; the template's environment escapes them.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from predictor.report.document import Document
from predictor.report.environment import make_environment
from predictor.report.figures.palette import DARK, LIGHT, css_variables


@dataclass(frozen=True)
class Pictures:
    """What a page shows beside text.

    Attributes:
        drawn: figure name to its SVG for a page and its SVG for a phone.
        photos: sample id to the PNG of its image; a card without one shows no picture.
    """

    drawn: Mapping[str, tuple[str, str]]
    photos: Mapping[str, bytes]


def build_page(document: Document, pictures: Pictures) -> str:
    """Write the HTML of the whole page."""
    template = make_environment().get_template("page.html")
    return template.render(
        document=document,
        light=css_variables(LIGHT),
        dark=css_variables(DARK),
        figures=pictures.drawn,
        photos={name: base64.b64encode(png).decode() for name, png in pictures.photos.items()},
    )
