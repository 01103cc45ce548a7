"""What was decided: answers, verdicts in a chain of hashes, outcomes, adjudication."""
