"""`croissant.json`: a data set in Croissant 1.1, with RAI 1.0, PROV-O and its terms of use."""
