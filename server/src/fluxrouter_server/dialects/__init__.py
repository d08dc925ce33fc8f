"""The API protocols of OpenAI and Anthropic: how requests are read, and refused in shape."""
