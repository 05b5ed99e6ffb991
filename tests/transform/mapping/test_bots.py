import subprocess
import sys

import pytest

from miso_upload.transform.mapping.bots import is_bot

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0"


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "curl/8.5.0",
        "python-requests/2.32.3",
    ],
)
def test_what_the_list_knows_is_a_bot(agent):
    assert is_bot(agent)


@pytest.mark.parametrize("agent", [CHROME, "", "-", "a browser of my own"])
def test_what_the_list_does_not_know_is_none(agent):
    assert not is_bot(agent)


def test_a_long_header_is_looked_at_from_its_beginning_only():
    assert is_bot("Googlebot/2.1 " + "x" * 100_000)
    assert not is_bot("x" * 100_000 + " Googlebot/2.1")


def test_the_list_is_not_read_before_it_is_needed():
    code = (
        "import sys, miso_upload.cli, miso_upload.pipeline.job\n"
        "print('crawleruseragents' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
