"""Statements about results, networks and catalogue entries: tables, sections, page, pictures, exports."""
