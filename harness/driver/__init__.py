# SPDX-License-Identifier: GPL-2.0-only
"""The driver: plans clauses, starts executors, reads their streams, keeps the verdicts."""
