"""Photographs as people have them: read, searched for faces, deblurred, written."""
