"""The engine that stays warm between questions, against a fake one in every kind of trouble."""

import os
import sys
from pathlib import Path

import pytest
from engine_for_tests import wait_until

from lossseg.errors import ErrorKind

FAKE_SERVE = Path(__file__).with_name("fake_serve.py")


@pytest.fixture
def warm(module, monkeypatch):
    from SlicerLossSegLib import engine
    from SlicerLossSegLib.warm_engine import WarmEngine

    command = engine.Command(sys.executable, (str(FAKE_SERVE),), engine.environment())
    monkeypatch.setattr(engine, "serve_command", lambda: command)
    made = WarmEngine(grace_ms=300)
    yield made
    made.end()


class Heard:
    """What a question was told."""

    def __init__(self):
        self.answers, self.failures, self.stages = [], [], []

    def question(self, **params):
        from SlicerLossSegLib.warm_engine import Question

        return Question("inspect", params, self.answers.append, self.failures.append, self.stages.append)

    @property
    def is_over(self):
        return bool(self.answers or self.failures)


def ask(warm, **params):
    heard = Heard()
    warm.ask(heard.question(**params))
    return heard


def test_one_process_answers_question_after_question(warm):
    assert not warm.is_warm
    first = ask(warm, number=1)
    assert warm.is_busy
    wait_until(lambda: first.is_over, 20)
    second = ask(warm, number=2)
    wait_until(lambda: second.is_over, 20)
    assert [heard.answers[0]["answer"]["number"] for heard in (first, second)] == [1, 2]
    assert first.answers[0]["process"] == second.answers[0]["process"] == warm.process_id
    assert first.stages[0] is None
    assert first.stages[1].stage == "look"
    assert "a library chatters" in warm.log_tail
    assert not warm.is_busy
    assert warm.is_warm


def test_the_newest_question_wins(warm):
    running = ask(warm, wait=True)
    wait_until(lambda: len(running.stages) > 1, 20)
    waiting = [ask(warm, number=number) for number in range(3)]
    wait_until(lambda: waiting[-1].is_over, 20)
    assert waiting[-1].answers[0]["answer"] == {"number": 2}
    assert not any(heard.is_over for heard in (running, *waiting[:-1]))


def test_a_forgotten_question_is_never_heard_of(warm):
    heard = ask(warm, wait=True)
    wait_until(lambda: len(heard.stages) > 1, 20)
    warm.forget()
    assert not warm.is_busy
    after = ask(warm, number=1)
    wait_until(lambda: after.is_over, 20)
    assert not heard.is_over
    assert len(after.answers) == 1


def test_an_error_is_a_sentence_and_a_hint(warm):
    heard = ask(warm, fail=True)
    wait_until(lambda: heard.is_over, 20)
    assert (heard.failures[0].kind, heard.failures[0].message) == (ErrorKind.INPUT, "The volume is empty.")
    assert heard.failures[0].hint == "Choose another one."
    assert warm.is_warm


@pytest.mark.parametrize(("code", "sentence"), [(3, "exit code 3"), (137, "memory was used up")])
def test_a_dead_engine_is_one_sentence_and_the_next_question_works(warm, code, sentence):
    heard = ask(warm, die=code)
    wait_until(lambda: heard.is_over, 20)
    assert sentence in heard.failures[0].message
    assert heard.failures[0].hint
    assert "it broke" in warm.log_tail
    assert not warm.is_warm
    after = ask(warm, number=1)
    wait_until(lambda: after.is_over, 20)
    assert after.answers[0]["answer"] == {"number": 1}


def test_an_engine_that_does_not_stop_is_started_anew(warm):
    deaf = ask(warm, deaf=True)
    wait_until(lambda: len(deaf.stages) > 1, 20)
    before = warm.process_id
    after = ask(warm, number=1)
    wait_until(lambda: after.is_over, 20)
    assert after.answers[0]["process"] != before
    assert not deaf.is_over


def test_it_ends_after_idle_minutes(warm, monkeypatch):
    from SlicerLossSegLib.warm_engine import WarmEngine

    brief = WarmEngine(idle_minutes=0.002)
    heard = ask(brief, number=1)
    wait_until(lambda: heard.is_over, 20)
    assert brief.is_warm
    wait_until(lambda: not brief.is_warm, 5)
    again = ask(brief, number=2)
    wait_until(lambda: again.is_over, 20)
    assert again.answers[0]["process"] != heard.answers[0]["process"]
    brief.end()


def test_it_ends_with_the_module_and_stays_with_the_scene(warm, module):
    from SlicerLossSegLib.process_tree import descendants

    logic = module[0].SlicerLossSegLogic()
    heard = Heard()
    logic.warm_engine.ask(heard.question(number=1))
    wait_until(lambda: heard.is_over, 20)
    process = logic.warm_engine.process_id
    logic.scene_closes()
    assert logic.warm_engine.process_id == process
    assert process in descendants(os.getpid())
    logic.close()
    assert process not in descendants(os.getpid())


def test_asking_from_within_an_answer(warm):
    from SlicerLossSegLib.warm_engine import Question

    second = Heard()

    def answered(summary):
        warm.ask(second.question(number=2))

    warm.ask(Question("inspect", {"number": 1}, answered, second.failures.append))
    wait_until(lambda: second.is_over, 20)
    assert second.answers[0]["answer"] == {"number": 2}


def test_a_program_that_is_not_there(warm, monkeypatch):
    from SlicerLossSegLib import engine

    monkeypatch.setattr(engine, "interpreter", lambda: "/nowhere/PythonSlicer")
    monkeypatch.setattr(engine, "serve_command", lambda: engine.Command("/nowhere/PythonSlicer", (), {}))
    heard = ask(warm, number=1)
    wait_until(lambda: heard.is_over, 10)
    assert "/nowhere/PythonSlicer" in heard.failures[0].message
    assert not warm.is_warm
