"""Everyday arithmetic told as stories, of two to eight steps."""

from random import Random

from fluxrouter_server.calibration.prompts.grammar import Family, Level, fill

_OPENINGS = (
    "<name1> has <n1> <thing1>.",
    "A <place1> starts the week with <n1> <thing1>.",
    "<name1> earns $<small1> an hour and works <small2> hours a day.",
    "There are <small1> shelves in the <place1>, and each holds <n1> <thing1>.",
    "<name1> is reading a book of <big1> pages.",
    "A train covers <n1> miles in the first hour.",
    "<name1> buys <small1> <thing1> for $<price1> each.",
)
_STEPS = (
    "Then <name2> gives away <small3> of them.",
    "On the next day <small4> more arrive.",
    "A third of what is left is sold for $<small5> each.",
    "<name2> has twice as many as <name1>.",
    "<percent1>% of them turn out to be broken.",
    "After that, every <small6> of them are packed into one box.",
    "<name3> brings half as many as <name2> did.",
    "Each box costs $<price2> to send.",
    "There is a discount of <percent2>% on the whole order.",
    "In the second week the number grows by <small7> a day.",
    "<name2> spends a quarter of the money on lunch.",
    "The remaining ones are shared equally among <small8> friends.",
    "For every <small3> that are bought, one more is free.",
    "It takes <small6> minutes to pack one, and two people work at the same time.",
)
_QUESTIONS = (
    "How many are left?",
    "How much money does <name1> have in the end?",
    "How many <thing1> are there altogether?",
    "What is the total cost?",
    "How many boxes are needed?",
    "How long does it take in minutes?",
    "How much more does <name2> have than <name1>?",
)
_PLAIN = (
    "What is <n1> + <n2>?",
    "What is <n1> times <small1>?",
    "What is <percent1>% of <big1>?",
    "Calculate <big1> - <n1>.",
    "<name1> has <n1> <thing1> and buys <small1> more. How many <thing1> does <name1> have now?",
    "A pack of <small1> <thing1> costs $<price1>. How much do <small2> packs cost?",
    "Convert <n1> kilometres to miles.",
    "How many minutes are in <small1> hours?",
    "If one ticket costs $<small1>, how much do <n1> tickets cost?",
    "<name1> is <n1> years old. How old will <name1> be in <small1> years?",
)


def _story(random: Random, steps: int) -> str:
    sentences = [random.choice(_OPENINGS), *random.sample(_STEPS, steps), random.choice(_QUESTIONS)]
    return fill(" ".join(sentences), random)


def _short(random: Random) -> str:
    return _story(random, random.randint(1, 2))


def _middle(random: Random) -> str:
    return _story(random, random.randint(3, 4))


def _long(random: Random) -> str:
    return _story(random, random.randint(5, 7))


FAMILIES = (
    Family(
        "arithmetic in a story",
        (
            Level((0.95, 0.98, 0.98), _PLAIN, 60),
            Level((0.91, 0.97, 0.98), (_short,), 120),
            Level((0.82, 0.95, 0.98), (_middle,), 120),
            Level((0.66, 0.92, 0.97), (_long,), 80),
        ),
    ),
)
