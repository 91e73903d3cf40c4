VERSION: str
FACTS: dict[str, str]
