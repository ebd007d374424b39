"""Tests of app.relay: most talk to a scripted upstream over a real socket."""
