"""What a newcomer runs first: a stand-in for the upstreams, and a walk through the gateway. No part of `app`."""
