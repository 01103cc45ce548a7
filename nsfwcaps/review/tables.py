"""Tables of a review's database, the same in SQLite and PostgreSQL.

Kept for good: `verdict`, append-only, a chain of hashes. Everything about how somebody works
(`session`, `skip`, `dose`, `opt_out`) is that person's own: no page of a lead reads it.
Times are seconds since 1970 in UTC, but for those that are hashed, which are ISO 8601 text.
"""

from __future__ import annotations

import sqlalchemy as sa

VERSION = 1

metadata = sa.MetaData()
_Seconds = sa.Double

# One row each: the data set, the policy, the version of these tables.
meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

account = sa.Table(
    "account",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("name_key", sa.Text, nullable=False, unique=True),  # the name, case folded
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created", _Seconds, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False, default=False),
)

# Who is signed in: of the token that the browser holds, only the hash is here.
login = sa.Table(
    "login",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("account.account_id"), nullable=False, index=True),
    sa.Column("created", _Seconds, nullable=False),
    sa.Column("last_seen", _Seconds, nullable=False),
)

# Tries to sign in that failed, for names that exist and names that do not. A name is only a number
# of 20 bits here: some people type their password where the name belongs.
login_failure = sa.Table(
    "login_failure",
    metadata,
    sa.Column("name_number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("failures", sa.Integer, nullable=False),  # in a row
    sa.Column("last", _Seconds, nullable=False, index=True),
)

item = sa.Table(
    "item",
    metadata,
    sa.Column("pair_id", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("needed", sa.Integer, nullable=False),  # annotators, each blind to the others
    sa.Column("decided", sa.Integer, nullable=False, default=0),
    sa.Column("gone", sa.Boolean, nullable=False, default=False),  # the data set has it no more
    sa.Column("gold", sa.Text),  # the answer that is known, as JSON
    sa.Column("settled", sa.Integer),  # row of the log in which a lead settled it
)
sa.Index(
    "item_open",
    item.c.position,
    sqlite_where=item.c.decided < item.c.needed,
    postgresql_where=item.c.decided < item.c.needed,
)
sa.Index(
    "item_gold",
    item.c.position,
    sqlite_where=item.c.gold.is_not(None),
    postgresql_where=item.c.gold.is_not(None),
)

# What an annotator has before them: one pair each, with the answers given so far.
reservation = sa.Table(
    "reservation",
    metadata,
    sa.Column("account_id", sa.ForeignKey("account.account_id"), primary_key=True),
    sa.Column("pair_id", sa.ForeignKey("item.pair_id"), nullable=False, index=True),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("opened", _Seconds, nullable=False),
    sa.Column("expires", _Seconds, nullable=False),
    sa.Column("draft", sa.Text, nullable=False),
    sa.Column("revealed", sa.Text, nullable=False),
)

verdict = sa.Table(
    "verdict",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("account_id", sa.Text, nullable=False, index=True),
    sa.Column("pair_id", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

# The last link of the chain. Whoever writes anything holds this row: one writer at a time.
head = sa.Table(
    "head",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

# What holds now: the verdict of each person on each pair. Derived from the log; its key is why
# nobody decides twice.
decision = sa.Table(
    "decision",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("pair_id", sa.ForeignKey("item.pair_id"), primary_key=True, index=True),
    sa.Column("seq", sa.ForeignKey("verdict.seq"), nullable=False, unique=True),
)

# Somebody's last verdict, which they may take back.
sa.Index("decision_last", decision.c.account_id, decision.c.seq)

session = sa.Table(
    "session",
    metadata,
    sa.Column("session_id", sa.Integer, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("account.account_id"), nullable=False, index=True),
    sa.Column("day", sa.Text, nullable=False),  # of its start, in UTC
    sa.Column("started", _Seconds, nullable=False),
    sa.Column("last_active", _Seconds, nullable=False),
    sa.Column("ended", _Seconds),
    sa.Column("pairs", sa.Integer, nullable=False, default=0),
    sa.Column("reveals", sa.Integer, nullable=False, default=0),
    sa.Column("severe_at", _Seconds),  # when the last item was left, if that was a severe one
)

opt_out = sa.Table(
    "opt_out",
    metadata,
    sa.Column("account_id", sa.ForeignKey("account.account_id"), primary_key=True),
    sa.Column("category", sa.Text, primary_key=True),
)

skip = sa.Table(
    "skip",
    metadata,
    sa.Column("account_id", sa.ForeignKey("account.account_id"), primary_key=True),
    sa.Column("pair_id", sa.ForeignKey("item.pair_id"), primary_key=True),
    sa.Column("at", _Seconds, nullable=False),
)

# What somebody was exposed to, and for how long.
dose = sa.Table(
    "dose",
    metadata,
    sa.Column("dose_id", sa.Integer, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("account.account_id"), nullable=False, index=True),
    sa.Column("at", _Seconds, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("pair_id", sa.Text),
    sa.Column("category", sa.Text),
    sa.Column("severity", sa.Integer),
    sa.Column("seconds", _Seconds),
)
