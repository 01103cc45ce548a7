"""Human review of pairs: queue, verdicts, exposure, agreement. Independent of Streamlit.

    data set ─ pairs ─ priorities ─▶ queue ─ desk (one annotator) ─▶ verdicts ─ outcomes ─▶ publish
                                              └ sessions, dose (private)      └ agreement, export

Functions take a connection of `database.Database` and the current time. Those that change anything
need a connection from `Database.write`, which admits one writer at a time.
"""
