"""Store a crop set while it is being made: work folder, crops file, assembly."""
