"""What is learned: annotators, their calibration, what is new to them."""
