"""One thin command per MLproject entry point: parse, load, one library call, log."""
