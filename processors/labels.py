"""The label sets of the classifier, in the order of its outputs. Changing an order is a new model contract."""

from typing import Final, Literal, get_args

SentimentLabel = Literal["negative", "neutral", "positive"]

SENTIMENTS: Final[tuple[SentimentLabel, ...]] = get_args(SentimentLabel)

TopicLabel = Literal[
    "analyst-update",
    "fed-central-banks",
    "company-product-news",
    "treasuries-corporate-debt",
    "dividend",
    "earnings",
    "energy-oil",
    "financials",
    "currencies",
    "general-news-opinion",
    "gold-metals-materials",
    "ipo",
    "legal-regulation",
    "m-a-investments",
    "macro",
    "markets",
    "politics",
    "personnel-change",
    "stock-commentary",
    "stock-movement",
]

TOPICS: Final[tuple[TopicLabel, ...]] = get_args(TopicLabel)
