"""Texts in the languages of readers: one `.po` file a language, read when the process starts."""
