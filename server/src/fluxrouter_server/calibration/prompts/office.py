"""Work with texts: writing, rewriting, summaries, extraction, translation, tools, small talk."""

# A template is one line, however long.
# ruff: noqa: E501

from random import Random

from fluxrouter_server.calibration.prompts.grammar import Family, Level, fill

_CHAT = (
    "Hi!",
    "Hello, how are you today?",
    "Thanks, that was great.",
    "Tell me a joke about a <animal1>.",
    "What should I cook tonight? I have <dish1> in mind.",
    "Suggest a gift for <name1>, who likes <topic1>.",
    "I'm bored. Any ideas for a weekend in <city1>?",
    "What's your favourite season?",
    "Can you recommend a film for a rainy evening?",
    "I feel nervous about <event1> tomorrow.",
    "Who are you and what can you do?",
    "ok",
    "good morning, <name1> here",
    "Give me a fun name for my <animal1>.",
)
_WRITING = (
    "Write a short email to <name1> to move <event1> to <small1> pm.",
    "Write a tweet about <topic1>.",
    "Write a poem of <small1> lines about a <animal1> in <city1>.",
    "Make this sentence more polite: Send me the <thing1> now.",
    "Fix the grammar: he don't has no <thing1> in the <place1>.",
    "Rewrite this for a general audience: The <place1> will cease operations pending review.",
    "Write a product description of <product1> in <n1> words.",
    "Give me <small1> headlines for an article about <topic1>.",
    "Write a thank-you note to <name1> for the <thing1>.",
    "Turn these notes into a paragraph: <event1>, <name1> presents, <small1> guests, at the <place1>.",
    "Write a bedtime story about a <animal1> that finds <n1> <thing1>.",
)
_LONG_WRITING = (
    "Write an essay of <big1> words on <topic1> that weighs two opposing views fairly and cites what each side would accept as evidence.",
    "Draft a grant proposal for a project on <topic1> in <country1>: aims, methods, risks, budget of $<big1>,000 and a timeline of <small1> months.",
    "Write the first chapter of a novel set in <city1> in which <name1> and <name2> each hide something from the other. Keep the point of view strict and plant <small1> clues.",
    "Write a policy brief on <topic1> for the minister of <country1>, with options, trade-offs and a recommendation.",
)
_SENTENCES = (
    "The <place1> in <city1> reported <big1> visitors in the last quarter.",
    "<name1> said that the new <thing1> would arrive within <small1> weeks.",
    "According to the report, costs rose by <percent1>% while sales stayed flat.",
    "The committee discussed <topic1> and postponed the decision.",
    "Several residents of <city1> complained about noise near the <place1>.",
    "The contract with <company1> ends after <small1> years unless it is renewed.",
    "<name1> and <name2> met at the <place1> to sign the agreement.",
    "A spokesperson for <company1> declined to comment on the figures.",
    "The study followed <big1> people over <small1> years and found a small effect.",
    "Critics point out that the data come from <country1> alone.",
    "In addition, the <place1> plans to hire <n1> people next year.",
    "The weather delayed the delivery of <n1> <thing1> by <small1> days.",
)
_TEXT_TASKS = (
    "Summarize the following text in <small1> sentences:",
    "What are the main points of this article?",
    "Give this text a title:",
    "Is the sentiment of this text positive, negative or neutral?",
    "Write bullet points of what was decided:",
    "Shorten this to <n1> words:",
)
_REPLIES = ("Yes, I saw that.", "Hm.", "Can you repeat that?", "Right, next point.", "I disagree.")
_CLAUSES = (
    "the supplier shall deliver <big1> <thing1> to the <place1> in <city1> within <n1> days",
    "either party may terminate this agreement upon <n2> days' written notice, without prejudice to accrued rights",
    "the total liability of <company1> under or in connection with this agreement shall not exceed $<big2>,000",
    "all notices shall be in writing and shall be deemed received on the second business day after dispatch",
    "neither party shall be liable for delay caused by events beyond its reasonable control",
    "this clause shall survive termination for a period of <small1> years",
    "the customer shall pay undisputed invoices within <n1> days, after which interest of <percent1>% accrues",
)
_WHEN = ("on Monday", "on Tuesday", "last week", "in the morning", "after lunch", "in March")
_AGREED = ("repaint the hall", "buy new chairs", "invite the mayor", "fix the roof", "meet again")
_DOCUMENT_TASKS = (
    "Answer from the document alone: who signed, when, and what does it cost?",
    "List every date in this document with what happened on it.",
    "Does the document mention <company1>? Quote the sentence.",
)
_EXTRACTION = (
    "Extract all names, places and amounts from the text below as JSON with the keys people, places and amounts.",
    'Return a JSON array of {"company": string, "figure": number} for each figure in the text. Output only JSON.',
    "Turn the following notes into a CSV table with the columns who, what and when.",
    "Classify each sentence below as fact, opinion or plan. Answer as a list.",
    'Fill in this schema from the text: {"date": null, "persons": [], "city": null, "total": null}',
)
_TRANSLATION = (
    "Translate into <language1>: The <thing1> are in the <place1>.",
    "Translate to <language1>: <name1> will be <small1> minutes late for <event1>.",
    'How do you say "Where is the <place1>?" in <language1>?',
    "Translate this into English and keep the tone: Wir treffen uns um <small1> Uhr vor dem Theater.",
    "Correct my <language1> and explain the mistakes: I have <small1> years and I am living in <city1>.",
)
_TOOLS = (
    "You can call get_weather(city), search_flights(origin, destination, date) and book(id). Find <name1> a flight from <city1> to <city2> on the <small1>th and return the call as JSON.",
    "Available functions: create_invoice(customer, items, due), send_email(to, subject, body). <company1> ordered <n1> <thing1> at $<price1>. Create the invoice and notify <name1>. Respond with tool calls only.",
    "Using the tools list_files, read_file and grep, find where the timeout of <system1> is set, and tell me which call you would make first.",
    "Book a table for <small1> at a <place1> near <city1> at 8 pm. If nothing is free, try 9 pm. Use the functions search and reserve.",
)


