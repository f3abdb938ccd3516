"""One thin command per MLproject entry point: parse, load, one library call, log."""

import warnings

# MLflow says this about its own classes when it is imported, in every step.
warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType")
