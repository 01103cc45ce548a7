"""Looking at pairs: what the app shows, without knowing of Streamlit."""
