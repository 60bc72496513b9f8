"""Tasks that differ from another one in a class attribute only.

Tests whose subject is what surrounds a task leave them out; the rules by which they differ are tested of each.
"""

from __future__ import annotations

from rnnpipe.tasks._yang import YANG19

ALIKE = set(YANG19) - {"yang_rtanti", "yang_multidlydm", "yang_dnmc"}

COMPOSED = {"combine", "mixture"}
"""Tasks whose trials are those of others, which rules of single tasks are not about: `test_transforms_composed` is."""
