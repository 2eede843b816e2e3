"""The key tree of the metadata store, drawn; the only module that knows how keys are spelled.

    cluster/id                                        this installation, written once
    cluster/min_version                               the oldest version that may run: new record forms wait for it
    cluster/entered                                   changed by every process that starts, under its lease
    cluster/copying                                   the rest is being copied from another store: nobody may start
    cluster/restored                                  the rest came from a backup, and no operator has said yet that it is right
    repo/<name>                                       the repository exists
    removals/<name>                                   bumped with every removal of a link, record or ref below <name>
    manifest/<name>//<digest>                         manifest record
    tag/<name>//<tag>                                 tag
    link/<name>//<digest>                             <name> may see this blob (manifests are linked as well)
    holder/<partition>/<digest>//<name>               the same link from the other side
    usage/<name>//<shard>                             what the links of <name> in every eighth partition come to
    ref/<name>//<child digest>//<parent digest>       the parent's record may reference the child
    referrer/<name>//<subject digest>//<digest>       the manifest names the subject
    sweep/<partition>                                 bumped by a sweep of the partition
    fetch/<digest>                                    an upstream's blob on its way, and who fetches it
    mirror/run/<entry>                                a configured mirror's run under way, or its last one
    mirror/part/<entry>/<name>                        a repository of the run under way, and who copies it
    pulled/<partition>/<digest>//<name>               when <name> was last asked for it, in the order of holder/
    loosened/<partition>/<digest>                     a link of it was taken for a reason, and when
    pulls-since/<name>                                since when pulls of <name> are counted, for whoever keeps what was pulled
    signing/<number>                                  a key that tokens are signed with
    session/<sha256>                                  a browser's session by the hash of its id, under a lease of its own
    apikeys/<id>                                      a user's API key: whose, for what, and the hash of its text
    apikeys-of/<owner>/<id>                           the same key from its owner's side
    robots/<namespace>//<name>                        a robot account
    used/<key>                                        when an API key or a robot was used last
    witness/<node>                                    what the node wrote last: an older state of the metadata has another

    layout/current                                    the live versions; its revision is the layout revision
    layout/version/<number>                           one version, written once
    layout/synced/<number>/<node>                     the node has brought its copies to where this version wants them
    member/<node>                                     a storage node, and what the operator wants of it
    alive/<node>                                      the same node, under its lease
    process/<kind>/<id>                               a process that is no storage node, under its lease
    dirty/<partition>/<number>                        the partition may be short of copies by this version
    scrub/<node>                                      how far a node is with reading its copies, and what came of it
    lost/<partition>/<digest>                         somebody links this blob, and no node has a good copy
    task/repair                                       bumped when somebody wants every node to compare its copies
    task/scrub/<node>                                 bumped when somebody wants that node to read all its copies now
    task/mirror/<entry>                               bumped when somebody wants a run of that mirror
    task/pause/<entry>                                that mirror is not to run
    task/trust                                        bumped when an operator says that the metadata is right as it is
    task/keep                                         the sync worker whose turn it is to take from caches
    task/keep-asked                                   bumped when somebody wants caches to be looked at now

    lease/, task/                                     taken by the cluster; nothing else may begin so

Invariants
  * A repository name never holds "//" and never ends with "/", so "//" ends it and no name's keys lie among another's.
  * Tags and digests hold no "/". Keys sort bytewise; below one repository tags sort as distribution-spec lists them.
  * ``<number>`` is eight lower-case hex digits, so that versions sort. Node ids and entries hold no "/".
  * ``<shard>`` is one digit from 0 to 7, the partition's remainder.
  * ``<partition>`` is three lower-case hex digits, and ``holder/`` sorts by (partition, digest text): the order in which
    storage nodes list their copies, so that a collector merges the two.
  * ``<owner>`` is the SHA-256 of an account's name in hex, since that may be any text.

Constructors take values that have passed the strict constructors of the domain; parsers take keys that a constructor made.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from holdfast.digest import PARTITIONS, Digest, parse
from holdfast.errors import CorruptError, DigestInvalidError
from holdfast.meta.store import prefix_end
from holdfast.names import Repository, Tag

if TYPE_CHECKING:
    from typing import TypeAlias

    Range: TypeAlias = tuple[bytes, bytes]

CLUSTER_ID: Final = b"cluster/id"
CLUSTER_MIN_VERSION: Final = b"cluster/min_version"
CLUSTER_ENTERED: Final = b"cluster/entered"
CLUSTER_COPYING: Final = b"cluster/copying"
CLUSTER_RESTORED: Final = b"cluster/restored"
LAYOUT_CURRENT: Final = b"layout/current"
REPAIR_TASK: Final = b"task/repair"
TRUST_TASK: Final = b"task/trust"
KEEP_TASK: Final = b"task/keep"
KEEP_ASKED: Final = b"task/keep-asked"
# What a store that is nearly full still takes: without these nothing could be removed, and no node could say that it lives.
HOUSEKEEPING: Final = (
    b"cluster/",
    b"removals/",
    b"loosened/",
    b"usage/",
    b"sweep/",
    b"layout/",
    b"member/",
    b"alive/",
    b"process/",
    b"dirty/",
    b"scrub/",
    b"lost/",
    b"lease/",
    b"task/",
    b"witness/",
)

_REPOSITORIES: Final = b"repo/"
# Layers of one image are linked at the same time, and each of them changes one count.
USAGE_SHARDS: Final = 8


def _range(prefix: str) -> Range:
    start = prefix.encode()
    return start, prefix_end(start)


def repository(name: Repository) -> bytes:
    return f"repo/{name}".encode()


def removals(name: Repository) -> bytes:
    return f"removals/{name}".encode()


def manifest(name: Repository, digest: Digest) -> bytes:
    return f"manifest/{name}//{digest.algorithm}:{digest.encoded}".encode()


def tag(name: Repository, value: Tag) -> bytes:
    return f"tag/{name}//{value}".encode()


def link(name: Repository, digest: Digest) -> bytes:
    return f"link/{name}//{digest}".encode()


def holder(digest: Digest, name: Repository) -> bytes:
    return f"holder/{digest.partition:03x}/{digest}//{name}".encode()


def usage(name: Repository, shard: int) -> bytes:
    return f"usage/{name}//{shard}".encode()


def usage_of(name: Repository, digest: Digest) -> bytes:
    """The count that a link to this digest is in."""
    return usage(name, digest.partition % USAGE_SHARDS)


def ref(name: Repository, child: Digest, parent: Digest) -> bytes:
    return f"ref/{name}//{child}//{parent}".encode()


def referrer(name: Repository, subject: Digest, digest: Digest) -> bytes:
    return f"referrer/{name}//{subject}//{digest}".encode()


def sweep(partition: int) -> bytes:
    """Raises ValueError: not a partition."""
    if not 0 <= partition < PARTITIONS:
        raise ValueError(f"a partition is 0 to {PARTITIONS - 1}, not {partition}")
    return f"sweep/{partition:03x}".encode()


def signing(number: int) -> bytes:
    return f"signing/{number:08x}".encode()


def signings() -> Range:
    return _range("signing/")


def signing_number(key: bytes) -> int:
    return int(key.removeprefix(b"signing/"), 16)


def api_key(key_id: str) -> bytes:
    return f"apikeys/{key_id}".encode()


def api_key_of(owner: str, key_id: str) -> bytes:
    return _owned(owner) + key_id.encode()


def api_keys_of(owner: str) -> Range:
    return _owned(owner), prefix_end(_owned(owner))


def _owned(owner: str) -> bytes:
    return f"apikeys-of/{hashlib.sha256(owner.encode(errors='surrogatepass')).hexdigest()}/".encode()


def api_key_in(key: bytes) -> str:
    """The id that ends ``apikeys/`` and ``apikeys-of/`` keys."""
    return key.rpartition(b"/")[2].decode()


def robot(namespace: str, name: str) -> bytes:
    return f"robots/{namespace}//{name}".encode()


def robot_in(key: bytes) -> tuple[str, str]:
    """Namespace and name in ``robots/<namespace>//<name>``."""
    namespace, _, name = key.decode().removeprefix("robots/").partition("//")
    return namespace, name


