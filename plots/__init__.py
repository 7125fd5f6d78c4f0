"""What people look at: arrays in, figures and one self-contained HTML page out; computes nothing."""
