"""The wire schemas of other providers' SDKs, in front of `litellm.completion`: pure functions, no I/O."""
