"""Tasks that need several steps kept in mind: puzzles, plans, analyses, architecture."""

# A template is one line, however long.
# ruff: noqa: E501

from fluxrouter_server.calibration.prompts.grammar import Family, Level

_PUZZLES = (
    "<name1>, <name2> and <name3> each own a different pet: a <animal1>, a <animal2> or a <animal3>. <name1> does not own the <animal1>. The owner of the <animal2> lives next to <name3>. <name2> lives at the end. Who owns which pet?",
    'On an island, knights always tell the truth and knaves always lie. <name1> says: "<name2> and I are of the same kind." <name2> says: "<name3> is a knave." <name3> says: "<name1> would say that I am a knight." Which of them are knights?',
    "There are <n1> lamps in a row, all off. In step k you toggle every k-th lamp. Which lamps are on after <n2> steps, and why?",
    "You have <small1> coins, one of which is heavier or lighter, and a balance. Find the least number of weighings that always tells which coin it is and whether it is heavier, and give the procedure.",
    "Five houses stand in a row, each of a different colour. <name1> lives left of the red one. The <animal1> is kept two houses from the baker. <name2> drinks tea and does not live next to <name3>. Which statements follow, and which contradict each other?",
    "A farmer must cross a river with a <animal1>, a <animal2> and <small1> sacks. The boat holds two. Some may not be left alone together. Give the shortest sequence of crossings or prove that none exists.",
    "If all <thing1> are <thing2>, and some <thing2> are not <thing3>, does it follow that some <thing1> are not <thing3>? Give a model or a proof.",
)
_PLANS = (
    "Schedule <small1> talks into 3 rooms and <small2> slots. <name1> must speak before <name2>, <name3> cannot be in the afternoon, and the two keynotes may not overlap. Show that your schedule meets every constraint.",
    "Plan a <small1>-day trip from <city1> to <city2> for two people with a budget of $<big1>, at most <small2> hours of travel a day, and one day without any plans. Give times and costs.",
    "We have <small1> engineers, <n1> weeks and these dependencies: A before B, B and C before D, E at any time, D takes <small2> weeks. Find the critical path and the smallest team that keeps the date.",
    "Allocate a budget of $<big1>,000 among <small1> projects so that the expected return is largest, given that no project may get more than <percent1>% and that two of them exclude each other. Explain the method.",
    "A <place1> has <small1> delivery vans and <n1> stops. Propose a routing, bound how far it is from the optimum, and say what changes if one van breaks down.",
)
_ANALYSES = (
    "Design the architecture of <system1> for <big1> million users: data model, consistency, failure modes, scaling and cost. Compare two alternatives and recommend one.",
    "Sales of <product1> fell by <percent1>% after we changed the price and the landing page in the same week. How do we find out which of the two caused it? Propose an analysis and its pitfalls.",
    "Analyse the trade-offs of moving <system1> from a monolith to services when the team has <small1> people and the latency budget is <n1> ms.",
    "Here are the results of an A/B test: control <big1> of <big2>, variant <big3> of <big2>. Is the difference significant, what is the interval, and what would you check before shipping?",
    'Critique this argument step by step and name each fallacy: "<country1> banned <thing1>, and crime fell by <percent1>%, so every country should ban them."',
    "Write a threat model of <system1>: assets, attackers, attack paths, and for each the cheapest mitigation.",
    "Two studies on <topic1> disagree: one with <n1> participants finds an effect of 0.<n2>, the other with <big1> finds none. Reconcile them.",
    "Derive what must be true for <company1> to break even within <small1> years, given a margin of <percent1>%, fixed costs of $<big1>,000 a month and churn of <percent2>%.",
)

FAMILIES = (
    Family("puzzles", (Level((0.26, 0.56, 0.90), _PUZZLES, 90),)),
    Family("plans under constraints", (Level((0.34, 0.66, 0.88), _PLANS, 70),)),
    Family("analyses", (Level((0.48, 0.80, 0.91), _ANALYSES, 90),)),
)
