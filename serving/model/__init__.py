"""Define what is logged with the served model: schema, preparation, classification, bundle."""
