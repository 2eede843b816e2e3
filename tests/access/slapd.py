"""A real directory for tests: OpenLDAP's slapd on free ports of the loopback, with a private authority.

    dc=reg,dc=test      ou=people with users (password: the name and "pw"), ou=groups; memberOf is filled
    cn=reader           the service account; nobody in particular sees anything
    ports               plain (StartTLS works there) and LDAPS; ``localhost`` is what its certificate names

``stop`` and ``start`` keep the data and the ports. A frozen one takes connections and says nothing.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from typing import TYPE_CHECKING, Any

from gateway.access.ldap.options import DirectoryOptions, Transport
from tests.access.daemon import Daemon
from tests.clients.programs import need
from tests.fakes.papers import Papers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIX = "dc=reg,dc=test"
ADMIN = f"cn=admin,{SUFFIX}"
READER = f"cn=reader,{SUFFIX}"
PEOPLE = f"ou=people,{SUFFIX}"
GROUPS = f"ou=groups,{SUFFIX}"
_USERS = ("alice", "bob", "w*ld")


def dn(user: str) -> str:
    return f"uid={user},{PEOPLE}"


class Slapd(Daemon):
    def __post_init__(self) -> None:
        self.papers = Papers(self.root)
        self.files = self.papers.issue(hosts=["localhost"])
        self.credentials = self.root / "credentials.json"
        self.write_credentials("readerpw")
        (self.root / "db").mkdir()
        (self.root / "slapd.conf").write_text(self._configuration())
        (self.root / "base.ldif").write_text("\n\n".join(_base()) + "\n")
        self._run("slapadd", "-f", str(self.root / "slapd.conf"), "-l", str(self.root / "base.ldif"))

    @property
    def authority(self) -> Path:
        return self.files.authority

    def write_credentials(self, password: str) -> None:
        self.credentials.write_text(json.dumps({"bindDN": READER, "bindPassword": password}))

    def change(self, *ldif: str) -> None:
        """Changes in LDIF, as the administrator."""
        words = ["ldapmodify", "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", ADMIN, "-w", "adminpw"]
        self._run(*words, text="\n".join(ldif) + "\n")

    def set_password(self, user: str, password: str) -> None:
        self.change(f"dn: {dn(user)}", "changetype: modify", "replace: userPassword", f"userPassword: {password}")

    def remove(self, user: str) -> None:
        self.change(f"dn: {dn(user)}", "changetype: delete")

    def options(self, **changes: Any) -> DirectoryOptions:
        """How to ask it, over LDAPS unless told otherwise."""
        transport = changes.pop("transport", Transport.LDAPS)
        settings: dict[str, Any] = {
            "host": "localhost",
            "port": self.tls_port if transport is Transport.LDAPS else self.port,
            "transport": transport,
            "base": PEOPLE,
            "user_attribute": "uid",
            "group_attribute": "memberOf",
            "authority": self.authority,
            "credentials": self.credentials,
        }
        return DirectoryOptions(**(settings | changes))

    def settings(self, **changes: Any) -> dict[str, Any]:
        """``http.auth.ldap`` for it, over LDAPS."""
        return {
            "address": "localhost",
            "port": self.tls_port,
            "baseDN": PEOPLE,
            "userAttribute": "uid",
            "userGroupAttribute": "memberOf",
            "caCert": str(self.authority),
            "credentialsFile": str(self.credentials),
        } | changes

    def command(self) -> list[str]:
        urls = f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.tls_port}/"
        return [need("slapd"), "-f", str(self.root / "slapd.conf"), "-h", urls, "-d", "0"]

    def answers(self) -> bool:
        words = [need("ldapwhoami"), "-x", "-H", f"ldap://127.0.0.1:{self.port}"]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def _configuration(self) -> str:
        return f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 2.16.840.1.113730.3.1.610 NAME 'nsAccountLock' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.4203.666.11.999 NAME 'lockable' SUP top AUXILIARY MAY nsAccountLock )
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {self.root}/slapd.pid
TLSCACertificateFile {self.files.authority}
TLSCertificateFile {self.files.certificate}
TLSCertificateKeyFile {self.files.key}
TLSVerifyClient never
database mdb
suffix "{SUFFIX}"
rootdn "{ADMIN}"
rootpw adminpw
directory {self.root}/db
dbnosync
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{READER}" read by * none
"""

    @staticmethod
    def _run(program: str, *words: str, text: str = "") -> None:
        done = subprocess.run(
            [need(program), *words], input=text, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def slapd(root: Path) -> Iterator[Slapd]:
    """A directory for the length of a block: alice is in devs, everybody in staff."""
    root.mkdir(parents=True, exist_ok=True)
    made = Slapd(root)
    made.start()
    try:
        made.change(*group("devs", "alice"), "", *group("staff", *_USERS))
        yield made
    finally:
        made.stop()


def group(name: str, *users: str) -> list[str]:
    members = [f"member: {dn(user)}" for user in users]
    return [
        f"dn: cn={name},{GROUPS}",
        "changetype: add",
        "objectClass: groupOfNames",
        f"cn: {name}",
        *members,
    ]


def person(user: str, below: str = PEOPLE) -> str:
    kinds = "objectClass: inetOrgPerson\nobjectClass: lockable"
    return f"dn: uid={user},{below}\n{kinds}\nuid: {user}\ncn: {user}\nsn: {user}\nuserPassword: {user}pw"


def _base() -> list[str]:
    units = [f"dn: ou={name},{SUFFIX}\nobjectClass: organizationalUnit\nou: {name}" for name in ("people", "groups")]
    return [
        f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: reg\ndc: reg",
        f"dn: {READER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\nuserPassword: readerpw",
        *units,
        *map(person, _USERS),
        f"dn: ou=far,{PEOPLE}\nobjectClass: organizationalUnit\nou: far",
        person("faraway", f"ou=far,{PEOPLE}"),
        person("twice"),
        person("twice", f"ou=far,{PEOPLE}"),
        person("locked", f"ou=far,{PEOPLE}") + "\nnsAccountLock: TRUE",
    ]
