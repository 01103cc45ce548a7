"""A pair, side by side and covered, and one question about it at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from nsfwcaps.errors import InputError
from nsfwcaps.review.log.answers import CHOICES, NAMES, RIGHT, Answers, Choice, Option, Question
from nsfwcaps.review.pairs import Pair
from nsfwcaps.review.queue.desk import Desk
from nsfwcaps.review.queue.policy import SEVERITY_NAMES
from nsfwcaps.review.queue.states import ReviewTask
from review_app.actions import act
from review_app.context import ReviewContext
from review_app.plain_text import plain, show_caption

# Streamlit reserves C and R.
KEYS = {
    "safe text": "S",
    "unsafe text": "D",
    "safe image": "Shift+S",
    "unsafe image": "Shift+D",
    "back": "B",
    "skip": "K",
    "undo": "Z",
    "comment": "M",
    "stop": "Q",
    "save": "Ctrl+Enter",
}
_LEFT = "left"


def draw(context: ReviewContext, desk: Desk, task: ReviewTask) -> None:
    """Draw the pair that an annotator has open."""
    pair = context.pairs.pair(task.pair_id)
    _counts(task)
    for column, side in zip(st.columns(2), ("unsafe", "safe"), strict=True):
        with column, st.container(border=True):
            _side(context, desk, task, pair, side)
    if task.answers.choice is Choice.FIX:
        _fix(desk, task, pair)
    else:
        question = task.answers.next_question()
        if question is None:
            _choice(desk, task)
        else:
            _question(context, desk, task, question)
    _comment(desk, task)
    _others(desk, task)


def _counts(task: ReviewTask) -> None:
    left = task.left
    st.caption(
        f"{task.judged} judged · left in this session: {left.pairs} pairs, {left.reveals} reveals, "
        f"{max(0, left.minutes):.0f} min"
    )


def _side(context: ReviewContext, desk: Desk, task: ReviewTask, pair: Pair, side: str) -> None:
    st.subheader(side)
    if side == "unsafe":
        st.text(f"{task.category} · {SEVERITY_NAMES[task.severity]}")
    else:
        cosine = "" if pair.sim_text is None else f"cosine {pair.sim_text:.2f} · "
        st.text(f"{cosine}{pair.level}")
    what = f"{side} text"
    if what in task.uncovered:
        show_caption(pair.caption(side))
    else:
        _uncover(desk, task, what)
    what = f"{side} image"
    if side not in pair.images:
        return
    if what not in task.uncovered:
        _uncover(desk, task, what)
        return
    try:
        st.image(context.pairs.image(pair.pair_id, side))
    except InputError as error:
        st.warning(plain(str(error)))


def _uncover(desk: Desk, task: ReviewTask, what: str) -> None:
    kind = what.partition(" ")[2]
    st.button(
        f"Show the {kind}",
        key=f"{what}-{task.token}",
        shortcut=KEYS[what],
        on_click=act,
        args=(partial(desk.uncover, task.token, what),),
    )


def _question(context: ReviewContext, desk: Desk, task: ReviewTask, question: Question) -> None:
    st.subheader(question.text)
    options = list(question.options)
    if question.name == "category":
        options += _other_categories(context, task)
    with st.container(horizontal=True):
        for option in options:
            value = int(option.value) if question.name == "meaning" else option.value
            answer = partial(desk.answer, task.token, **{question.name: value})
            _option(task, question.name, option, answer)


def _other_categories(context: ReviewContext, task: ReviewTask) -> list[Option]:
    others = [name for name in context.pairs.categories if name not in (task.category, RIGHT)]
    keys = [*"123456789"]
    return [
        Option(value=name, label=f"No: {plain(name)}", key=keys[at] if at < len(keys) else "")
        for at, name in enumerate(others)
    ]


def _choice(desk: Desk, task: ReviewTask) -> None:
    st.subheader("What should happen to the pair?")
    with st.container(horizontal=True):
        for option in CHOICES:
            if option.value == Choice.ACCEPT and task.answers.failed:
                continue
            if option.value == Choice.FIX:
                action = partial(desk.answer, task.token, choice=Choice.FIX.value)
            else:
                action = partial(_decide, desk, task, Choice(option.value))
            _option(task, "choice", option, action)


def _option(task: ReviewTask, name: str, option: Option, action: Callable[[], object]) -> None:
    st.button(
        option.label,
        key=f"{name}-{option.value}-{task.token}",
        shortcut=option.key or None,
        on_click=act,
        args=(action,),
    )


def _decide(desk: Desk, task: ReviewTask, choice: Choice) -> None:
    """Decide, with the current text of the fields: their own change may not have arrived yet."""
    fields = {"comment": "comment", "safe_caption": "fix-safe", "unsafe_caption": "fix-unsafe"}
    typed = {name: st.session_state.get(f"{key}-{task.token}") for name, key in fields.items()}
    given = {name: value for name, value in typed.items() if value is not None}
    _leave(task, partial(desk.decide, task.token, choice, **given))


def _leave(task: ReviewTask, action: Callable[[], object]) -> None:
    """Run what closes the pair: fields that change with the same click are too late for it."""
    action()
    st.session_state[_LEFT] = task.token


def _fix(desk: Desk, task: ReviewTask, pair: Pair) -> None:
    st.subheader("How should it read?")
    for column, side in zip(st.columns(2), ("unsafe", "safe"), strict=True):
        with column:
            if f"{side} text" not in task.uncovered:
                st.text("Show the text to edit it.")
                continue
            name, key = f"{side}_caption", f"fix-{side}-{task.token}"
            st.text_area(
                side,
                getattr(task.answers, name) or pair.caption(side),
                key=key,
                on_change=_keep,
                args=(desk, task, name, key),
            )
    with st.container(horizontal=True):
        st.button(
            "Save",
            type="primary",
            key=f"save-{task.token}",
            shortcut=KEYS["save"],
            on_click=act,
            args=(partial(_decide, desk, task, Choice.FIX),),
        )
        st.button(
            "Choose again",
            key=f"unfix-{task.token}",
            shortcut=KEYS["back"],
            on_click=act,
            args=(partial(desk.answer, task.token, choice=None),),
        )


def _comment(desk: Desk, task: ReviewTask) -> None:
    key = f"comment-{task.token}"
    shown = f"comments-{task.token}"
    if task.answers.comment is None and not st.session_state.get(shown):
        st.button(
            "Comment",
            key=f"show-{key}",
            shortcut=KEYS["comment"],
            on_click=st.session_state.update,
            args=({shown: True},),
        )
        return
    st.text_area(
        "Comment",
        task.answers.comment or "",
        key=key,
        on_change=_keep,
        args=(desk, task, "comment", key),
    )


def _keep(desk: Desk, task: ReviewTask, name: str, key: str) -> None:
    if st.session_state.get(_LEFT) != task.token:
        act(partial(desk.answer, task.token, **{name: st.session_state[key]}))


def _others(desk: Desk, task: ReviewTask) -> None:
    st.divider()
    last = _last_answered(task.answers)
    with st.container(horizontal=True):
        if last is not None and task.answers.choice is None:
            back = partial(desk.answer, task.token, **{last: None})
            _other("back", "Back", task, back)
        _other("skip", "Skip", task, partial(_leave, task, partial(desk.skip, task.token)))
        if task.undoable is not None:
            _other("undo", "Undo the last verdict", task, partial(_leave, task, desk.undo))
        _other("stop", "Stop for now", task, partial(_leave, task, desk.stop))


def _other(name: str, label: str, task: ReviewTask, action: Callable[[], object]) -> None:
    st.button(
        label,
        key=f"{name}-{task.token}",
        type="tertiary",
        shortcut=KEYS[name],
        on_click=act,
        args=(action,),
    )


def _last_answered(answers: Answers) -> str | None:
    answered = [name for name in NAMES if getattr(answers, name) is not None]
    return answered[-1] if answered else None
