"""For leads: everything that was decided, as files."""

from __future__ import annotations

import io
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import streamlit as st
from place import TOKEN, Place, check_signed_in

from nsfwcaps.review.export.export import ExportedReview, export
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.people.accounts import Account


def draw(place: Place, account: Account) -> None:
    """Draw the button that writes the files, and then the one that hands them over."""
    st.header("Export")
    st.write(
        "The log and what became of each pair as Parquet, agreement as JSON, and the judged pairs "
        "for Label Studio and Argilla; these two hold captions. Accounts appear by pseudonym."
    )
    if st.button("Write the files", key="write"):
        with st.spinner("Writing"):
            st.session_state["export"] = _zipped(place)
    made = st.session_state.get("export")
    with place.database.read() as connection:
        head = verdicts.head_of(connection)
    if made is None or made[1:3] != head:  # somebody has decided since
        return
    data, seq, last, judged = made
    # Made on demand: a file that lies ready can be had by its address without signing in.
    hand_over = partial(_handed_over, place, st.session_state[TOKEN], data)
    st.download_button("Download", hand_over, "review.zip", "application/zip", key="download")
    st.write(
        f"With captions for other tools: {judged} pairs. Note the end of the log, to tell later if "
        "it was rewritten:"
    )
    st.code(f"{seq}:{last}", language=None)
    st.write("`nsfwcaps publish --verdicts FOLDER` joins what is in it with the data set.")


def _handed_over(place: Place, token: str, data: bytes) -> bytes:
    """The archive, for somebody who still is a lead.

    Raises:
        ReviewError: they are none, or have signed out.
    """
    check_signed_in(place, token, lead=True)
    return data


def _zipped(place: Place) -> tuple[bytes, int, str, int]:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "review"
        written: ExportedReview = export(place.database, place.pairs, target)
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(target.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(target.parent))
    seq, last = written.head
    return data.getvalue(), seq, last, written.judged
