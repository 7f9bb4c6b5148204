"""Questions with known answers, and the table of what each token scale made of them."""
