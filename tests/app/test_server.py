"""What the server lets through, whose sessions it opens again, and what it tells the log."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from handshake import ask, cookie, opened, signed_in
from served import Server
from streamlit.proto.BackMsg_pb2 import BackMsg
from support import small_review
from support.shell import call
from websockets.exceptions import InvalidStatus

from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.people import accounts, logins
from review_access import tickets

FORM = "Pair review"
ENDED = "You have been signed out. All your verdicts are saved."

# Imported by every Python that finds it: notes what is asked of the network.
RECORDER = """
import os, sys
def note(event, given):
    if event in ("socket.connect", "socket.sendto"):
        place = given[1]
    elif event == "socket.getaddrinfo":
        place = given[0]
    else:
        return
    with open(os.environ["RECORDED"], "a") as out:
        print(event, place, file=out)
sys.addaudithook(note)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    small_review.pair_set(folder / "dataset")
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(RECORDER)
    made = Server(folder)
    made.variables = {
        "RECORDED": str(folder / "network.txt"),
        "PYTHONPATH": os.pathsep.join([str(folder / "hook"), str(Path.cwd())]),
    }
    with contextlib.closing(made):
        yield made.start()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/_stcore/upload_file/session/file", 405),
        ("POST", "/_stcore/upload_file/session/file", 405),
        ("DELETE", "/_stcore/upload_file/session/file", 405),
        ("OPTIONS", "/_stcore/upload_file/session/file", 405),
        ("POST", "/_stcore/agent/interact", 405),
        ("POST", "/_stcore/agent/mcp", 405),
        ("POST", "/", 405),
        ("GET", "/_stcore/agent/openapi.json", 404),
        ("GET", "/_stcore/metrics", 404),
        ("GET", "/_stcore/script-health-check", 404),
        ("GET", "/_stcore/message?hash=1", 404),
        ("GET", "/_stcore/bidi-components/x/y.js", 404),
        ("GET", "/component/x/index.html", 404),
        ("GET", "/app/static/x", 404),
        ("GET", "/auth/login", 404),
        ("GET", "/auth/login?provider=x", 404),
        ("GET", "/auth/logout", 404),
        ("GET", "/oauth2callback", 404),
        ("GET", "/oauth2callback?error=x&error_description=%1b%5b31m", 404),
        ("GET", "/media/picture.png", 403),
        ("GET", "/_review/kept", 403),
        ("POST", "/_review/sign-in", 403),
        ("POST", "/_review/sign-out", 403),
        ("GET", "/_stcore/health", 200),
        ("GET", "/_stcore/host-config", 200),
        ("GET", "/disputes", 200),
    ],
)
def test_without_a_login_only_the_empty_page_answers(
    server: Server, method: str, path: str, status: int
) -> None:
    assert ask(server, path, method, "x" if method in ("PUT", "POST") else None).status == status


@pytest.mark.parametrize("path", ["/", "/disputes", "/_stcore/health", "/nothing.js", "/media/x"])
def test_every_answer_forbids_frames_guesses_and_other_sites(server: Server, path: str) -> None:
    headers = ask(server, path).headers
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    rules = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'", "connect-src 'self'"} <= set(rules)
    (scripts,) = (rule for rule in rules if rule.startswith("script-src"))
    assert "unsafe" not in scripts
    assert "access-control-allow-origin" not in headers


def test_who_is_signed_in_cannot_upload_either(server: Server) -> None:
    headers = {"Cookie": cookie(server, signed_in(server, "Ann"))}
    with opened(server, headers["Cookie"]) as page:
        address = f"/_stcore/upload_file/{page.draw().session_id}/file"
    for method in ("PUT", "POST", "DELETE"):
        assert ask(server, address, method, "x", headers).status == 405
    picture = ask(server, "/media/x.png", headers=headers)
    assert (picture.status, picture.headers["cache-control"]) == (404, "no-store")
    assert ask(server, "/_review/kept", headers=headers).status == 204


