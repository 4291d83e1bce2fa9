"""Cuts every Python that starts with this folder on PYTHONPATH off the network.

The interpreter imports a module of this name when it starts, so child processes are cut
off too. An audit hook can't be removed or patched away by the code that it watches.
"""

import ipaddress
import socket
import sys

NAMES = {None, "", b"", "localhost", b"localhost", socket.gethostname()}
REACHING_OUT = {
    *("socket.connect", "socket.sendto", "socket.sendmsg"),
    *("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"),
}


class NetworkIsOff(OSError):
    """Something wanted to leave this machine."""


def is_here(host):
    """Whether this machine itself is meant."""
    if host in NAMES:
        return True
    try:
        text = host.decode() if isinstance(host, bytes) else host
        address = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def watch(event, arguments):
    """Raise before anything leaves this machine."""
    if event not in REACHING_OUT:
        return
    target = arguments[0]
    if isinstance(target, socket.socket):
        # None: sent where the socket is already connected. Text: a file, as for X11.
        if not isinstance(arguments[1], tuple):
            return
        target = arguments[1][0]
    if not is_here(target):
        raise NetworkIsOff(f"{event} to {target}: no lesson or test may need a network")


if __name__ == "sitecustomize":  # and not when pytest looks here for doctests
    sys.addaudithook(watch)
