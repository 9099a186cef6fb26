"""A JupyterLab server with Chromium, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
THEMES = "@jupyterlab/apputils-extension/themes.jupyterlab-settings"


class Lab:
    """A JupyterLab server, a browser, and the page that is open."""

    def __init__(self, url, token, folder, settings, browser):
        self.url, self.token, self.folder, self.settings, self.browser = url, token, folder, settings, browser
        self.page = None
        self.errors = []
        self.count = 0

    def open(self, *cells, theme="Light", width=1600, height=1000):
        """Open a new notebook with these cells; none of them is run."""
        self.close()
        self._settle(theme)
        self.count += 1
        name = f"test_{self.count}.ipynb"
        made = [
            {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
            for i, text in enumerate(cells)
        ]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        notebook = {"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
        (self.folder / name).write_text(json.dumps(notebook))
        self.page = self.browser.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(120_000)  # a busy machine is slow, not wrong
        self.errors = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(f"{self.url}/lab/tree/{name}?reset&token={self.token}")
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=180_000)
        self.page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=180_000)
        collapse = self.page.locator(".jp-FileBrowser:visible")
        if collapse.count():
            self.page.keyboard.press("Control+b")
        return self.page

    def _settle(self, theme):
        file = self.settings / THEMES
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"theme": f"JupyterLab {theme}"}))
        (file.parent / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false"}))

    def read(self, path, *, theme="Light", width=1280, height=1000):
        """Open a copy of a notebook, as who has never run it sees it, with all of it on the page."""
        self.close()
        self._settle(theme)
        tracker = self.settings / "@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
        tracker.parent.mkdir(parents=True, exist_ok=True)
        tracker.write_text(json.dumps({"windowingMode": "none"}))
        shutil.copy(path, self.folder / path.name)
        self.page = self.browser.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(120_000)  # a busy machine is slow, not wrong
        try:
            self.page.goto(f"{self.url}/lab/tree/{path.name}?reset&token={self.token}")
            self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=180_000)
        finally:
            tracker.unlink()
        return self.page

    def is_trusted(self, name):
        """Tell whether the server takes any cell of a notebook for one that its reader has run."""
        with urllib.request.urlopen(f"{self.url}/api/contents/{name}?token={self.token}", timeout=30) as answer:
            cells = json.load(answer)["content"]["cells"]
        return any(cell["metadata"].get("trusted") for cell in cells if cell.get("outputs"))

    def stop_kernels(self):
        """End all kernels."""
        with urllib.request.urlopen(f"{self.url}/api/kernels?token={self.token}", timeout=30) as answer:
            kernels = json.load(answer)
        for kernel in kernels:
            asked = urllib.request.Request(f"{self.url}/api/kernels/{kernel['id']}?token={self.token}", method="DELETE")
            urllib.request.urlopen(asked, timeout=30).close()

    def run(self, index, *, timeout=120_000):
        """Run a cell, and wait until it is done."""
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").nth(index)
        prompt = cell.locator(".jp-InputPrompt")
        before = prompt.text_content()
        end, again = time.monotonic() + timeout / 1000, 0.0
        while time.monotonic() < end:
            now = prompt.text_content()
            if now != before and re.search(r"\[\d+\]", now):
                return cell
            if now == before and time.monotonic() > again:  # a kernel that is only just there may miss the first
                cell.locator(".cm-content").click()
                self.page.keyboard.press("Control+Enter")
                again = time.monotonic() + 10
            self.page.wait_for_timeout(200)
        msg = f"cell {index} is not done: {prompt.text_content()}"
        raise TimeoutError(msg)

    def write(self, index, text):
        """Put other text into a cell."""
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").nth(index)
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def close(self):
        if self.page is not None:
            self.page.close()
            self.page = None


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def running(base):
    """Start both, with all that they write in a folder of their own."""
    from playwright import sync_api as playwright  # not everybody who runs tests has it

    folder, settings = base / "notebooks", base / "settings"
    folder.mkdir()
    settings.mkdir()
    port, token = _free_port(), secrets.token_hex(16)
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(base / "config"),
        "JUPYTER_RUNTIME_DIR": str(base / "runtime"),
        "JUPYTER_DATA_DIR": str(base / "data"),  # with what the user has signed as trusted
        "IPYTHONDIR": str(base / "ipython"),
    }
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1",
        "--allow-root", "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    log = (base / "log").open("w")
    server = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{url}/api?token={token}", timeout=2).close()
                break
            except OSError:
                assert server.poll() is None, (base / "log").read_text()
                time.sleep(0.5)
        with playwright.sync_playwright() as found:
            browser = found.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            made = Lab(url, token, folder, settings, browser)
            yield made
            made.close()
            browser.close()
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()
