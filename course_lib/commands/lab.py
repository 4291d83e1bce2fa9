"""Open the lessons in JupyterLab, in your own copy of them.

The first start makes .venv and fetches the embedded data. Each start brings new lessons
into my_lessons/ and never writes over what you have changed.
"""

import ipaddress
import os
import socket
import urllib.parse

from course_lib import environment, my_lessons


def add_options(parser):
    """Add the options of ``lab``."""
    parser.add_argument("--no-browser", action="store_true", help="print the address")
    parser.add_argument("--port", type=int, default=8888, help="(default: %(default)s)")
    parser.add_argument(
        "--ip",
        default="127.0.0.1",
        help="where to listen (default: %(default)s, this machine only)",
    )
    parser.add_argument(
        "jupyter",
        nargs="*",
        metavar="-- OPTION",
        help="JupyterLab's own options, after two dashes",
    )


def run(options):
    """Bring the lessons up to date and serve them until Ctrl-C."""
    fetch_embedded()
    for line in my_lessons.deliver():
        print(line)
    server = make_server(options)
    print("Stop with Ctrl-C.", flush=True)
    server.start()
    return 0


def fetch_embedded():
    """Have the embedded text here, and both it and the model as they were published."""
    from course_lib import weights
    from course_lib.datasets import archive

    try:
        if not (archive.DOWNLOADS / archive.ARCHIVE).exists():
            print("Fetching the rated sentences (2.4 MB)", flush=True)
        archive.fetch_reviews()
        weights.minilm_folder()
    except (OSError, RuntimeError) as error:
        raise environment.SetupError(str(error)) from None


def make_server(options):
    """A JupyterLab server that is set up but not yet started."""
    from jupyterlab.labapp import LabApp

    port = free_port(options.ip, options.port)
    root, first = where_to_begin()
    words = [
        f"--ServerApp.root_dir={root}",
        f"--ServerApp.ip={options.ip}",
        f"--ServerApp.port={port}",
        f"--LabApp.default_url=/lab/tree/{first}",
        "--Application.log_level=WARN",
        # It would look for language servers with npm, which writes into the home.
        "--LanguageServerManager.autodetect=False",
    ]
    if options.no_browser:
        words.append("--no-browser")
    if os.name == "posix" and os.geteuid() == 0:
        print("You are root: what a lesson runs, it runs as root.")
        words.append("--allow-root")
    server = LabApp.initialize_server([*words, *options.jupyter])
    refuse_open_door(server)
    return server


def where_to_begin():
    """The folder to serve, and lesson 00's address in it."""
    lessons = my_lessons.folder().resolve()
    # The whole course where possible, so that a lesson's links to its code work.
    inside = lessons.is_relative_to(environment.COURSE)
    root = environment.COURSE if inside else lessons
    first = lessons.relative_to(root) / "00_start_here.ipynb"
    return root, urllib.parse.quote(first.as_posix())


def free_port(ip, port):
    """The first free port from `port` on."""
    host = "" if ip == "*" else ip
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    for candidate in range(port, min(port + 50, 65536)):
        try:
            with socket.create_server((host, candidate), family=family):
                pass
        except OSError as error:
            taken = error
            continue
        if candidate != port:
            print(f"Port {port} is taken (another lab?); using {candidate}.")
        return candidate
    raise environment.SetupError(
        f"no port from {port} on can be opened on {ip} ({taken.strerror}). "
        "Choose another with --port, or another --ip."
    )


def refuse_open_door(server):
    """Stop where anybody on the network could run code on this machine.

    Asked of the server itself, so that options, environment and configuration files
    all count.
    """
    if is_local(server.ip) or server.identity_provider.auth_enabled:
        return
    raise environment.SetupError(
        f"this would let anyone who can reach {server.ip} run code here: a server that "
        "listens beyond this machine needs a token or a password. Leave JupyterLab's "
        "token on, or stay with --ip 127.0.0.1."
    )


def is_local(ip):
    """Whether only this machine can reach `ip`."""
    try:
        return ip == "localhost" or ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return False
