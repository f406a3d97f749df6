"""Studies: several runs compared, and what is made of them."""
