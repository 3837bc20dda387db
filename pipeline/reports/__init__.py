"""What a run tells: report, table and page; ``why``, ``whatif``, samples, status; and the run opened from Python.

Everything here reads what a run stored, never its input (``why`` replays one row).
"""
