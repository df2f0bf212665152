"""Web applications from pre-initialized commands: each request is answered by a fresh instance (CGI, RFC 3875).

`application.Application` is a WSGI application, `server.Server` what `preinit serve` runs it in.
"""
