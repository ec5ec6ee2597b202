"""What is done for a request, without a word of HTTP: managers raise Headrace's errors and return JSON values."""
