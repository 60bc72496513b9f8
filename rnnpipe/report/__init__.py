"""The report of a study: one HTML page with its figures, claims, learning curves, speeds and provenance.

`contents` gathers what there is (and names what there is not), `page` renders it. The page stands alone: it loads
nothing, from this machine or another.
"""
