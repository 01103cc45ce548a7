from __future__ import annotations

from pathlib import Path

import pytest

from nsfwcaps.errors import ConfigError
from nsfwcaps.review.people.providers import check_served, providers

SECRET = "0123456789abcdef0123456789abcdef"
HEAD = f"""[auth]
redirect_uri = "https://review.example.org/oauth2callback"
cookie_secret = "{SECRET}"
"""
ONE = """client_id = "review"
client_secret = "hush"
server_metadata_url = "https://id.example.org/.well-known/openid-configuration"
"""


def written(folder: Path, text: str, name: str = "oidc.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (HEAD + ONE, ("default",)),
        (HEAD + ONE + '[auth.client_kwargs]\nprompt = "login"\n', ("default",)),
        (f"{HEAD}[auth.one]\n{ONE}[auth.two]\n{ONE}", ("one", "two")),
        (f"{HEAD}{ONE}[auth.two]\n{ONE}", ("default", "two")),
    ],
)
def test_providers_of_a_file(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    assert providers(written(tmp_path, text)) == names


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no section \\[auth\\]"),
        (f'x = "{SECRET}\n', "not TOML"),
        (HEAD, "\\[auth\\] lacks client_id, client_secret, server_metadata_url"),
        (f'{HEAD}[auth.one]\nclient_id = "review"\n', "\\[auth.one\\] lacks client_secret, server"),
        (f"{HEAD}[auth.my_one]\n{ONE}", "must have no underscore"),
        (HEAD.replace("/oauth2callback", "") + ONE, "redirect_uri in \\[auth\\] must be the addr"),
        (HEAD.replace("https://", "https:/") + ONE, "redirect_uri in \\[auth\\] must be the addr"),
        (HEAD.replace("callback", "callback?x=1") + ONE, "redirect_uri in \\[auth\\] must be the"),
        (HEAD.replace(".org/", ".org:x/") + ONE, "redirect_uri in \\[auth\\] must be the addr"),
        (HEAD + ONE.replace("https://id.example.org/", "not a url "), "server_metadata_url in"),
        (HEAD + ONE.replace("https://id", "https:///id"), "server_metadata_url in \\[auth\\] must"),
        (HEAD + ONE.replace("https://id", "https://[id"), "server_metadata_url in \\[auth\\] must"),
        (HEAD + ONE.replace("https://id", "file://id"), "server_metadata_url in \\[auth\\] must"),
        (HEAD + ONE.replace('"hush"', "5"), "client_secret in \\[auth\\] must be text"),
        (HEAD.replace(f'"{SECRET}"', "5") + ONE, "cookie_secret in \\[auth\\] must be text"),
        (HEAD.replace(SECRET, "short") + ONE, "cookie_secret in \\[auth\\] must be a random text"),
    ],
)
def test_a_file_that_st_login_could_not_use_is_refused_without_its_secrets(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told) as refused:
        providers(written(tmp_path, text))
    assert SECRET not in str(refused.value)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("uri", "host", "base", "fits"),
    [
        ("http://localhost:8501/oauth2callback", "localhost", "", True),
        ("http://localhost:9999/oauth2callback", "localhost", "", False),
        ("http://localhost/oauth2callback", "localhost", "", False),
        ("http://127.0.0.1:8501/oauth2callback", "localhost", "", False),
        ("http://[::1]:8501/oauth2callback", "::1", "", True),
        ("http://review.example.org:8501/oauth2callback", "localhost", "", False),
        ("http://review.example.org:8501/oauth2callback", "", "", True),
        ("http://review.example.org:9999/oauth2callback", "", "", False),
        ("https://review.example.org/oauth2callback", "localhost", "", True),
        ("https://localhost:8443/oauth2callback", "localhost", "", True),
        ("https://review.example.org/x/oauth2callback", "localhost", "", False),
        ("https://review.example.org/x/oauth2callback", "localhost", "/x", True),
        ("https://review.example.org/oauth2callback", "localhost", "/x", False),
    ],
)
def test_a_provider_leads_back_to_where_the_page_is_served(
    tmp_path: Path, uri: str, host: str, base: str, fits: bool
) -> None:
    path = written(tmp_path, HEAD.replace("https://review.example.org/oauth2callback", uri) + ONE)
    assert providers(path) == ("default",)
    if fits:
        check_served(path, host, 8501, base)
        return
    with pytest.raises(ConfigError, match="which does not lead to this page; it must be http://"):
        check_served(path, host, 8501, base)


def test_a_file_that_is_not_there_or_has_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        providers(tmp_path / "oidc.toml")
    with pytest.raises(ConfigError, match="must end with"):
        providers(written(tmp_path, HEAD + ONE, "oidc.conf"))
