"""What the book shows: figures, tables, sliders and the live page, made from rows and images."""
