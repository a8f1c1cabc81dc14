"""The training stages of Sec. IV-A as data, the batches they are given, and the one loop that runs them."""
