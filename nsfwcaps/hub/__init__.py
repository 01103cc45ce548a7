"""Publishing a data set on the Hub: what is sent, to where, and who may see it."""
