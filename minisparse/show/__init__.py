"""Tables, spy pictures, graphs and timelines, drawn from plain data: strings, numbers, arrays.

For each drawing in HTML there is a twin in text. Text is plain ASCII unless ``unicode=True``, and
keeps to the width it is given. Nothing here knows a class of minisparse.
"""

from minisparse.show.arrays import arrays_html, arrays_text
from minisparse.show.color import PLAIN, Palette, palette_for, unicode_for
from minisparse.show.diagram import graph_html, graph_text
from minisparse.show.display import display
from minisparse.show.folded import folded_text
from minisparse.show.html import beside, card, facts, image, page, paragraph, table
from minisparse.show.lanes import lane_html, lane_shares, lane_text
from minisparse.show.occupancy import Taken, occupancy_html, occupancy_text
from minisparse.show.png import encode_png
from minisparse.show.spy import spy_png, spy_text
from minisparse.show.stepped import Stepped, stepped_html, stepped_text
from minisparse.show.strip import Strip, strip_html, strip_text
from minisparse.show.text import bar, card_text, facts_text, table_text
from minisparse.show.timeline import bars_html, bars_text, timeline_html, timeline_text
from minisparse.show.units import human_bytes, human_count, human_seconds, looks_numeric
from minisparse.show.words import clean, shorten, wrap

__all__ = [
    "PLAIN",
    "Palette",
    "Stepped",
    "Strip",
    "Taken",
    "arrays_html",
    "arrays_text",
    "bar",
    "bars_html",
    "bars_text",
    "beside",
    "card",
    "card_text",
    "clean",
    "display",
    "encode_png",
    "facts",
    "facts_text",
    "folded_text",
    "graph_html",
    "graph_text",
    "human_bytes",
    "human_count",
    "human_seconds",
    "image",
    "lane_html",
    "lane_shares",
    "lane_text",
    "looks_numeric",
    "occupancy_html",
    "occupancy_text",
    "page",
    "palette_for",
    "paragraph",
    "shorten",
    "spy_png",
    "spy_text",
    "stepped_html",
    "stepped_text",
    "strip_html",
    "strip_text",
    "table",
    "table_text",
    "timeline_html",
    "timeline_text",
    "unicode_for",
    "wrap",
]
