from fluxrouter_server.routing.conversation import Turn, text_to_judge

LONG = "Please write a function that merges two sorted lists"


def test_the_last_message_of_the_user_decides() -> None:
    turns = [Turn("user", "Prove the theorem of Pythagoras now"), Turn("assistant", "Proof: …")]
    assert text_to_judge([*turns, Turn("user", LONG)]) == LONG


def test_a_short_message_is_read_together_with_those_before_it() -> None:
    turns = [
        Turn("user", "What is a cat?"),
        Turn("assistant", "An animal."),
        Turn("user", LONG),
        Turn("assistant", "Here it is."),
        Turn("user", "and in Rust?"),
    ]
    assert text_to_judge(turns) == f"{LONG}\n\nand in Rust?"


def test_a_message_of_exactly_enough_words_stands_alone() -> None:
    eight = "one two three four five six seven eight"
    assert text_to_judge([Turn("user", LONG), Turn("user", eight)]) == eight


def test_only_the_nearest_short_messages_are_read() -> None:
    turns = [Turn("user", f"m{number}") for number in range(10)]
    assert text_to_judge(turns) == "m5\n\nm6\n\nm7\n\nm8\n\nm9"


def test_system_prompts_answers_and_tool_results_are_not_read() -> None:
    turns = [
        Turn("system", "You are an expert in integrals."),
        Turn("user", "hi"),
        Turn("tool", "\\frac{1}{2}"),
        Turn("assistant", "Proof."),
    ]
    assert text_to_judge(turns) == "hi"


def test_images_without_text_and_empty_conversations_leave_nothing_to_judge() -> None:
    assert text_to_judge([]) == ""
    assert text_to_judge([Turn("user", ""), Turn("user", "  ")]) == ""
    assert text_to_judge([Turn("user", LONG), Turn("user", "")]) == LONG
