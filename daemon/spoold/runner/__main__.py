"""A runner in an interpreter of its own: `python -m spoold.runner CHANNEL LOCK`, both descriptors."""

import socket
import sys

from spoold.runner.life import live
from spoold.system.process import exit_now

if __name__ == "__main__":
    exit_now(live(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])))
