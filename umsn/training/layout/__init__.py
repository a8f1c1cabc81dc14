"""The networks laid out for a GPU: the mathematics of `umsn.networks` in fewer and larger operations, for training.

A training step of UMSN is bound by the number of its operations, not by their arithmetic. Here the streams run side by
side, normalisation and smoothing are one operation, channels come in multiples of 8, all parameters lie in one vector,
and a step from the batch to Adam can be compiled and recorded as a whole. `umsn.networks` stays the figures of the
paper; what is trained here are its parameters, under its names.
"""
