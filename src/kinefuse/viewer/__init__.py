"""A result played in the browser, with its cameras and measured points."""
