"""People decide on pairs: queue, verdicts, exposure, agreement. Knows nothing of Streamlit.

    data set ─ pairs ─ priorities ─▶ queue ─ desk (one annotator) ─▶ verdicts ─ outcomes ─▶ publish
                                              └ sessions, dose (private)      └ agreement, export

Every function takes a connection of `database.Database` and the time; what changes something runs
inside `Database.write`, one writer at a time.
"""
