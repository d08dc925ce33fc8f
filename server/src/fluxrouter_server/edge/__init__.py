"""The HTTP edge: endpoints of OpenAI and Anthropic clients, each answer held and settled."""