def test_a_ticket_gives_the_cookie_to_nobody_but_this_page(server: Server) -> None:
    origin = f"http://127.0.0.1:{server.port}"
    for headers in ({}, {"Origin": "http://127.0.0.1:1"}, {"Origin": "null"}, {"Origin": origin}):
        answer = ask(server, "/_review/sign-in", "POST", "guessed", headers)
        assert (answer.status, answer.cookies) == (403, [])
    assert ask(server, "/_review/sign-in", "POST", "x" * 10**6, {"Origin": origin}).status == 403


def test_a_ticket_is_good_once_and_for_a_minute() -> None:
    ticket, other = tickets.issue("one", 100.0), tickets.issue("two", 100.0)
    assert tickets.redeem(ticket, 159.0) == "one"
    assert tickets.redeem(ticket, 159.0) is None
    assert tickets.redeem(other, 160.0) is None


def test_a_session_id_alone_opens_no_session(server: Server) -> None:
    ann, bob = (cookie(server, signed_in(server, name)) for name in ("Ann", "Bob"))
    with opened(server, ann) as page:
        session_id = page.draw().session_id
        assert "Ann (annotator)" in page.texts
        for cookies in ("", bob, "nsfwcaps_review_0=0123456789012345678901", f"x{ann}"):
            with opened(server, cookies, session_id) as other:
                assert other.draw().session_id != session_id
                assert "Ann (annotator)" not in other.texts
        page.draw()  # nobody has thrown her out
    with opened(server, ann, session_id) as again:
        assert again.draw().session_id == session_id
    with opened(server) as form, opened(server, "", form.draw().session_id) as other:
        assert other.draw().session_id != form.session_id  # a password may be typed into it


def test_no_header_of_a_client_stands_for_a_login(server: Server) -> None:
    token = signed_in(server, "Ann")
    forged = {"X-Nsfwcaps-Token": token, "X-Nsfwcaps-Login": token}
    with opened(server, **forged) as page:
        assert FORM in page.draw().texts


@pytest.mark.parametrize("way", ["signs out", "is disabled"])
def test_a_login_that_ends_leaves_the_form_in_every_open_page(server: Server, way: str) -> None:
    name = f"Who {way}"
    token = signed_in(server, name)
    with (
        opened(server, cookie(server, token)) as silent,
        opened(server, cookie(server, token)) as page,
    ):
        for one in (silent, page):
            assert f"{name} (annotator)" in one.draw().texts
        with contextlib.closing(Database(server.database)) as database:
            if way == "signs out":
                logins.sign_out(database, token)
            else:
                with database.write() as connection:
                    accounts.disable(connection, accounts.find(connection, name).account_id)
        assert silent.drawn().texts == [ENDED, FORM]  # without a message of its own
        assert page.drawn().texts == [ENDED, FORM]
        assert page.draw().texts == [FORM]
    with opened(server, cookie(server, token), page.session_id) as again:
        assert again.draw().session_id != page.session_id
        assert again.texts == [ENDED, FORM]


def test_a_message_after_the_login_does_nothing_but_draw_the_form(server: Server) -> None:
    token = signed_in(server, "Ann")
    with opened(server, cookie(server, token)) as page:
        page.draw()
        with contextlib.closing(Database(server.database)) as database:
            logins.sign_out(database, token)
        message = BackMsg()
        message.rerun_script.fragment_id = "a part of the page that asks nobody"
        page.connection.send(message.SerializeToString())
        assert page.drawn().texts == [ENDED, FORM]


@pytest.mark.parametrize("who", ["nobody", "Ann"])
def test_streamlits_other_messages_do_not_pass(server: Server, who: str) -> None:
    cookies = cookie(server, signed_in(server, who)) if who == "Ann" else ""
    with opened(server, cookies) as page:
        page.draw()
        asked = BackMsg()
        asked.file_urls_request.file_names.append("a file for the server")
        for message in (asked, BackMsg(clear_cache=True), BackMsg(load_git_info=True)):
            page.connection.send(message.SerializeToString())
        page.connection.send(b"not a message of Streamlit")
        page.draw()
        assert not {"file_urls_response", "git_info_changed"} & set(page.kinds)