def _document(random: Random, fewest: int, most: int) -> str:
    count = random.randint(fewest, most)
    return " ".join(fill(random.choice(_SENTENCES), random) for _ in range(count))


def _text_task(random: Random) -> str:
    return f"{fill(random.choice(_TEXT_TASKS), random)}\n\n{_document(random, 4, 12)}"


def _long_text_task(random: Random) -> str:
    return _of_document(random, random.randint(5, 12))


def _very_long_text_task(random: Random) -> str:
    return _of_document(random, random.randint(20, 80))


def _of_document(random: Random, paragraphs: int) -> str:
    task = fill(random.choice((*_TEXT_TASKS, *_DOCUMENT_TASKS)), random)
    styles = (_article, _log, _transcript, _clauses, _minutes)
    document = random.choice(styles)(random, paragraphs)
    return random.choice((f"{task}\n\n{document}", f"{document}\n\n{task}"))


def _article(random: Random, paragraphs: int) -> str:
    return "\n\n".join(_document(random, 6, 10) for _ in range(paragraphs))


def _log(random: Random, paragraphs: int) -> str:
    """Lines of a server's log, full of numbers and punctuation."""
    levels = ("INFO", "WARN", "ERROR", "DEBUG")
    return "\n".join(
        fill(
            f"2026-02-{random.randint(10, 28)} 14:{random.randint(10, 59)} {random.choice(levels)}"
            " worker-<small1> request=<big1> took=<n1>ms rows=<big2> host=<city1>",
            random,
        )
        for _ in range(paragraphs * 8)
    )


def _transcript(random: Random, paragraphs: int) -> str:
    return "\n".join(
        fill(f"<name1>: {random.choice(_REPLIES)} {random.choice(_SENTENCES)}", random)
        for _ in range(paragraphs * 5)
    )


def _clauses(random: Random, paragraphs: int) -> str:
    """Long sentences of a contract, which hardly ever end."""
    return "\n".join(
        f"({number}) " + fill("; ".join(random.sample(_CLAUSES, 5)), random) + "."
        for number in range(paragraphs * 2)
    )


def _minutes(random: Random, paragraphs: int) -> str:
    """Notes in plain words, much alike."""
    people = fill("<name1> and <name2>", random)
    return " ".join(
        f"{people} met {random.choice(_WHEN)} and agreed to {random.choice(_AGREED)}."
        for _ in range(paragraphs * 8)
    )


def _extraction(random: Random) -> str:
    return f"{random.choice(_EXTRACTION)}\n\n{_document(random, 3, 10)}"


FAMILIES = (
    Family("small talk", (Level((0.97, 0.98, 0.98), _CHAT, 90),)),
    Family(
        "writing",
        (Level((0.93, 0.97, 0.97), _WRITING, 100), Level((0.66, 0.90, 0.92), _LONG_WRITING, 30)),
    ),
    Family(
        "reading a text",
        (
            Level((0.91, 0.97, 0.97), (_text_task,), 90),
            Level((0.80, 0.95, 0.96), (_long_text_task,), 120),
            Level((0.72, 0.94, 0.95), (_very_long_text_task,), 120),
        ),
    ),
    Family("extraction", (Level((0.84, 0.96, 0.96), (_extraction,), 90),)),
    Family("translation", (Level((0.88, 0.96, 0.96), _TRANSLATION, 60),)),
    Family("calling tools", (Level((0.68, 0.92, 0.94), _TOOLS, 60),)),
)
