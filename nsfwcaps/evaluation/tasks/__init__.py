"""Tasks: functions from vectors to an `Outcome`, without models or files."""
