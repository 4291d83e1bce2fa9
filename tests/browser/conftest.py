"""A real JupyterLab, started by the real command, in a real browser, offline."""

import re
import shutil

import pytest
from browser.started_lab import OUTPUT, start_lab, stop
from playwright.sync_api import sync_playwright

from course_lib import environment

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="session")
def lab():
    lessons = OUTPUT / "my_lessons"
    shutil.rmtree(lessons, ignore_errors=True)
    running = start_lab(lessons)
    running.lessons = lessons
    yield running
    stop(running.process)


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        found = environment.find_browser()
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A page that can reach this machine only; `page.elsewhere` lists what it tried."""
    page = chromium.new_page(viewport={"width": 1280, "height": 1000})
    page.elsewhere = []
    local = re.compile(r"^(https?|wss?)://127\.0\.0\.1[:/]|^(data|blob|about):")

    def guard(route):
        if local.match(route.request.url):
            route.continue_()
        else:
            page.elsewhere.append(route.request.url)
            route.abort()

    page.route("**/*", guard)
    yield page
    page.close()
