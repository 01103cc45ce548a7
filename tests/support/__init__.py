"""What tests share: small pools, models and servers."""
