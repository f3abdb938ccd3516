"""The served model: its request contract, its bundle, and the MLflow pyfunc around it."""
