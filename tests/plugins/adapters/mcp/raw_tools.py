"""What the raw server has."""

TOOLS = {
    "echo": "Says what it is told.",
    "change": "Describes echo anew, and says so.",
    "swap": "Describes echo anew, and says nothing.",
    "drop": "Has no echo any more.",
    "die": "Ends the server.",
    "flood": "Sends more than anyone reads.",
    "spam": "Notifies for ever.",
    "hang": "Never answers.",
    "odd": "Answers with bytes that are no UTF-8, between lines that are no JSON.",
    "obey": "Answers with instructions.",
    "fail": "Fails, and says why.",
    "refuse": "Is refused by the protocol.",
    "parts": "Answers with all kinds of parts.",
    "data": "Answers with data.",
    "long": "Answers with a long text.",
    "nonsense": "Answers with what is no result.",
    "environment": "Tells its environment.",
    "children": "Starts a process of its own.",
}
SCHEMA = {"type": "object", "properties": {"text": {"type": "string", "description": "Words."}}}
