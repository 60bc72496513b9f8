"""From rate networks to spiking ones: the search for the scaling factor, and how trials are scored."""
