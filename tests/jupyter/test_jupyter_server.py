"""What a kernel answers goes to the page at once, whatever class of connections the server has."""

import asyncio
import json
import socket
import subprocess
import sys

import pytest
import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket

from axon_nb_jupyter import prompt


class Connection:
    """A connection as Jupyter's handler makes it."""

    calls = 0

    def __init__(self, handler):
        self.websocket_handler = handler

    def connect(self):
        Connection.calls += 1
        return "connected"


def delays(kind):
    """Open a real websocket, and return whether its server holds small messages back."""
    seen = []

    class Handler(tornado.websocket.WebSocketHandler):
        def open(self):
            assert kind(self).connect() == "connected"
            options = self.ws_connection.stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            seen.append(not options)

    async def run():
        application = tornado.web.Application([("/", Handler)])
        server = tornado.httpserver.HTTPServer(application)
        [listening] = tornado.netutil.bind_sockets(0, "127.0.0.1")
        server.add_socket(listening)
        page = await tornado.websocket.websocket_connect(f"ws://127.0.0.1:{listening.getsockname()[1]}/")
        while not seen:
            await asyncio.sleep(0.01)
        page.close()
        server.stop()

    asyncio.run(asyncio.wait_for(run(), 30))
    return seen[0]


def test_a_connection_waits_with_nothing():
    assert delays(Connection)
    before = Connection.calls
    assert not delays(prompt(Connection))
    assert Connection.calls == before + 1


def test_it_is_the_same_class_otherwise():
    made = prompt(Connection)
    assert issubclass(made, Connection)
    assert made.__name__ == "PromptConnection"


SERVER = """
import json, sys
from jupyter_server.serverapp import ServerApp
app = ServerApp(open_browser=False, port=0, allow_root=True, root_dir=sys.argv[1])
app.initialize(argv=[], new_httpserver=False)
kind = app.web_app.settings["kernel_websocket_connection_class"]
print(json.dumps([kind.__name__, [base.__name__ for base in kind.__mro__], "axon_nb" in sys.modules]))
"""


def test_the_server_uses_it_and_does_not_load_axon_nb(tmp_path):
    pytest.importorskip("jupyter_server")
    done = subprocess.run([sys.executable, "-c", SERVER, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    name, bases, loads_us = json.loads(done.stdout.strip().splitlines()[-1])
    assert name.startswith("Prompt")
    assert "ZMQChannelsWebsocketConnection" in bases
    assert not loads_us
