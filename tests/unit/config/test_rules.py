"""Every documented check between settings, and every check of a single value: refused with the right path."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from holdfast.config.check import examine

S3 = {"name": "s3", "bucket": "b", "rootdirectory": "/r"}
S3_OTHER = {"name": "s3", "bucket": "other"}
DYNAMO = {"name": "dynamodb", "region": "x"}
REDIS = {"name": "redis", "url": "redis://h"}
HTPASSWD = {"htpasswd": {"path": "/etc/htpasswd"}}
POLICY = {"repositories": {"**": {"defaultPolicy": ["read"]}}}
TLS = {"cert": "c", "key": "k", "cacert": "a"}
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ETCD = {"endpoints": ["http://127.0.0.1:2379"]}
SCALE_OUT = {"members": ["a:1"], "hashKey": "k" * 16}
SECURE = {"endpoints": ["https://etcd.example:2379"]}
CERTIFICATES = {"caFile": "a", "certFile": "c", "keyFile": "k"}
OAUTH = {"tokenURL": "https://t", "assertionFile": "f"}


def merged(base: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(base)
    for key, value in extra.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def config(extra: dict[str, Any]) -> dict[str, Any]:
    return merged({"storage": {"rootDirectory": "/data"}, "http": {"port": "5000"}}, extra)


def storage(**keys: Any) -> dict[str, Any]:
    return {"storage": keys}


def sub(route: str = "/a", **keys: Any) -> dict[str, Any]:
    return {"storage": {"subPaths": {route: keys}}}


def http(**keys: Any) -> dict[str, Any]:
    return {"http": keys}


WORKLOADS = {"issuer": "https://i", "audiences": ["a"]}


def auth(**keys: Any) -> dict[str, Any]:
    return {"http": {"auth": keys}}


def extension(**keys: Any) -> dict[str, Any]:
    return {"extensions": keys}


def mirror(**keys: Any) -> dict[str, Any]:
    return extension(sync={"registries": [{"urls": ["https://up"], "onDemand": True, **keys}]})


def content(**keys: Any) -> dict[str, Any]:
    return mirror(content=[{"prefix": "**", **keys}])


def polled(**keys: Any) -> dict[str, Any]:
    return mirror(**{"onDemand": False, "pollInterval": "1h", "content": [{"prefix": "**"}], **keys})


def pushed(**keys: Any) -> dict[str, Any]:
    return mirror(**{"direction": "push", "onDemand": False, "content": [{"prefix": "**"}], **keys})


def local(glob: str, **keys: Any) -> dict[str, Any]:
    """A mirror beside repositories that no upstream is asked for."""
    entries = keys.get("content", [{"prefix": "**", **keys}])
    return merged(mirror(content=entries), extension(sync={"localRepositories": [glob]}))


def oauth(**keys: Any) -> dict[str, Any]:
    return mirror(credentialHelper="oauth2", oauth2CredentialHelper={**OAUTH, **keys})


def cluster(**keys: Any) -> dict[str, Any]:
    return {"cluster": {"etcd": ETCD, **keys}}


def etcd(**keys: Any) -> dict[str, Any]:
    return cluster(etcd={**ETCD, **keys})


def node(**keys: Any) -> dict[str, Any]:
    return cluster(node=keys)


def certified(**keys: Any) -> dict[str, Any]:
    return cluster(**CERTIFICATES, **keys)


CLIENT = {"type": "client_secret", "tenantid": "t", "clientid": "i"}


def in_objects(**driver: Any) -> dict[str, Any]:
    return storage(storageDriver=driver, dedupe=False)


IN_S3 = storage(storageDriver=S3, dedupe=False)
MIRROR = "extensions.sync.registries[0]"
CONTENT = f"{MIRROR}.content[0]"
HELPER = f"{MIRROR}.oauth2CredentialHelper"

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("local store without a directory", storage(rootDirectory=""), "storage.rootDirectory"),
    (
        "scale-out without a directory",
        merged({"cluster": SCALE_OUT}, storage(rootDirectory="")),
        "storage.rootDirectory",
    ),
    (
        "sub-store of a cluster without a directory",
        merged(cluster(), sub(gc=True)),
        "storage.subPaths./a.rootDirectory",
    ),
    ("sub-store of a cluster", merged(cluster(), sub(rootDirectory="/b")), "storage.subPaths./a"),
    ("sub-store without a directory", sub(gc=True), "storage.subPaths./a.rootDirectory"),
    ("equal roots", sub(rootDirectory="/data"), "storage.subPaths./a.rootDirectory"),
    ("equal roots spelled differently", sub(rootDirectory="/x/../data/"), "storage.subPaths./a.rootDirectory"),
    ("root inside another", sub(rootDirectory="/data/in"), "storage.subPaths./a.rootDirectory"),
    ("root around another", sub(rootDirectory="/"), "storage.subPaths./a.rootDirectory"),
    (
        "equal places in one bucket",
        merged(storage(storageDriver=S3, remoteCache=False), sub(storageDriver=S3)),
        "storage.subPaths./a.storageDriver.rootdirectory",
    ),
    ("route without a slash", sub("a", rootDirectory="/b"), "storage.subPaths.a"),
    ("route that climbs", sub("/a/..", rootDirectory="/b"), "storage.subPaths./a/.."),
    ("object store, dedupe, remote cache, no driver", storage(storageDriver=S3), "storage.cacheDriver"),
    (
        "the same in a sub-store",
        sub(rootDirectory="/b", storageDriver=S3, dedupe=True),
        "storage.subPaths./a.cacheDriver",
    ),
    ("local store with dynamodb", storage(cacheDriver=DYNAMO, remoteCache=True), "storage.cacheDriver"),
    ("local store with dynamodb, remoteCache not said", storage(cacheDriver=DYNAMO), "storage.cacheDriver"),
    (
        "redis for a sub-store",
        sub(rootDirectory="/b", storageDriver=S3, cacheDriver=REDIS, dedupe=True),
        "storage.subPaths./a.cacheDriver",
    ),
    ("redirect from a local store", storage(redirectBlobURL=True), "storage.redirectBlobURL"),
    (
        "redirect from a local sub-store",
        sub(rootDirectory="/b", redirectBlobURL=True),
        "storage.subPaths./a.redirectBlobURL",
    ),
    ("s3 without a bucket", in_objects(name="s3"), "storage.storageDriver.bucket"),
    ("s3 with half a key", in_objects(**S3, accesskey="a"), "storage.storageDriver.secretkey"),
    ("s3 with the other half", in_objects(**S3, secretkey="s"), "storage.storageDriver.accesskey"),
    ("s3 with old signatures", in_objects(**S3, v4auth=False), "storage.storageDriver.v4auth"),
    ("s3 with acceleration", in_objects(**S3, accelerate=True), "storage.storageDriver.accelerate"),
    ("s3 with an ACL", in_objects(**S3, objectacl="public-read"), "storage.storageDriver.objectacl"),
    ("s3 with tiny parts", in_objects(**S3, chunksize=1024), "storage.storageDriver.chunksize"),
    ("s3 of no region over IPv6", in_objects(**S3, usedualstack=True), "storage.storageDriver.usedualstack"),
    ("gcs without a bucket", in_objects(name="gcs"), "storage.storageDriver.bucket"),
    (
        "azure without a key",
        in_objects(name="azure", accountname="a", container="c"),
        "storage.storageDriver.accountkey",
    ),
    (
        "azure without a container",
        in_objects(name="azure", accountname="a", accountkey="aw=="),
        "storage.storageDriver.container",
    ),
    (
        "azure's client without its secret",
        in_objects(name="azure", accountname="a", container="c", credentials=CLIENT),
        "storage.storageDriver.credentials.secret",
    ),
    ("driver nobody knows", storage(storageDriver={"name": "ftp"}), "storage.storageDriver.name"),
    ("driver without a name", storage(storageDriver={"bucket": "b"}), "storage.storageDriver.name"),
    ("key of another driver", storage(storageDriver={"name": "gcs", "region": "x"}), "storage.storageDriver.region"),
    ("cache nobody knows", storage(cacheDriver={"name": "memcached"}), "storage.cacheDriver.name"),
    ("fastRestart in a sub-store", sub(rootDirectory="/b", fastRestart=True), "storage.subPaths./a.fastRestart"),
    ("negative gcDelay", storage(gcDelay="-1s"), "storage.gcDelay"),
    ("negative gcInterval", storage(gcInterval=-1), "storage.gcInterval"),
    ("sub-store gc with no delay", sub(rootDirectory="/b", gc=True, gcDelay=0), "storage.subPaths./a.gcDelay"),
    ("negative maxRepos", storage(maxRepos=-1), "storage.maxRepos"),
    ("window that is none", storage(gcTimeWindow="1-2"), "storage.gcTimeWindow"),
    ("window of no length", storage(gcTimeWindow="01:00-1:00"), "storage.gcTimeWindow"),
    ("window beyond the day", storage(gcTimeWindow="23:00-24:00"), "storage.gcTimeWindow"),
    (
        "retention glob",
        storage(retention={"policies": [{"repositories": ["ok", "a{b"]}]}),
        "storage.retention.policies[0].repositories[1]",
    ),
    (
        "retention regex",
        storage(retention={"policies": [{"keepTags": [{"patterns": ["("]}]}]}),
        "storage.retention.policies[0].keepTags[0].patterns[0]",
    ),
    ("reserve above all", storage(freeSpaceReserve="101%"), "storage.freeSpaceReserve"),
    ("reserve of nothing known", storage(freeSpaceReserve="lots"), "storage.freeSpaceReserve"),
    ("negative upload expiry", storage(uploadExpiry="-1h"), "storage.uploadExpiry"),
    ("uploads that expire at once", storage(uploadExpiry="0s"), "storage.uploadExpiry"),
    ("address with a scheme", http(address="http://x"), "http.address"),
    ("address with a port", http(address="0.0.0.0:80"), "http.address"),
    ("address beyond IPv4", http(address="300.1.1.1"), "http.address"),
    ("port too high", http(port="65536"), "http.port"),
    ("port no number", http(port="http"), "http.port"),
    ("external URL without a host", http(externalUrl="registry"), "http.externalUrl"),
    ("compat nobody knows", http(compat=["docker1"]), "http.compat[0]"),
    ("certificate without key", http(tls={"cert": "c"}), "http.tls.key"),
    ("key without certificate", http(tls={"key": "k"}), "http.tls.cert"),
    ("empty tls", http(tls={}), "http.tls.cert"),
    ("limit of nothing", http(ratelimit={}), "http.ratelimit.rate"),
    ("limit of zero", http(ratelimit={"rate": 0}), "http.ratelimit.rate"),
    (
        "method limit of less",
        http(ratelimit={"methods": [{"method": "GET", "rate": -1}]}),
        "http.ratelimit.methods[0].rate",
    ),
    (
        "method nobody knows",
        http(ratelimit={"methods": [{"method": "GRAB", "rate": 1}]}),
        "http.ratelimit.methods[0].method",
    ),
    ("method limit without rate", http(ratelimit={"methods": [{"method": "GET"}]}), "http.ratelimit.methods[0].rate"),
    ("user limit without rate", http(ratelimit={"perUser": {}}), "http.ratelimit.perUser.rate"),
    ("address limit without rate", http(ratelimit={"perAddress": {"burst": 5}}), "http.ratelimit.perAddress.rate"),
    ("burst of nothing", http(ratelimit={"rate": 5, "burst": 0}), "http.ratelimit.burst"),
    ("range with bits behind it", http(allow={"create": ["10.0.0.0/8", "10.0.0.1/8"]}), "http.allow.create[1]"),
    ("range that is a name", http(allow={"read": ["localhost"]}), "http.allow.read[0]"),
    ("one range that is none", http(allow={"delete": "10.0.0.0/33"}), "http.allow.delete"),
    ("ranges of an action nobody knows", http(allow={"push": ["10.0.0.0/8"]}), "http.allow.push"),
    ("ranges without an action", http(allow=["10.0.0.0/8"]), "http.allow"),
    ("proxy that is a name", http(trustedProxies=["proxy.example"]), "http.trustedProxies[0]"),
    ("no connections", http(maxConnections=0), "http.maxConnections"),
    ("no connections of one", http(maxConnectionsPerAddress=0), "http.maxConnectionsPerAddress"),
    ("too few threads", http(threads=9), "http.threads"),
    ("transfers take all threads", http(threads=20, maxTransfers=12), "http.maxTransfers"),
    ("no workers", http(workers=0), "http.workers"),
    ("ldap without address", auth(ldap={"baseDN": "x", "userAttribute": "uid"}), "http.auth.ldap.address"),
    ("ldap without base", auth(ldap={"address": "x", "userAttribute": "uid"}), "http.auth.ldap.baseDN"),
    ("ldap without attribute", auth(ldap={"address": "x", "baseDN": "x"}), "http.auth.ldap.userAttribute"),
    (
        "ldap filter",
        auth(ldap={"address": "x", "baseDN": "x", "userAttribute": "uid", "userFilter": "((a=b)"}),
        "http.auth.ldap.userFilter",
    ),
    ("bearer that checks nothing", auth(bearer={"realm": "r", "service": "s"}), "http.auth.bearer.cert"),
    ("bearer without service", auth(bearer={"realm": "r", "cert": "c"}), "http.auth.bearer.service"),
    (
        "bearer with two sources",
        auth(
            bearer={"realm": "r", "service": "s", "cert": "c", "awsSecretsManager": {"region": "x", "secretName": "y"}}
        ),
        "http.auth.bearer.awsSecretsManager",
    ),
    (
        "aws without a region",
        auth(bearer={"realm": "r", "service": "s", "awsSecretsManager": {"secretName": "y"}}),
        "http.auth.bearer.awsSecretsManager.region",
    ),
    (
        "negative refresh",
        auth(bearer={"awsSecretsManager": {"refreshInterval": "-1s"}}),
        "http.auth.bearer.awsSecretsManager.refreshInterval",
    ),
    (
        "workload issuer without audience",
        auth(bearer={"oidc": [{"issuer": "https://i"}]}),
        "http.auth.bearer.oidc[0].audiences",
    ),
    (
        "workload issuer with an empty audience",
        auth(bearer={"oidc": [{"issuer": "https://i", "audiences": ["a", " "]}]}),
        "http.auth.bearer.oidc[0].audiences[1]",
    ),
    (
        "workload issuer with two authorities",
        auth(bearer={"oidc": [{**WORKLOADS, "certificateAuthority": "x", "certificateAuthorityFile": "y"}]}),
        "http.auth.bearer.oidc[0].certificateAuthorityFile",
    ),
    (
        "variable without a name",
        auth(bearer={"oidc": [{**WORKLOADS, "claimMapping": {"variables": [{"expression": "1"}]}}]}),
        "http.auth.bearer.oidc[0].claimMapping.variables[0].name",
    ),
    (
        "validation without a message",
        auth(bearer={"oidc": [{**WORKLOADS, "claimMapping": {"validations": [{"expression": "true"}]}}]}),
        "http.auth.bearer.oidc[0].claimMapping.validations[0].message",
    ),
    (
        "token requests passed on to nowhere",
        auth(bearer={"oidc": [WORKLOADS], "upstreamTokenEndpoint": {"service": "s"}}),
        "http.auth.bearer.upstreamTokenEndpoint.realm",
    ),
    ("openid provider nobody knows", auth(openid={"providers": {"gogle": {}}}), "http.auth.openid.providers.gogle"),
    (
        "openid without issuer",
        auth(openid={"providers": {"oidc": {"clientid": "c", "scopes": ["s"]}}}),
        "http.auth.openid.providers.oidc.issuer",
    ),
    (
        "openid without scopes",
        auth(openid={"providers": {"github": {"credentialsFile": "c"}}}),
        "http.auth.openid.providers.github.scopes",
    ),
    (
        "openid without a client",
        auth(openid={"providers": {"github": {"scopes": "user"}}}),
        "http.auth.openid.providers.github.credentialsFile",
    ),
    ("mtls without an authority", auth(mtls={}), "http.auth.mtls"),
    (
        "mtls attribute nobody knows",
        merged(http(tls=TLS), auth(mtls={"identityAttributes": ["Shoe"]})),
        "http.auth.mtls.identityAttributes[0]",
    ),
    (
        "mtls pattern without URI",
        merged(http(tls=TLS), auth(mtls={"identityAttributes": ["CN"], "uriSanPattern": "x"})),
        "http.auth.mtls.uriSanPattern",
    ),
    (
        "mtls pattern",
        merged(http(tls=TLS), auth(mtls={"identityAttributes": ["URI"], "uriSanPattern": "("})),
        "http.auth.mtls.uriSanPattern",
    ),
    ("negative fail delay", auth(failDelay=-1), "http.auth.failDelay"),
    ("session store nobody knows", auth(sessionDriver={"name": "x"}), "http.auth.sessionDriver.name"),
    ("session keys with redis", auth(sessionDriver=REDIS, sessionKeysFile="f"), "http.auth.sessionKeysFile"),
    ("rules for nobody", http(accessControl=POLICY), "http.accessControl"),
    (
        "rules for nobody, auth without a way in",
        http(accessControl=POLICY, auth={"failDelay": 1}),
        "http.accessControl",
    ),
    ("administrators nobody can be", http(accessControl={"adminPolicy": {"users": ["a"]}}), "http.accessControl"),
    (
        "authorization glob",
        http(accessControl={"repositories": {"[": {}}}, auth=HTPASSWD),
        "http.accessControl.repositories.[",
    ),
    (
        "action nobody knows",
        http(accessControl={"repositories": {"**": {"anonymousPolicy": ["raed"]}}}),
        "http.accessControl.repositories.**.anonymousPolicy[0]",
    ),
    ("log level", {"log": {"level": "loud"}}, "log.level"),
    ("log format", {"log": {"format": "xml"}}, "log.format"),
    ("workers of the scheduler", {"scheduler": {"numWorkers": 0}}, "scheduler.numWorkers"),
    ("cluster of nobody", {"cluster": {}}, "cluster.etcd"),
    ("cluster without names", {"cluster": {"name": "west"}}, "cluster.etcd"),
    ("both kinds of cluster", cluster(members=["a:1"], hashKey="k" * 16), "cluster.etcd"),
    ("name of a cluster", cluster(name="the west"), "cluster.name"),
    ("empty name of a cluster", cluster(name=""), "cluster.name"),
    ("former keys of a cluster", cluster(id="c"), "cluster.id"),
    ("scale-out certificate alone", {"cluster": {"tls": {"cert": "c"}}}, "cluster.tls.key"),
    ("etcd without members", cluster(etcd={}), "cluster.etcd.endpoints"),
    ("etcd by no URL", etcd(endpoints="127.0.0.1:2379"), "cluster.etcd.endpoints[0]"),
    ("etcd without a port", etcd(endpoints=["http://127.0.0.1:1", "http://127.0.0.1"]), "cluster.etcd.endpoints[1]"),
    ("etcd on port 0", etcd(endpoints="http://127.0.0.1:0"), "cluster.etcd.endpoints[0]"),
    ("etcd with a path", etcd(endpoints="http://127.0.0.1:2379/v3"), "cluster.etcd.endpoints[0]"),
    ("etcd with a login in its URL", etcd(endpoints="http://u:p@127.0.0.1:2379"), "cluster.etcd.endpoints[0]"),
    ("etcd by another protocol", etcd(endpoints="grpc://127.0.0.1:2379"), "cluster.etcd.endpoints[0]"),
    ("etcd twice", etcd(endpoints=["http://127.0.0.1:1", "http://127.0.0.1:1/"]), "cluster.etcd.endpoints[1]"),
    (
        "etcd in both ways",
        etcd(endpoints=["http://127.0.0.1:1", "https://127.0.0.1:2"]),
        "cluster.etcd.endpoints",
    ),
    ("etcd user without a password", etcd(username="u"), "cluster.etcd.passwordFile"),
    ("etcd password without a user", etcd(passwordFile="f"), "cluster.etcd.username"),
    ("etcd certificate without key", etcd(**SECURE, certFile="c"), "cluster.etcd.keyFile"),
    ("etcd key without certificate", etcd(**SECURE, keyFile="k"), "cluster.etcd.certFile"),
    ("etcd authority without TLS", etcd(caFile="a"), "cluster.etcd.caFile"),
    ("etcd prefix without a slash", etcd(prefix="holdfast"), "cluster.etcd.prefix"),
    ("etcd prefix of nothing", etcd(prefix="/"), "cluster.etcd.prefix"),
    ("etcd quota of little", etcd(quota="1MiB"), "cluster.etcd.quota"),
    ("etcd quota of nothing known", etcd(quota="lots"), "cluster.etcd.quota"),
    ("etcd without patience", etcd(requestTimeout="0s"), "cluster.etcd.requestTimeout"),
    ("authority alone", cluster(caFile="a"), "cluster.certFile"),
    ("certificate without key", cluster(caFile="a", certFile="c"), "cluster.keyFile"),
    ("certificate without authority", cluster(certFile="c", keyFile="k"), "cluster.caFile"),
    ("stale reads before they began", cluster(staleReadSeconds="-1s"), "cluster.staleReadSeconds"),
    ("stale reads for less than no seconds", cluster(staleReadSeconds=-1), "cluster.staleReadSeconds"),
    ("stale reads for a word", cluster(staleReadSeconds="long"), "cluster.staleReadSeconds"),
    ("node beyond loopback in plaintext", node(listen="10.0.0.5:5100"), "cluster.node.listen"),
    ("node on every address in plaintext", node(listen="0.0.0.0:1", advertise="10.0.0.5:1"), "cluster.node.listen"),
    ("node reached by a name in plaintext", node(advertise="store.example:5100"), "cluster.node.advertise"),
    ("node that nobody can connect to", certified(node={"listen": "0.0.0.0:5100"}), "cluster.node.advertise"),
    ("node advertised to nobody", certified(node={"advertise": "[::]:5100"}), "cluster.node.advertise"),
    ("node advertised without a port", certified(node={"advertise": "10.0.0.5:0"}), "cluster.node.advertise"),
    ("node listening without a port", node(listen="127.0.0.1"), "cluster.node.listen"),
    ("node listening on IPv6 without brackets", node(listen="::1:5100"), "cluster.node.listen"),
    ("node listening on a relative socket", node(listen="unix:s"), "cluster.node.listen"),
    ("node advertised as a socket", node(advertise="unix:/s"), "cluster.node.advertise"),
    ("node of no weight", node(weight=0), "cluster.node.weight"),
    ("node in no zone", node(zone="rack 1"), "cluster.node.zone"),
    ("repair without bandwidth", node(repairBandwidth=0), "cluster.node.repairBandwidth"),
    ("scrub without bandwidth", extension(scrub={"bandwidth": 0}), "extensions.scrub.bandwidth"),
    ("cluster without members", {"cluster": {"hashKey": "k" * 16}}, "cluster.members"),
    ("short hash key", {"cluster": {"members": ["a:1"], "hashKey": "k" * 15}}, "cluster.hashKey"),
    ("member without port", {"cluster": {"members": ["a"], "hashKey": "k" * 16}}, "cluster.members[0]"),
    ("ui without search", extension(ui={}), "extensions.ui"),
    ("ui with search off", extension(ui={"enable": True}, search={"enable": False}), "extensions.ui"),
    (
        "scanning in an object store",
        merged(IN_S3, extension(search={"cve": {}})),
        "extensions.search.cve",
    ),
    (
        "scanning with a sub-store in an object store",
        merged(sub(rootDirectory="/b", storageDriver=S3), extension(search={"cve": {}})),
        "extensions.search.cve",
    ),
    ("metrics at the root", extension(metrics={"prometheus": {"path": "/"}}), "extensions.metrics.prometheus.path"),
    (
        "metrics at the registry",
        extension(metrics={"prometheus": {"path": "/v2"}}),
        "extensions.metrics.prometheus.path",
    ),
    (
        "metrics in the registry",
        extension(metrics={"prometheus": {"path": "/v2/x"}}),
        "extensions.metrics.prometheus.path",
    ),
    ("metrics nowhere", extension(metrics={"prometheus": {"path": "metrics"}}), "extensions.metrics.prometheus.path"),
    (
        "mirror into an object store",
        merged(IN_S3, mirror()),
        "extensions.sync.downloadDir",
    ),
    ("mirror of nothing", mirror(urls=[]), f"{MIRROR}.urls"),
    ("retries without a pause", mirror(maxRetries=3), f"{MIRROR}.retryDelay"),
    ("digests kept without compat", mirror(preserveDigest=True), f"{MIRROR}.preserveDigest"),
    (
        "check interval without onDemand",
        mirror(onDemand=False, pollInterval="1h", manifestCheckInterval="1m"),
        f"{MIRROR}.manifestCheckInterval",
    ),
    ("sync glob", mirror(content=[{"prefix": "[a"}]), f"{MIRROR}.content[0].prefix"),
    ("sync regex", mirror(content=[{"prefix": "a", "tags": {"regex": "*"}}]), f"{MIRROR}.content[0].tags.regex"),
    ("sync exclude regex", mirror(content=[{"tags": {"excludeRegex": "["}}]), f"{MIRROR}.content[0].tags.excludeRegex"),
    (
        "nothing left of the name",
        mirror(content=[{"prefix": "a/b", "stripPrefix": True, "destination": "/"}]),
        f"{MIRROR}.content[0].stripPrefix",
    ),
    ("destination that climbs", content(destination="/a/../b"), f"{CONTENT}.destination"),
    ("destination that is no name", content(destination="/Docker Hub"), f"{CONTENT}.destination"),
    ("nothing left of the name at no destination", content(prefix="a", stripPrefix=True), f"{CONTENT}.stripPrefix"),
    ("platform without an architecture", mirror(platforms=["linux"]), f"{MIRROR}.platforms[0]"),
    ("platform of content without a system", content(platforms=["/amd64"]), f"{CONTENT}.platforms[0]"),
    ("namespace that is a URL", mirror(namespaces=["https://docker.io"]), f"{MIRROR}.namespaces[0]"),
    ("namespace with a path", mirror(namespaces=["docker.io/library"]), f"{MIRROR}.namespaces[0]"),
    ("direction nobody knows", mirror(direction="both"), f"{MIRROR}.direction"),
    ("prefetch of something else", mirror(prefetch="some"), f"{MIRROR}.prefetch"),
    ("prefetch without onDemand", polled(prefetch="all"), f"{MIRROR}.prefetch"),
    (
        "prefetch of content without onDemand",
        polled(content=[{"prefix": "**", "prefetch": "image"}]),
        f"{CONTENT}.prefetch",
    ),
    (
        "prefetch of what is pushed elsewhere",
        pushed(content=[{"prefix": "**", "prefetch": "all"}]),
        f"{MIRROR}.prefetch",
    ),
    ("docker's mirror without onDemand", polled(dockerMirror=True), f"{MIRROR}.dockerMirror"),
    ("budget without onDemand", polled(cacheSize="1GiB"), f"{MIRROR}.cacheSize"),
    ("age without onDemand", polled(cacheMaxAge="24h"), f"{MIRROR}.cacheMaxAge"),
    ("age of nothing", mirror(cacheMaxAge=0), f"{MIRROR}.cacheMaxAge"),
    ("budget of content without onDemand", polled(content=[{"prefix": "**", "cacheSize": 1}]), f"{CONTENT}.cacheSize"),
    ("mirror into a local prefix", local("private/**", destination="/private"), CONTENT),
    ("mirror below a local prefix", local("/private/**", destination="/private/hub"), CONTENT),
    ("mirror when everything is local", local("**"), CONTENT),
    ("registry without content when everything is local", local("**", content=()), MIRROR),
    ("local glob", extension(sync={"localRepositories": ["[a"]}), "extensions.sync.localRepositories[0]"),
    ("push of nothing in particular", pushed(content=[]), f"{MIRROR}.content"),
    ("push on demand", pushed(onDemand=True), f"{MIRROR}.onDemand"),
    ("push with a budget", pushed(cacheSize=1), f"{MIRROR}.cacheSize"),
    ("push to two registries", pushed(urls=["https://one", "https://two"]), f"{MIRROR}.urls"),
    ("push with a namespace", pushed(namespaces="docker.io"), f"{MIRROR}.namespaces"),
    ("helper nobody knows", mirror(credentialHelper="azure"), f"{MIRROR}.credentialHelper"),
    ("oauth2 without settings", mirror(credentialHelper="oauth2"), HELPER),
    ("oauth2 without an endpoint", oauth(tokenURL=" "), f"{HELPER}.tokenURL"),
    ("oauth2 with an endpoint that is none", oauth(tokenURL="idp.example/token"), f"{HELPER}.tokenURL"),
    ("token host with a scheme", mirror(tokenHosts=["https://auth.example"]), f"{MIRROR}.tokenHosts[0]"),
    ("token host with a wildcard", mirror(tokenHosts=["*.example"]), f"{MIRROR}.tokenHosts[0]"),
    ("token host with a port", mirror(tokenHosts=["auth.example:443"]), f"{MIRROR}.tokenHosts[0]"),
    ("oauth2 with two sources", oauth(signingFile="s"), f"{HELPER}.assertionFile"),
    ("oauth2 without a source", oauth(assertionFile=""), f"{HELPER}.assertionFile"),
    ("exchange without an audience", oauth(grantType=EXCHANGE), f"{HELPER}.audience"),
    ("audience without an exchange", oauth(audience="a"), f"{HELPER}.audience"),
    (
        "token type that is no URI",
        oauth(grantType=EXCHANGE, audience="a", subjectTokenType="jwt"),
        f"{HELPER}.subjectTokenType",
    ),
    ("sink of no kind", extension(events={"sinks": [{"address": "a"}]}), "extensions.events.sinks[0].type"),
    ("sink of an unknown kind", extension(events={"sinks": [{"type": "kafka"}]}), "extensions.events.sinks[0].type"),
    ("sink without address", extension(events={"sinks": [{"type": "http"}]}), "extensions.events.sinks[0].address"),
    (
        "nats without a channel",
        extension(events={"sinks": [{"type": "nats", "address": "a"}]}),
        "extensions.events.sinks[0].channel",
    ),
    (
        "sbom format",
        extension(search={"cve": {"trivy": {"sbom": {"format": "doc"}}}}),
        "extensions.search.cve.trivy.sbom.format",
    ),
]

WARNED: list[tuple[str, dict[str, Any], str]] = [
    ("a node's metrics beyond the machine", node(metrics="0.0.0.0:5101"), "cluster.node.metrics"),
    ("a worker's metrics beyond the machine", cluster(worker={"metrics": "sync:5201"}), "cluster.worker.metrics"),
    (
        "passwords in plaintext",
        auth(ldap={"address": "x", "baseDN": "x", "userAttribute": "uid", "insecure": True}),
        "http.auth.ldap.insecure",
    ),
    ("another version of the protocol", {"distSpecVersion": "1.0.1"}, "distSpecVersion"),
    ("delay without gc", storage(gc=False, gcDelay="2h"), "storage.gcDelay"),
    ("retention without gc", storage(gc=False, retention={"delay": "2h"}), "storage.retention"),
    ("cache driver without remote cache", storage(cacheDriver=DYNAMO, remoteCache=False), "storage.cacheDriver"),
    (
        "database updated too often",
        extension(search={"cve": {"updateInterval": "1h"}}),
        "extensions.search.cve.updateInterval",
    ),
    ("scrub too often", extension(scrub={"interval": "1s"}), "extensions.scrub.interval"),
    ("etcd in plaintext beyond this machine", etcd(endpoints="http://10.0.0.2:2379"), "cluster.etcd.endpoints"),
    ("etcd by a name in plaintext", etcd(endpoints="http://etcd:2379"), "cluster.etcd.endpoints"),
    (
        "a cluster's file that only gateways can use",
        merged(cluster(), storage(rootDirectory="")),
        "storage.rootDirectory",
    ),
    ("etcd larger than it is made for", etcd(quota="9GiB"), "cluster.etcd.quota"),
    ("insecure beside certificates", certified(insecure=True), "cluster.insecure"),
    ("mgmt", extension(mgmt={}), "extensions.mgmt"),
    ("apikey", extension(apikey={}), "extensions.apikey"),
    ("content that means nothing", mirror(content=[{"tags": {"semver": True}}]), f"{CONTENT}.prefix"),
    (
        "content behind one that takes all",
        mirror(content=[{"prefix": "**"}, {"prefix": "a/*"}]),
        f"{MIRROR}.content[1].prefix",
    ),
    ("content given twice", mirror(content=[{"prefix": "a/*"}, {"prefix": "/a/*"}]), f"{MIRROR}.content[1].prefix"),
    (
        "two repositories polled into one",
        polled(
            content=[
                {"prefix": "a/**", "destination": "/x", "stripPrefix": True},
                {"prefix": "b/**", "destination": "/x", "stripPrefix": True},
            ]
        ),
        f"{MIRROR}.content[1]",
    ),
    ("budget of what is polled", polled(onDemand=True, cacheSize=1), f"{MIRROR}.cacheSize"),
    ("longest pause below the first", mirror(retryDelay="1m", maxRetryDelay="1s"), f"{MIRROR}.maxRetryDelay"),
    ("mirror that never runs", mirror(onDemand=False), MIRROR),
    ("platforms of which none comes ahead", mirror(platforms=["linux/amd64"]), f"{MIRROR}.platforms"),
    (
        "platforms of content of which none comes ahead",
        mirror(prefetch="all", content=[{"prefix": "**", "platforms": ["linux/amd64"], "prefetch": "image"}]),
        f"{CONTENT}.platforms",
    ),
    ("secrets in plaintext", oauth(tokenURL="http://idp.example/token"), f"{HELPER}.tokenURL"),
    ("settings of an unused helper", mirror(oauth2CredentialHelper=OAUTH), HELPER),
]

ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("roots side by side", sub(rootDirectory="/data1")),
    ("local and object store with one name", sub(rootDirectory="/data", storageDriver=S3_OTHER)),
    ("redis with a local store", storage(cacheDriver=REDIS, remoteCache=True)),
    ("dedupe off in an object store", storage(storageDriver=S3, dedupe=False)),
    ("empty driver", storage(storageDriver={})),
    ("mirror at the root beside a local prefix", local("private/**")),
    ("one name at a time kept local", local("private/*", destination="/private")),
    (
        "two ways into one name on demand",
        mirror(content=[{"prefix": "a/*", "stripPrefix": True}, {"prefix": "b/*", "stripPrefix": True}]),
    ),
    ("push of everything", pushed()),
    ("push from time to time", pushed(pollInterval="1h", platforms=["linux/amd64"], onlySigned=True)),
    (
        "everything fetched ahead",
        mirror(prefetch="ALL", platforms="linux/arm/v7", cacheSize="10GiB", cacheMaxAge="720h"),
    ),
    (
        "some content fetched ahead",
        mirror(platforms=["linux/amd64"], content=[{"prefix": "a/*"}, {"prefix": "b/*", "prefetch": "all"}]),
    ),
    ("platforms of what is polled", polled(onDemand=True, platforms=["linux/amd64"])),
    (
        "a mirror by another name",
        mirror(namespaces=["docker.io", "localhost:5000"], dockerMirror=True, allowPush=False),
    ),
    ("window across midnight", storage(gcTimeWindow="22:00-06:00")),
    ("share of the disk", storage(freeSpaceReserve="1.5%")),
    ("no delay at the top", storage(gcDelay="0")),
    ("one collection after the start", storage(gcInterval="0s")),
    ("all addresses", http(address="")),
    ("IPv6", http(address="::")),
    ("IPv6 in brackets", http(address="[::1]")),
    ("a host name", http(address="registry.example.com")),
    ("the kernel's choice of port", http(port="0")),
    ("rules for everybody only", http(accessControl={"repositories": {"**": {"anonymousPolicy": ["read"]}}})),
    ("metrics for everybody only", http(accessControl={"metrics": {"anonymousPolicy": ["read"]}})),
    ("rules with API keys", http(accessControl=POLICY, auth={"apikey": True})),
    ("rules with certificates", http(accessControl=POLICY, tls=TLS, auth={"mtls": {}})),
    ("github without an issuer", auth(openid={"providers": {"github": {"clientid": "c", "scopes": ["user"]}}})),
    ("digests kept with compat", merged(http(compat="docker2s2"), mirror(preserveDigest=True))),
    ("ui with an empty search", extension(ui={}, search={})),
    ("ui off without search", extension(ui={"enable": False})),
    ("search off with scanning in an object store", merged(IN_S3, extension(search={"enable": False, "cve": {}}))),
    ("mirror into an object store by a directory", merged(IN_S3, extension(sync={"downloadDir": "/t"}))),
    ("the smallest cluster", cluster()),
    ("a cluster with certificates", certified(node={"listen": "0.0.0.0:5100", "advertise": "[fd00::5]:5100"})),
    ("a cluster on a trusted network", cluster(insecure=True, node={"listen": "10.0.0.5:5100"})),
    ("a node whose directory is its own", merged(node(dataDir="/disk1"), storage(rootDirectory=""))),
    ("a node anywhere on loopback", node(listen="127.0.0.9:0")),
    ("a node on IPv6 loopback", node(listen="[::1]:5100")),
    ("a node on a socket", node(listen="unix:/run/node.sock")),
    ("etcd by TLS of a public authority", cluster(etcd=SECURE)),
    ("etcd by TLS and password", etcd(**SECURE, **CERTIFICATES, username="u", passwordFile="f")),
    ("no stale reads", cluster(staleReadSeconds=0)),
    ("scale-out that trusts an authority", {"cluster": {**SCALE_OUT, "tls": {"cacert": "a"}}}),
    ("a token exchange", oauth(grantType=EXCHANGE, audience="//a/b", subjectTokenType="urn:x:jwt")),
]


@pytest.mark.parametrize(("extra", "path"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_it_is_refused_there(extra: dict[str, Any], path: str) -> None:
    report = examine(config(extra))
    assert report.settings is None
    assert path in {fault.path for fault in report.faults}
    assert all(fault.message and fault.remedy for fault in report.faults)


@pytest.mark.parametrize(("extra", "path"), [row[1:] for row in WARNED], ids=[row[0] for row in WARNED])
def test_it_is_warned_of_there(extra: dict[str, Any], path: str) -> None:
    report = examine(config(extra))
    assert report.faults == ()
    assert [warning.path for warning in report.warnings] == [path]


@pytest.mark.parametrize("extra", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_it_is_accepted(extra: dict[str, Any]) -> None:
    assert examine(config(extra)).faults == ()


def test_a_node_that_has_a_directory_is_not_taken_for_a_gateway() -> None:
    for own in (node(dataDir="/disk1"), storage(rootDirectory="/data")):
        assert examine(merged(config(merged(cluster(), storage(rootDirectory=""))), own)).warnings == ()


def test_plaintext_beyond_this_machine_is_refused_with_the_way_out() -> None:
    (fault,) = examine(config(node(listen="10.0.0.5:5100"))).faults
    assert "holdfast certs init" in fault.remedy
    assert '"insecure": true' in fault.remedy


def test_a_refused_value_draws_no_second_fault_from_the_rules() -> None:
    broken = {
        "storage": {"rootDirectory": {}},
        "http": {"auth": {"htpasswd": {"path": []}}, "accessControl": POLICY, "tls": {"cert": {}, "key": "k"}},
        "extensions": {"ui": {}, "search": {"enable": "perhaps"}},
    }
    assert {fault.path for fault in examine(broken).faults} == {
        "storage.rootDirectory",
        "http.auth.htpasswd.path",
        "http.tls.cert",
        "extensions.search.enable",
    }


def test_faults_of_values_and_of_rules_are_reported_together() -> None:
    broken = config(
        {
            "storge": {},
            "storage": {"gcDelay": "soon", "subPaths": {"/a": {"rootDirectory": "/data/a"}}},
            "http": {"port": 70000, "tls": {"cert": "c"}},
            "extensions": {"ui": {}, "lint": {"mandatoryAnotations": ["a"]}},
        }
    )
    assert {fault.path for fault in examine(broken).faults} == {
        "storge",
        "storage.gcDelay",
        "storage.subPaths./a.rootDirectory",
        "http.port",
        "http.tls.key",
        "extensions.ui",
        "extensions.lint.mandatoryAnotations",
    }


def test_a_misspelled_key_is_not_reported_as_missing_too() -> None:
    assert [fault.path for fault in examine({"storage": {"rootDirectorry": "/data"}}).faults] == [
        "storage.rootDirectorry"
    ]