def used(key: bytes) -> bytes:
    return b"used/" + key


def session(hashed: str) -> bytes:
    return f"session/{hashed}".encode()


def fetch(digest: Digest) -> bytes:
    return f"fetch/{digest}".encode()


def mirror_run(entry: str) -> bytes:
    return f"mirror/run/{entry}".encode()


def mirror_part(entry: str, name: Repository) -> bytes:
    return f"mirror/part/{entry}/{name}".encode()


def mirror_parts(entry: str) -> Range:
    return _range(f"mirror/part/{entry}/")


def mirror_part_in(key: bytes) -> Repository:
    """The name in ``mirror/part/<entry>/<name>``."""
    return Repository(key.decode().split("/", 3)[3])


def mirror_wish(entry: str) -> bytes:
    return f"task/mirror/{entry}".encode()


def mirror_pause(entry: str) -> bytes:
    return f"task/pause/{entry}".encode()


def pulled(digest: Digest, name: Repository) -> bytes:
    return f"pulled/{digest.partition:03x}/{digest}//{name}".encode()


def loosened(digest: Digest) -> bytes:
    return f"loosened/{digest.partition:03x}/{digest}".encode()


def loosened_in(key: bytes) -> Digest:
    """The digest in ``loosened/<partition>/<digest>``. Raises CorruptError: it is none."""
    return _digest_in(key.rpartition(b"/")[2], key)


