"""Questions of knowledge: facts, choices, cases, and calculations of the sciences."""

# A template is one line, with the signs of its science.
# ruff: noqa: E501, RUF001

from random import Random

from fluxrouter_server.calibration.prompts.grammar import Family, Level, fill

_EASY_FACTS = (
    "What is the capital of <country1>?",
    "Which language is spoken in <city1>?",
    "Where is <city1>?",
    "Who invented the telephone?",
    "How tall is the highest mountain of <country1>?",
    "When did <country1> join the United Nations?",
    "What is the population of <city1>?",
    "Which currency is used in <country1>?",
    'What is the opposite of "generous"?',
    'How do you spell "necessary"?',
    "What does a <animal1> eat?",
    "Name <small1> cities in <country1>.",
    "Why is the sky blue?",
    "What is the boiling point of water?",
    "Who wrote Don Quixote?",
    "What do bees make?",
    "What does CPU stand for?",
    "How many days does February have in a leap year?",
    "What is a good substitute for butter in <dish1>?",
    "What is photosynthesis, in one sentence?",
    "Explain inflation to a ten-year-old.",
    "What are the primary colours?",
    'Define the word "candid" and use it in a sentence.',
    "What is the difference between weather and climate?",
    "Is a <animal1> a mammal?",
    "What time zone is <city1> in?",
    "Give me <small1> facts about the <animal1>.",
    "What are common side effects of caffeine?",
)
_HARD_FACTS = (
    "Which treaty ended the war of <country1> in the 18th century, and what territory changed hands?",
    "What enzyme catalyses the rate-limiting step of haem synthesis, and which drugs induce it?",
    "Compare the constitutional courts of <country1> and <country2>: appointment, standing and the effect of their rulings.",
    "In which year was the <city1> conservatory founded, and by whom?",
    "What did Carnap hold against metaphysics, and how did Quine answer?",
    "Which isotopes are used for dating groundwater older than <big1> years, and why?",
    "Name the paralogues of the human <animal1> receptor gene and their chromosomal location.",
    "What are the holding and the dissent of the leading case on implied warranties in <country1>?",
)
_SUBJECTS = (
    ("A customer who already owns <product1> is called", ("loyal", "a lead", "a prospect", "new")),
    ("In marketing, the four Ps do not include", ("people", "price", "place", "promotion")),
    ("Which organ filters the blood?", ("the kidney", "the spleen", "the skin", "the pancreas")),
    ("The main idea of the separation of powers is", ("checks", "speed", "unity", "secrecy")),
    ("Which of the following religions began in India?", ("Jainism", "Shinto", "Islam", "Taoism")),
    ("A monopoly is a market with", ("one seller", "one buyer", "many sellers", "no price")),
    ("The virus that causes measles spreads mainly by", ("air", "water", "insects", "blood")),
    ("Classical conditioning was first described by", ("Pavlov", "Skinner", "Freud", "Piaget")),
)
_HARD_SUBJECTS = (
    (
        "Statement 1 | Every subgroup of a cyclic group of order <n1> is normal. Statement 2 | A ring with <small1> elements is a field.",
        ("True, True", "False, False", "True, False", "False, True"),
    ),
    (
        "A ball of mass <small1> kg moving at <n1> m/s strikes a spring with a force constant of <big1> N/m. The largest compression of the spring is closest to",
        ("0.<n2> m", "1.<n1> m", "2.<small2> m", "<small3> m"),
    ),
    (
        "Select the best translation into predicate logic: No <thing1> is larger than every <animal1>.",
        ("~(∃x)(∀y)Lxy", "(∀x)(∃y)~Lxy", "(∃x)(∀y)~Lxy", "(∀x)(∀y)Lxy"),
    ),
    (
        "For which of these estimators is the variance smallest when the errors are heteroscedastic and the regressors are exogenous, with <n1> observations?",
        ("OLS", "GLS", "2SLS", "the median"),
    ),
    (
        "A 0.<n1> M solution of a weak acid has a pH of <small1>.<n2>. What is its pKa?",
        ("<small2>.<n1>", "<small3>.<n2>", "<small1>.0", "<small4>.5"),
    ),
    (
        "Which of the following is the strongest argument that a regularized perceptron with <small1> hidden layers overfits, given a training error of 0.<n1> and a test error of 0.<n2>?",
        ("its bias", "its variance", "its learning rate", "its kernel"),
    ),
    (
        "An investor buys a bond with a par value of $<big1>, a coupon of <small1>% and <small2> years to maturity, at a yield of <small3>%. The price is closest to",
        ("$<big2>", "$<big3>", "$<n1>", "$<n2>"),
    ),
)
_CASES = (
    "A <n1>-year-old man comes to the emergency department with chest pain for <small1> hours, a blood pressure of <big1>/<n2> mmHg and a murmur. He takes a beta blocker. What is the most likely diagnosis, and what is the next step?",
    "A <n1>-year-old woman, <small1> weeks pregnant, has a headache, oedema and protein in the urine. Discuss the differential diagnosis and the management.",
    "A tenant stopped paying rent after the landlord failed to repair the roof for <small1> months. The lease forbids deductions. Can the landlord evict her, and which defenses does she have?",
    "The seller shipped <big1> <thing1> of a different colour than ordered. The buyer kept <n1> of them and refused the rest. What remedies does each party have under the contract?",
    "The defendant was stopped by the police without a warrant and his phone was searched. It showed messages about <small1> burglaries. Is the evidence admissible? Argue both sides.",
    "A nurse notices that a patient on warfarin was given an antibiotic <small1> days ago, and the INR is <small2>. Explain the interaction and what to do.",
)
_SCIENCE = (
    "How many grams of sodium chloride are needed to make <small1> litres of a 0.<n1> M solution?",
    "A projectile is fired at <n1> m/s at an angle of <percent1> degrees from a cliff <big1> m high. Where and when does it land, and at what speed?",
    "Calculate the pH after adding <n1> mL of 0.1 M NaOH to <big1> mL of 0.2 M acetic acid (pKa 4.76).",
    "An RC circuit with R = <n1> kΩ and C = <small1> µF is driven by a square wave of <big1> Hz. Derive the steady-state voltage across the capacitor.",
    "A gas expands adiabatically from <small1> atm and <n1> L to <big1> L. Find the final temperature and the work done, with γ = 1.4.",
    "A steel beam of length <small1> m carries a load of <n1> kN at its centre. Compute the deflection and the maximum bending stress for a section modulus of <big1> cm³.",
    "The demand is p = <n1> - 0.0<small1>q and the cost is <big1> + <small2>q. Find the monopoly price, the profit and the deadweight loss.",
    "Find the half-life of a reaction whose rate constant is <small1>.<n1>e-3 per second at <big1> K and whose activation energy is <n2> kJ/mol, at <small2> degrees more.",
)


def _choice(random: Random, questions: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    question, choices = random.choice(questions)
    shuffled = random.sample(choices, len(choices))
    lines = [f"{letter}. {text}" for letter, text in zip("ABCD", shuffled, strict=True)]
    ending = random.choice(("\nAnswer:", "", "\nAnswer with the letter only."))
    return fill("\n".join((question, *lines)) + ending, random)


def _easy_choice(random: Random) -> str:
    return _choice(random, _SUBJECTS)


def _hard_choice(random: Random) -> str:
    return _choice(random, _HARD_SUBJECTS)


FAMILIES = (
    Family(
        "facts",
        (Level((0.92, 0.97, 0.97), _EASY_FACTS, 180), Level((0.48, 0.80, 0.87), _HARD_FACTS, 50)),
    ),
    Family(
        "multiple choice",
        (
            Level((0.88, 0.96, 0.97), (_easy_choice,), 80),
            Level((0.38, 0.66, 0.88), (_hard_choice,), 120),
        ),
    ),
    Family("cases of law and medicine", (Level((0.52, 0.84, 0.92), _CASES, 70),)),
    Family("calculations of the sciences", (Level((0.36, 0.72, 0.92), _SCIENCE, 100),)),
)
