"""rnnpipe: from a behavioural task to a paper figure.

Nothing is imported here, so that every stage pays only for what it uses and a stage's code fingerprint
covers only what it runs.
"""
