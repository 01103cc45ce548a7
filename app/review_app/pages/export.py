"""For leads: all verdicts, as files."""

from __future__ import annotations

import io
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import streamlit as st

from nsfwcaps.review.export.export import ExportedReview, export
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.people.accounts import Account
from review_app.actions import TOKEN, check_signed_in
from review_app.context import ReviewContext


def draw(context: ReviewContext, account: Account) -> None:
    """Draw the button that creates the archive, and then the one that downloads it."""
    st.header("Export")
    st.write(
        "An archive with the log and the outcome of each pair (Parquet), agreement (JSON), and the "
        "judged pairs for Label Studio and Argilla. The last two contain captions. Accounts appear "
        "as pseudonyms."
    )
    if st.button("Create export", key="write"):
        with st.spinner("Exporting"):
            st.session_state["export"] = _zipped(context)
        st.success("The archive is ready; the button below downloads it.")
    made = st.session_state.get("export")
    if made is None:
        return
    if made[1:3] != context.read(verdicts.head_of):
        st.info("Verdicts have come since the export was created. Create it again.")
        return
    data, seq, last, judged = made
    # On demand: anybody who knows its address could download a stored file without signing in.
    checked = partial(_checked, context, st.session_state[TOKEN], data)
    st.download_button("Download", checked, "review.zip", "application/zip", key="download")
    st.write(
        f"{judged} {'pair' if judged == 1 else 'pairs'} exported for other tools. Note the end of "
        "the log, so that you can check later whether it was rewritten:"
    )
    st.code(f"{seq}:{last}", language=None)
    st.write("`nsfwcaps publish --verdicts FOLDER` applies the unpacked archive to the data set.")


def _checked(context: ReviewContext, token: str, data: bytes) -> bytes:
    """The archive, for a person who is still signed in and a lead.

    Raises:
        ReviewError: they are not.
    """
    check_signed_in(context, token, lead=True)
    return data


def _zipped(context: ReviewContext) -> tuple[bytes, int, str, int]:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "review"
        written: ExportedReview = export(context.database, context.pairs, target)
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(target.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(target.parent))
    seq, last = written.head
    return data.getvalue(), seq, last, written.judged
