"""CGI over HTTP."""
