"""`nsfwcaps export-data`: the data of a run in the format of another tool."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nsfwcaps import progress
from nsfwcaps.commands import next_steps
from nsfwcaps.commands.options import Json, Quiet
from nsfwcaps.commands.places import on_store
from nsfwcaps.enums import Split
from nsfwcaps.exports.formats import DataFormat, ItemKind, Negatives, embedded
from nsfwcaps.stores.session import Use

_FORMATS = f"Tool that reads the export: {', '.join(DataFormat)}."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export-data")(export_data)


@on_store(run=Use.READ, out=Use.WRITE)
def export_data(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or of a data set.")],
    to: Annotated[DataFormat, typer.Option("--to", metavar="FORMAT", help=_FORMATS)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Output folder; an earlier export is replaced.")
    ],
    split: Annotated[
        list[Split] | None,
        typer.Option(help="Split; may be repeated. Default: train, for clip-benchmark test."),
    ] = None,
    negatives: Annotated[
        Negatives | None,
        typer.Option(
            help="Negatives: the counterparts of later ranks, the unsafe caption, or none. "
            "Default: candidates if there are any, else none."
        ),
    ] = None,
    negative_count: Annotated[
        int | None, typer.Option(min=1, help="Negatives of each example. Default: 1.")
    ] = None,
    items: Annotated[
        list[ItemKind] | None,
        typer.Option(
            help="redirect: the unsafe caption with the safe image; safe, unsafe: a caption with "
            "its own image. May be repeated. Default: redirect."
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of the data set to carry along; may be repeated. Default: pair_id, "
            "category, stage."
        ),
    ] = None,
    shard_rows: Annotated[
        int | None, typer.Option(min=1, help="Samples of a tar file. Default: 1000.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Export the vectors or the pairs of a run in the format of another tool."""
    from nsfwcaps.exports import pairs  # slow to import

    shown, notes = progress.for_terminal(quiet=quiet or as_json), list[str]()
    given = pairs.Choices(
        splits=split,
        negatives=negatives,
        count=negative_count,
        items=items,
        columns=columns,
        shard_rows=shard_rows,
    )
    if to is DataFormat.CLIP_RETRIEVAL:
        pairs.refuse(to, given)
        facts, lines = _vectors(run, out, shown, notes)
    else:
        from nsfwcaps.exports.pair_files import pair_files

        request = pairs.request_of(to, pair_files(run), given, out)
        facts = pairs.write(to, request, shown, notes)
        lines = _pair_lines(to, facts, out)
    if as_json:
        typer.echo(json.dumps({**facts, "folder": str(out), "notes": notes}, indent=1))
        return
    typer.echo("\n".join([*lines[:-1], *notes, lines[-1]]))


def _vectors(
    run: Path, out: Path, shown: progress.Progress, notes: list[str]
) -> tuple[dict[str, Any], list[str]]:
    """Export vectors; return the facts, and what to say of them."""
    found = embedded(run)
    from nsfwcaps.exports import clip_retrieval  # slow to import; the checks above fail fast

    facts = clip_retrieval.write(found, out, shown, notes)
    captions = facts["captions"]
    lines = [
        f"Exported {sum(captions.values()):,} captions ({captions['safe']:,} safe, "
        f"{captions['unsafe']:,} unsafe) by {facts['encoder']['name']} to "
        f"{DataFormat.CLIP_RETRIEVAL}: {out}"
    ]
    if facts["without_image"]:
        lines.append(
            f"{facts['without_image']:,} captions have no image: their rows in img_emb are zeros"
        )
    return facts, [
        *lines,
        next_steps.lines([(("embed", "--source", out, "--out", "RUN"), "import it")]),
    ]


def _pair_lines(to: DataFormat, facts: Mapping[str, Any], out: Path) -> list[str]:
    """Say what was written, what was left out, and how it is loaded."""
    written = ", ".join(f"{count:,} {split}" for split, count in facts["written"].items())
    lines = [f"Exported {written} to {to}: {out}"]
    if facts["left_out"]:
        reasons = ", ".join(f"{count:,} {why}" for why, count in facts["left_out"].items())
        lines.append(f"Left out: {reasons}")
    if facts.get("negatives") == Negatives.NONE:
        lines.append("Without negatives: pairs have none but those of their batch")
    if "converted" in facts:
        lines.append(f"{facts['converted']:,} images were rewritten as PNG")
    return [*lines, f"Next, to load it: {_way_to_load(to, facts, out.absolute())}"]


def _way_to_load(to: DataFormat, facts: Mapping[str, Any], out: Path) -> str:
    """Return the options or the call of the tool that reads the first split."""
    split = next(iter(facts["written"]))

    def at(*names: str) -> str:
        return shlex.quote(str(out.joinpath(*names)))

    match to:
        case DataFormat.SENTENCE_TRANSFORMERS:
            return f"datasets.load_dataset({str(out)!r})"
        case DataFormat.TEVATRON:
            return (
                f"--dataset_name json --dataset_path {at(split, f'{split}.jsonl')} "
                f"--corpus_name json --corpus_path {at(split, 'corpus.jsonl')}"
            )
        case DataFormat.FLAG_EMBEDDING:
            return f"--train_data {at(split, f'{split}.jsonl')}"
        case DataFormat.OPEN_CLIP_CSV:
            return f"--dataset-type csv --train-data {at(f'{split}.tsv')}"
        case DataFormat.OPEN_CLIP_WEBDATASET:
            last = facts["shards"][split] - 1
            shards = f"{{00000..{last:05d}}}.tar" if last else "00000.tar"
            return f"--dataset-type webdataset --train-data {at(split, shards)}"
        case DataFormat.IMAGE_FOLDER:
            return f"datasets.load_dataset('imagefolder', data_dir={str(out)!r})"
        case DataFormat.CLIP_BENCHMARK:
            return (
                "clip_benchmark eval --task zeroshot_retrieval --dataset wds/pairs "
                f"--split {split} --dataset_root {at()}"
            )
    return (
        f"img2dataset --url_list {at(f'{split}.parquet')} --input_format parquet --url_col url "
        "--caption_col caption --output_format webdataset --output_folder FOLDER"
    )
