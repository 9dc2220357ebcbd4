"""`tocsin doctor`: is this machine fit, and does this configuration lead anywhere? What is wrong, and how to mend it."""
