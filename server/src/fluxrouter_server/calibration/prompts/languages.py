"""The same kinds of task in other languages."""

# A template is one line, in the letters and signs of its language.
# ruff: noqa: E501, RUF001

from fluxrouter_server.calibration.prompts.grammar import Family, Level

_EASY = (
    "Was ist die Hauptstadt von <country1>?",
    "Schreibe eine kurze E-Mail an <name1> und sage den Termin um <small1> Uhr ab.",
    "Erzähl mir einen Witz über einen Hund.",
    "Fasse den folgenden Text in zwei Sätzen zusammen: <company1> hat <n1> neue Leute eingestellt und sucht Büros in <city1>.",
    "Quelle est la capitale de <country1> ?",
    "Écris un message de remerciement à <name1>.",
    "Corrige cette phrase : je suis allé à <city1> avec mes <small1> ami.",
    "¿Cuál es la capital de <country1>?",
    "Escribe un correo breve a <name1> para cambiar la reunión a las <small1>.",
    "Recomiéndame una receta fácil con arroz para <small1> personas.",
    "Qual è la capitale di <country1>?",
    "Jak się masz? Poleć mi film na wieczór.",
    "Какая столица у страны <country1>?",
    "Напиши короткое письмо для <name1>.",
    "<city1>有什么好玩的地方？",
    "请把这句话翻译成英文：我们<small1>点见。",
    "<city1>の天気はどうですか。",
    "次の文を丁寧にしてください：<small1>時に来て。",
    "ما هي عاصمة <country1>؟",
)
_ARITHMETIC = (
    "<name1> hat <n1> Murmeln und gibt <name2> ein Drittel davon. Danach kauft sie <small1> Packungen mit je <small2> Stück. Wie viele hat sie am Ende?",
    "<name1> gagne <n1> euros par jour et en dépense <percent1> %. Combien lui reste-t-il après <small1> semaines ?",
    "Un tren recorre <big1> km en <small1> horas y luego <n1> km en <small2> horas. ¿Cuál es su velocidad media?",
    "У <name1> было <n1> яблок, половину он отдал, потом купил ещё <small1>. Сколько яблок стало?",
    "小明有<n1>个苹果，给了小红<small1>个，又买了<small2>个。他现在有多少个苹果？",
    "りんごが<n1>個あります。<small1>人で同じ数ずつ分けると、いくつ余りますか。",
)
_HARD = (
    "Beweise, dass es unendlich viele Primzahlen der Form $<small1>k + 3$ gibt.",
    "Bestimme alle reellen Lösungen von $x^{<small1>} - <n1>x + <small2> = 0$ und begründe, warum es keine weiteren gibt.",
    "Démontrez que toute suite croissante et majorée converge, puis donnez un contre-exemple dans $\\mathbb{Q}$.",
    "Demuestra por inducción que $\\sum_{k=1}^{n} k^2 = \\frac{n(n+1)(2n+1)}{6}$.",
    "Докажите, что число $\\sqrt{<n1>} + \\sqrt{<small1>}$ иррационально, если подкоренные числа не квадраты.",
    "证明：对任意正整数 $n$，$n^{<small1>} - n$ 能被 $<small2>$ 整除，或给出反例。",
    "$\\int_0^{<small1>} x^2 e^{-x}\\,dx$ を計算し、途中式を示してください。",
)

FAMILIES = (
    Family(
        "other languages",
        (
            Level((0.88, 0.96, 0.97), _EASY, 110),
            Level((0.76, 0.94, 0.97), _ARITHMETIC, 50),
            Level((0.22, 0.55, 0.88), _HARD, 50),
        ),
    ),
)
