"""Parameters of every step: one frozen dataclass each, the only place for defaults and limits."""