def test_who_is_not_signed_in_can_send_little(server: Server) -> None:
    long = BackMsg()
    long.rerun_script.query_string = "x" * 70_000
    with opened(server) as page:
        page.connection.send(long.SerializeToString())
        page.draw()
        assert page.kinds.count("new_session") == 1
    with opened(server, cookie(server, signed_in(server, "Ann"))) as page:
        page.connection.send(long.SerializeToString())
        page.drawn().draw()
        assert page.kinds.count("new_session") == 2


def test_the_address_of_the_judging_page_leads_to_it(server: Server, tmp_path: Path) -> None:
    for path in ("/judge", "/judge/", "/judge?x=1"):
        answer = ask(server, path)
        assert (answer.status, answer.headers["location"]) == (307, "/")
    small_review.pair_set(tmp_path / "dataset")
    with contextlib.closing(Server(tmp_path, ("--base-path", "/a/b"))) as below:
        answer = ask(below.start(), "/a/b/judge")
        assert (answer.status, answer.headers["location"]) == (307, "/a/b/")


def test_an_unforeseen_error_is_said_in_one_sentence_without_links(tmp_path: Path) -> None:
    small_review.pair_set(tmp_path / "dataset")
    with contextlib.ExitStack() as stack:
        broken = stack.enter_context(contextlib.closing(Server(tmp_path)))
        login = cookie(broken, signed_in(broken.start(), "Ann"))
        database = stack.enter_context(contextlib.closing(Database(broken.database)))
        with database.write() as connection:
            connection.execute(sa.update(tables.item).values(severity=99))
        with opened(broken, login) as page:
            said = page.draw().texts[-1]
        assert said.startswith("The page could not go on because of an error in the program.")
        assert "exception" not in page.elements


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("//_stcore/metrics", 400),
        ("/%5fstcore/metrics", 404),
        ("/x/../_stcore/metrics", 400),
        ("/_stcore/./metrics", 404),
        ("/_stcore/health/", 404),
        ("/media/../_stcore/metrics", 403),
        ("/%2e%2e/_stcore/metrics", 400),
        ("/_review/../_stcore/metrics", 400),
    ],
)
def test_other_spellings_of_an_address_do_not_pass(server: Server, path: str, status: int) -> None:
    answer = ask(server, path)
    assert (answer.status, b"TYPE" in answer.body) == (status, False)


def test_only_a_trusted_proxy_says_that_the_browser_uses_tls(server: Server) -> None:
    token = signed_in(server, "Ann")
    origin = f"http://127.0.0.1:{server.port}"
    flags = []
    for place in ("127.0.0.1", "127.0.0.2"):
        headers = {"Origin": origin, "X-Forwarded-Proto": "https"}
        answer = ask(server, "/_review/sign-out", "POST", "", headers, place)
        flags.append({("; Secure" in one, one.startswith("__Secure-")) for one in answer.cookies})
        assert len(answer.cookies) == 3
    assert flags == [{(True, True)}, {(False, False)}]
    secure = {"Cookie": f"__Secure-{cookie(server, token)}"}
    assert ask(server, "/_review/kept", headers=secure).status == 403
    secure["X-Forwarded-Proto"] = "https"
    assert ask(server, "/_review/kept", headers=secure).status == 204
    # Plain HTTP can set the name without the prefix, so that name is nobody's over TLS.
    plain = {"Cookie": cookie(server, token), "X-Forwarded-Proto": "https"}
    assert ask(server, "/_review/kept", headers=plain).status == 403


def test_pages_of_another_origin_cannot_connect(server: Server) -> None:
    for origin in ("http://example.org", "http://127.0.0.1:1", "null"):
        with pytest.raises(InvalidStatus), opened(server, Origin=origin):
            pass
        assert ask(server, "/_stcore/health", headers={"Origin": origin}).status == 403
    with opened(server, Origin=f"http://127.0.0.1:{server.port}") as page:
        assert FORM in page.draw().texts


