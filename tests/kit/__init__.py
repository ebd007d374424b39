"""Both ends of a journey: a scripted upstream, a raw client, and the real gateway between them."""
