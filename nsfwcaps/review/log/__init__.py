"""Decisions of a review: answers, verdicts in a hash chain, outcomes, adjudication."""
