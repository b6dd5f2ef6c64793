"""Who may call. `mode` is the interface, the same in every auth mode."""
