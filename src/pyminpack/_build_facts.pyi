__version__: str
FACTS: dict[str, str]
