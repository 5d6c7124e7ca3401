"""Policy authoring: show, lint, schema."""
