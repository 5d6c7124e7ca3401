"""The description-conditioned encoder: network, tokenization, windows, decoding, training, weights."""
