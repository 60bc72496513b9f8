"""Fixed points of rate networks under constant inputs: searched for, certified, and tested for completeness."""
