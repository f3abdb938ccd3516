"""From a mosaic and a catalogue to a crop set."""