def pulls_since(name: Repository) -> bytes:
    return f"pulls-since/{name}".encode()


def pulls_since_in(key: bytes) -> Repository:
    """The name in ``pulls-since/<name>``."""
    return Repository(key.removeprefix(PULLS_SINCE[0]).decode())


def layout_version(number: int) -> bytes:
    return f"layout/version/{number:08x}".encode()


def layout_synced(number: int, node_id: str) -> bytes:
    return f"layout/synced/{number:08x}/{node_id}".encode()


def member(node_id: str) -> bytes:
    return f"member/{node_id}".encode()


def alive(node_id: str) -> bytes:
    return f"alive/{node_id}".encode()


def witness(node_id: str) -> bytes:
    return f"witness/{node_id}".encode()


def process(kind: str, process_id: str) -> bytes:
    return f"process/{kind}/{process_id}".encode()


def dirty(partition: int, version: int) -> bytes:
    return f"dirty/{partition:03x}/{version:08x}".encode()


def scrub(node_id: str) -> bytes:
    return f"scrub/{node_id}".encode()


def scrub_wish(node_id: str) -> bytes:
    return f"task/scrub/{node_id}".encode()


def lost(digest: Digest) -> bytes:
    return f"lost/{digest.partition:03x}/{digest}".encode()


LAYOUT_VERSIONS: Final = _range("layout/version/")
LAYOUT_KEYS: Final = _range("layout/")
MEMBERS: Final = _range("member/")
ALIVE: Final = _range("alive/")
DIRTY: Final = _range("dirty/")
MIRROR_RUNS: Final = _range("mirror/run/")
HOLDERS: Final = _range("holder/")
SCRUBS: Final = _range("scrub/")
LOST: Final = _range("lost/")
PULLS: Final = _range("pulled/")
PULLS_SINCE: Final = _range("pulls-since/")
LOOSENED: Final = _range("loosened/")
MIN_VERSION_ALONE: Final = (CLUSTER_MIN_VERSION, CLUSTER_MIN_VERSION + b"\0")
PROCESSES: Final = _range("process/")
ROBOTS: Final = _range("robots/")
WORKERS: Final = _range("process/worker/")
FETCHES: Final = _range("fetch/")
EVERYTHING: Final = (b"\0", b"\xff")


def synced_with(number: int) -> Range:
    """The nodes that have synced with a version."""
    return _range(f"layout/synced/{number:08x}/")


def node_in(key: bytes) -> str:
    """The node id that ends ``member/``, ``alive/``, ``scrub/`` and ``layout/synced/`` keys."""
    return key.rpartition(b"/")[2].decode()


def process_in(key: bytes) -> tuple[str, str]:
    """Kind and id in ``process/<kind>/<id>``."""
    _, kind, process_id = key.decode().split("/", 2)
    return kind, process_id


def version_in(key: bytes) -> int:
    """The number in ``layout/version/<number>``."""
    return int(key.rpartition(b"/")[2], 16)


def dirty_in(key: bytes) -> tuple[int, int]:
    """Partition and version in ``dirty/<partition>/<number>``."""
    _, partition, number = key.split(b"/")
    return int(partition, 16), int(number, 16)


def repositories_after(after: str) -> Range:
    """Repositories that sort after ``after``, which may be any text and name none."""
    return _after(_REPOSITORIES, after)


def tags_after(name: Repository, after: str) -> Range:
    """Tags of one repository that sort after ``after``, which may be any text and name none."""
    return _after(f"tag/{name}//".encode(), after)


def repositories_below(text: str) -> Range:
    """Every repository whose name begins so, and perhaps others."""
    return _range(f"repo/{text}")


def usage_below(path: str) -> Range:
    """The counts of the repository of this name and of all below it; of all repositories if it is empty."""
    return _range(f"usage/{path}/" if path else "usage/")


def holders_of(digest: Digest) -> Range:
    return _range(f"holder/{digest.partition:03x}/{digest}//")


def holders_in(partition: int) -> Range:
    return _range(f"holder/{partition:03x}/")


def manifests_of(name: Repository) -> Range:
    return _range(f"manifest/{name}//")


