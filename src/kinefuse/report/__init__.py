"""One self-contained HTML page about a result: what is wrong with it first, then the movement itself."""
