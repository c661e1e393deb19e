"""Programs that nobody here wrote, each as its users run it: through its defaults."""
