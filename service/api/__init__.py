"""What all routes need: sessions, callers, problems, pages."""
