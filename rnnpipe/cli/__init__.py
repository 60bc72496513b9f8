"""Command line: one module a stage, which parses, reads, calls one function and writes."""