def test_the_network_is_asked_for_nothing(server: Server) -> None:
    for origin in ("http://example.org", "http://10.1.2.3"):
        ask(server, "/_stcore/health", headers={"Origin": origin})
        with pytest.raises(InvalidStatus), opened(server, Origin=origin):
            pass
    asked = (server.folder / "network.txt").read_text().splitlines()
    assert asked  # it finds an address to listen on
    here = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "None")
    assert [line for line in asked if not any(name in line for name in here)] == []


def test_the_log_names_no_session_and_no_login(server: Server) -> None:
    token = signed_in(server, "Ann")
    with opened(server, cookie(server, token)) as page:
        session_id = page.draw().session_id
        with opened(server, cookie(server, token), session_id) as again:  # two tabs, one session
            again.draw()
        with opened(server, "", session_id) as other:
            other.draw()
    assert [word for word in (session_id, token, "INFO") if word in server.said] == []
    assert server.said.count("\n") == 3  # what the command says


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_address_of_this_machine_alone_does_not_warn(tmp_path: Path, address: str) -> None:
    if address == "::1" and not _has_ipv6():
        pytest.skip("no IPv6 here")
    small_review.pair_set(tmp_path / "dataset")
    made = Server(tmp_path, ("--address", address), host=address)
    with contextlib.closing(made):
        made.start()
        assert "warning" not in made.said
        assert f"http://{'[::1]' if ':' in address else address}:{made.port} " in made.said


def test_a_base_path_is_one_that_addresses_can_have(tmp_path: Path) -> None:
    small_review.pair_set(tmp_path / "dataset")
    said = call("review", "--data", tmp_path, "--base-path", "/a b")
    assert (said.code, said.out) == (2, "")
    assert "expected letters, digits, '-', '_' and '/', such as /review" in said.err


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_an_open_address_warns_once_and_asks_the_network_for_nothing(
    tmp_path: Path, server: Server, address: str
) -> None:
    if address == "::" and not _has_ipv6():
        pytest.skip("no IPv6 here")
    small_review.pair_set(tmp_path / "dataset")
    recorded = {**server.variables, "RECORDED": str(tmp_path / "network.txt")}
    open_one = Server(tmp_path, ("--address", address), variables=recorded)
    with contextlib.closing(open_one):
        open_one.start()
        assert ask(open_one, "/_stcore/health").status == 200
        assert open_one.said.count("warning") == 1
        assert f"warning: --address {address} lets others connect over plain HTTP" in open_one.said
        asked = (tmp_path / "network.txt").read_text()
        assert "8.8.8.8" not in asked
        assert "amazonaws" not in asked


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as trial:
        trial.bind(("::1", 0))
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_though_a_page_is_open(tmp_path: Path, number: int) -> None:
    small_review.pair_set(tmp_path / "dataset")
    made = Server(tmp_path)
    with contextlib.closing(made), opened(made.start(), "") as page:
        page.draw()
        begun = "POST /_review/sign-in HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nContent-Length: 9"
        other = socket.create_connection(("127.0.0.1", made.port))
        other.sendall(f"{begun}\r\n\r\nnever".encode())
        process = made.process
        made.end(number)
        other.close()
        assert process is not None
        assert process.returncode == 0
        assert page.end == 1012  # the browser connects again
    assert "Traceback" not in made.said


def test_a_provider_that_leads_to_another_port_is_refused_before_the_queue(tmp_path: Path) -> None:
    small_review.pair_set(tmp_path / "dataset")
    path = tmp_path / "oidc.toml"
    path.write_text(
        '[auth]\nredirect_uri = "http://localhost:1/oauth2callback"\n'
        f'cookie_secret = "{"0123456789abcdef" * 4}"\nclient_id = "review"\n'
        'client_secret = "hush"\nserver_metadata_url = "https://id.example.org/x"\n'
    )
    said = call("review", "--data", tmp_path, "--oidc", path, "--port", 8501)
    assert (said.code, said.out) == (2, "")
    assert "it must be http://localhost:8501/oauth2callback" in " ".join(said.err.split())
    assert not (tmp_path / "review.sqlite").exists()
