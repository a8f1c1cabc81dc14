"""What the networks are trained and tested on: synthetic faces, data sets on disk, blur (Sec. III, IV-A)."""
