"""`nsfwcaps show`: pairs of a run or a data set, covered unless they are revealed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nsfwcaps.commands import next_steps
from nsfwcaps.commands.options import Json
from nsfwcaps.commands.places import on_store
from nsfwcaps.inspection.choice import PairChoice, PairOrder
from nsfwcaps.stores.session import Use

Folder = Annotated[Path, typer.Argument(help="Folder of a run, or of a published data set.")]
Reveal = Annotated[
    bool, typer.Option("--reveal", help="Show the text of captions, which may offend.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show")(show)


@on_store(run=Use.READ)
def show(
    run: Folder,
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Pairs to show at most.")] = 20,
    stage: Annotated[
        list[str] | None, typer.Option(help="Only this level: easy, medium or hard. May repeat.")
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="Only this category. May repeat.")
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="Only train, validation or test. May repeat.")
    ] = None,
    below: Annotated[
        float | None, typer.Option(min=-1, max=1, help="Only cosines below this.")
    ] = None,
    above: Annotated[
        float | None, typer.Option(min=-1, max=1, help="Only cosines of at least this.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Only pairs of this safe caption: its id, or its start.")
    ] = None,
    unsafe: Annotated[
        str | None, typer.Option(help="Only pairs of this unsafe caption, likewise.")
    ] = None,
    order: Annotated[
        PairOrder,
        typer.Option(
            metavar="<order>",
            help="random, similarity (closest first), dissimilarity or hardest.",
        ),
    ] = PairOrder.RANDOM,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random order.")] = 0,
    summary: Annotated[
        bool, typer.Option("--summary", help="Only say how good all pairs are.")
    ] = False,
    reveal: Reveal = False,
    as_json: Json = False,
) -> None:
    """Show pairs of a run or data set: cosine, level, category, ids and, if revealed, captions.

    They are those of the last stage that ran: of mine, grade or publish. Filters combine.
    """
    from nsfwcaps.inspection import quality
    from nsfwcaps.inspection.pairs import open_pairs
    from nsfwcaps.inspection.plain import writable
    from nsfwcaps.inspection.show_pairs import lines, shown_pairs

    if summary:
        if as_json:
            typer.echo(json.dumps({"run": str(run), "quality": quality.facts(run)}, indent=1))
        else:
            typer.echo(quality.paragraph(run, next_steps.program()).lstrip("\n"))
        return
    choice = PairChoice(
        n=n,
        stage=stage or (),
        category=category or (),
        split=split or (),
        below=below,
        above=above,
        target=target,
        unsafe=unsafe,
        order=order,
        seed=seed,
    )
    found = shown_pairs(open_pairs(run), choice)
    if as_json:
        typer.echo(json.dumps(found.as_dict(reveal=reveal), indent=1))
    else:
        typer.echo(writable("\n".join(lines(found, reveal=reveal))))
