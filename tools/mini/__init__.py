"""Training of the heads of `mini`: a maintainer's tool, not part of the package."""
