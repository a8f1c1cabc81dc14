"""The networks of the paper, the losses they are trained with, their weights, their cost (Sec. III, Appendix A)."""
