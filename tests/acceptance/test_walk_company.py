"""docs/walks/company.md, typed as it stands: a company's users come by OpenID Connect."""

import json
import re
import subprocess
from pathlib import Path

import httpx2

from tests.support.issuer import Issuer
from tests.support.service import ROOT, Service, eventually

PAGE = (ROOT / "docs" / "walks" / "company.md").read_text()
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = [(found[1], found[2]) for found in BLOCK.finditer(PAGE)]
END_OF_ANSWER = "\x1e\n"


def test_walk_of_a_company_works_as_it_stands(service: Service, tmp_path: Path) -> None:
    (toml,) = [text for kind, text in BLOCKS if kind == "toml"]
    with Issuer() as issuer:
        file = tmp_path / "issuers.toml"
        file.write_text(toml.replace("https://login.example.com", issuer.url) + "private_network = true\n")
        web = service.web(ISSUERS_FILE=str(file), PASSWORD_LOGIN="off")
        sign_ins = f"{web.url}/auth/issuers"
        (offered,) = eventually(lambda: httpx2.get(sign_ins).json()["items"], what="the discovery")
        assert (offered["id"], offered["clientId"]) == ("staff", "scoreboard")

        ada = issuer.token("ada's", preferred_username="ada", name="Ada Lovelace", groups=["staff"])
        grace = issuer.token("grace's", preferred_username="grace", groups=["staff", "scoreboard-operators"])
        commands = [text for kind, text in BLOCKS if kind == "bash"]
        typed = "".join(f"{text}printf '\\x1e\\n'\n" for text in commands)
        done = subprocess.run(
            ["bash", "-eu", "-c", typed.replace("localhost:8000", f"127.0.0.1:{web.port}")],
            cwd=tmp_path,
            env=service.stores.environment(TOKEN=ada, OPERATOR_TOKEN=grace),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        answers = done.stdout.split(END_OF_ANSWER)[:-1]
        # The first block of text is not an answer: it is what is typed at the provider.
        shown = [(kind, text) for kind, text in BLOCKS if kind in ("json", "text")][1:]
        assert len(answers) == len(shown)
        for (kind, text), answer in zip(shown, answers, strict=True):
            if kind == "json":
                wanted = json.loads(text)
                got = json.loads(answer)
                assert wanted == {name: "…" if wanted.get(name) == "…" else it for name, it in got.items()}
            else:
                assert answer == text
