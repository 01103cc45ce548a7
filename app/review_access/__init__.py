"""What stands between the network and Streamlit: logins, refused requests, headers."""
