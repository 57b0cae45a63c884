"""The comparison with the authors' code: what runs it, what checks it and what shows it."""
