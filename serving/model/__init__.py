"""What is logged with the served model: contract, preparation, classification, bundle."""