def links_of(name: Repository) -> Range:
    return _range(f"link/{name}//")


def refs_of(name: Repository) -> Range:
    return _range(f"ref/{name}//")


def after_name(key: bytes) -> bytes:
    """The digest as it is spelled in ``link/<name>//<digest>`` and ``manifest/<name>//<digest>``."""
    return key[key.index(b"//") + 2 :]


def child_named(key: bytes) -> bytes:
    """The child as it is spelled in ``ref/<name>//<child digest>//<parent digest>``."""
    return key.split(b"//")[1]


def child_in(key: bytes) -> Digest:
    """The child in ``ref/<name>//<child digest>//<parent digest>``. Raises CorruptError: it is none."""
    return _digest_in(child_named(key), key)


def parent_named(key: bytes) -> bytes:
    """The parent as it is spelled in ``ref/<name>//<child digest>//<parent digest>``."""
    return key.split(b"//")[2]


def manifest_named(name: Repository, digest: bytes) -> bytes:
    """As ``manifest``, for a digest that another key spells."""
    return f"manifest/{name}//".encode() + digest


def parents_of(name: Repository, child: Digest) -> Range:
    return _range(f"ref/{name}//{child}//")


def referrers_of(name: Repository, subject: Digest) -> Range:
    return _range(f"referrer/{name}//{subject}//")


def repository_in(key: bytes) -> Repository:
    """The name in ``repo/<name>``."""
    return Repository(key[len(_REPOSITORIES) :].decode())


# Tags and what refers to something: what a copy elsewhere has to follow. Other keys lie between them.
SHOWN: Final = (b"referrer/", prefix_end(b"tag/"))


def shown_in(key: bytes) -> tuple[Repository, Tag | Digest] | None:
    """The repository, and the tag of ``tag/`` or the subject of ``referrer/``; None for any other key.

    Raises:
        CorruptError: the key does not hold a digest where there must be one.
    """
    kind, _, rest = key.decode().partition("/")
    name, _, last = rest.partition("//")
    if kind == "tag":
        return Repository(name), Tag(last)
    if kind == "referrer":
        return Repository(name), last_digest_in(f"//{last.partition('//')[0]}".encode())
    return None


def tag_in(key: bytes) -> Tag:
    """The tag in ``tag/<name>//<tag>``."""
    return Tag(_last_part(key))


def usage_in(key: bytes) -> Repository:
    """The name in ``usage/<name>//<shard>``."""
    return Repository(key.removeprefix(b"usage/").decode().rpartition("//")[0])


def holder_in(key: bytes) -> Repository:
    """The name in ``holder/<partition>/<digest>//<name>``, and in ``pulled/``, whose keys are alike."""
    return Repository(_last_part(key))


def held_in(key: bytes) -> Digest:
    """The digest in ``holder/<partition>/<digest>//<name>``, and in ``pulled/``. Raises CorruptError."""
    return _digest_in(before_name(key).rpartition(b"/")[2], key)


def before_name(key: bytes) -> bytes:
    """What the ``holder/`` and ``pulled/`` keys of one digest begin with."""
    return key[: key.rindex(b"//")]


def place_in(key: bytes) -> bytes:
    """Everything behind the first word: the same for a ``holder/`` key and the ``pulled/`` key that goes with it."""
    return key[key.index(b"/") :]


def fetched_in(key: bytes) -> Digest:
    """The digest in ``fetch/<digest>``. Raises CorruptError: it is none."""
    return _digest_in(key.removeprefix(FETCHES[0]), key)


def lost_in(key: bytes) -> Digest:
    """The digest in ``lost/<partition>/<digest>``. Raises CorruptError: it is none."""
    return _digest_in(key.rpartition(b"/")[2], key)


def last_digest_in(key: bytes) -> Digest:
    """The digest that ends the key: the parent in ``ref/``, the manifest in ``referrer/``, the digest in ``link/``.

    Raises:
        CorruptError: the key does not end with a digest.
    """
    return _digest_in(key[key.rindex(b"//") + 2 :], key)


def _digest_in(text: bytes, key: bytes) -> Digest:
    try:
        return parse(text.decode())
    except DigestInvalidError as cause:
        raise CorruptError(f"metadata key {key[:300]!r} holds no digest") from cause


def _last_part(key: bytes) -> str:
    return key[key.rindex(b"//") + 2 :].decode()


def _after(prefix: bytes, after: str) -> Range:
    # Text from a query string may hold lone surrogates; they still sort somewhere, and must not raise.
    start = prefix + after.encode("utf-8", "surrogatepass") + b"\0" if after else prefix
    return start, prefix_end(prefix)
