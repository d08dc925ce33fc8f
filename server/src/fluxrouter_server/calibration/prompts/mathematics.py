"""School, competition and university mathematics, with and without notation, and proofs."""

# A template is one line, however long.
# ruff: noqa: E501

from fluxrouter_server.calibration.prompts.grammar import Family, Level

_SCHOOL = (
    "Solve for $<var1>$: $<small1><var1> + <n1> = <n2>$.",
    "Solve <small1>x - <small2> = <n1>.",
    "Simplify $<small1>x + <small2>(x - <small3>)$.",
    "What is the area of a rectangle with sides <small1> cm and <n1> cm?",
    "Find the slope of the line through $(<small1>, <small2>)$ and $(<small3>, <n1>)$.",
    "Evaluate $\\frac{<n1>}{<small1>} + \\frac{<small2>}{<small3>}$.",
    "What is the perimeter of a square whose area is <n1> square metres?",
    "Expand $(x + <small1>)(x - <small2>)$.",
    "The mean of <small1> numbers is <n1>. What is their sum?",
    "Factor $x^2 - <n1>x + <small1>$.",
)
_HIGH_SCHOOL = (
    "Find all real solutions of $<small1>x^2 - <n1>x + <small2> = 0$.",
    "Compute $\\log_{<small1>} <big1>$ to three decimal places and explain the change of base.",
    "In triangle $ABC$, $AB = <small1>$, $AC = <small2>$ and $\\angle A = 60^\\circ$. Find $BC$.",
    "How many ways are there to arrange the letters of a word with <small1> letters if two of them are equal?",
    "Two fair dice are rolled. What is the probability that the sum is at least <small1>?",
    "Find the derivative of $f(x) = x^{<small1>} \\sin(<small2>x)$.",
    "Compute $\\int_0^{<small1>} (<small2>x^2 + <n1>) \\, dx$.",
    "The sum of the first <n1> terms of an arithmetic sequence is <big1>. If the first term is <small1>, find the common difference.",
    "Find the vertex and the axis of symmetry of $y = <small1>x^2 + <n1>x - <small2>$.",
    "A circle has centre $(<small1>, <small2>)$ and passes through $(<small3>, <n1>)$. Find its equation.",
)
_COMPETITION = (
    "Let $a$, $b$ and $c$ be positive real numbers with $a + b + c = <small1>$. Find the minimum value of $\\frac{a^2}{b} + \\frac{b^2}{c} + \\frac{c^2}{a}$.",
    "How many positive integers $n \\le <big1>$ are there such that $n^{<small1>} + <small2>$ is divisible by $<n1>$?",
    "Let $P(x)$ be a monic polynomial of degree <small1> with $P(1) = <n1>$, $P(2) = <n2>$ and $P(3) = <big1>$. Compute $P(4) + P(0)$.",
    "In triangle $ABC$ the incircle touches $\\overline{BC}$ at $D$. If $BD = <small1>$, $DC = <small2>$ and the inradius is $<small3>$, find the area of $\\triangle ABC$.",
    "Find the number of ordered triples $(x, y, z)$ of integers with $1 \\le x < y < z \\le <n1>$ and $x + y + z \\equiv 0 \\pmod{<small1>}$.",
    "Define $a_1 = <small1>$ and $a_{n+1} = a_n^2 - <small2> a_n + <small3>$. Find the remainder when $a_{<n1>}$ is divided by $<n2>$.",
    "Let $f(x) = \\lfloor x \\rfloor + \\sqrt{x - \\lfloor x \\rfloor}$. Find the sum of all $x \\in [0, <small1>]$ with $f(x) = \\frac{<n1>}{<small2>}$.",
    "A sphere of radius $<small1>$ is inscribed in a cone whose base has radius $<n1>$. Express the volume of the cone in the form $\\frac{m\\pi}{n}$, where $m$ and $n$ are relatively prime.",
    "The roots of $z^{<small1>} = <small2> + <small3>i$ are the vertices of a polygon in the complex plane. Find its area.",
    "Compute $\\sum_{k=1}^{<n1>} \\frac{1}{k(k+<small1>)(k+<small2>)}$ as a fraction in lowest terms.",
    "Let \\[g(x) = \\begin{cases} <small1>x - <n1> & \\text{if } x > <small2>, \\\\ x^2 + <small3> & \\text{otherwise.} \\end{cases}\\] Find the largest $c$ for which $g(g(c)) = <big1>$.",
    "Find the smallest positive integer that leaves the remainders <small1>, <small2> and <small3> when divided by 13, 17 and 19, respectively.",
    "Vectors $\\mathbf{a}$ and $\\mathbf{b}$ satisfy $\\|\\mathbf{a}\\| = <small1>$, $\\|\\mathbf{b}\\| = <small2>$ and $\\mathbf{a} \\cdot \\mathbf{b} = <small3>$. Find $\\|<small4>\\mathbf{a} - \\mathbf{b}\\|$ and the projection of $\\mathbf{a}$ onto $\\mathbf{b}$.",
    "In how many ways can <small1> red and <small2> blue beads be arranged on a circle so that no two red beads are adjacent, up to rotation?",
)
_PROOF = (
    "Prove that there are infinitely many primes of the form $<small1>k + 3$.",
    "Prove by induction that $\\sum_{k=1}^n k^{<small1>}$ is a polynomial in $n$ of degree <small2>.",
    "Show that every group of order $<n1>$ has a normal subgroup, or give a counterexample.",
    "Let $(X, d)$ be a compact metric space and $f: X \\to X$ with $d(f(x), f(y)) < d(x, y)$ for $x \\ne y$. Prove that $f$ has exactly one fixed point.",
    "Prove or disprove: if a sequence of continuous functions converges pointwise on $[0, <small1>]$, its limit is continuous.",
    "Derive a closed form of the recurrence $T(n) = <small1> T(n/<small2>) + n \\log n$ and prove it.",
    "Show rigorously that $e$ is irrational, then extend the argument to $e^{1/<small1>}$.",
    "Prove that a graph with <n1> vertices and minimum degree <small1> contains a cycle of even length.",
    "Show that the operator $T f(x) = \\int_0^x f(t)\\,dt$ on $L^2[0,<small1>]$ is compact and find its spectrum.",
    "Let $A$ be an $n \\times n$ matrix with $A^{<small1>} = 0$. Prove that $I - A$ is invertible and find its inverse.",
)

FAMILIES = (
    Family(
        "mathematics",
        (
            Level((0.84, 0.96, 0.98), _SCHOOL, 80),
            Level((0.58, 0.86, 0.96), _HIGH_SCHOOL, 100),
            Level((0.22, 0.55, 0.91), _COMPETITION, 200),
            Level((0.20, 0.55, 0.88), _PROOF, 60),
        ),
    ),
)
