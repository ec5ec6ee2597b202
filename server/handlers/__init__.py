"""What answers a request: one function a route, a few lines each."""
