"""`users import`: reads files of other systems and imports them in batches."""
