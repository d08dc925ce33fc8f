"""The use cases (route, meter, check, control) and the ports they need; no technology in here."""
