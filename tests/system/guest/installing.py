"""What an installation brings, and how tightly the service is locked up."""

import pathlib

import machine
from harness import check, prop, require, require_equal, require_in, run, show
from machine import PACKAGES, SERVICE, UNITS

# The exposure that systemd-analyze may find, in tenths, by the version of systemd.
EXPOSURE = {252: 4, 257: 2}

before = {}


@check("the package installs, its units are enabled and run")
def installs():
    before.update(files=machine.files(), accounts=machine.accounts())
    machine.apt("install", f"{PACKAGES}/first.deb")
    for unit in UNITS:
        states = [prop("UnitFileState", unit), prop("ActiveState", unit)]
        show(f"{unit}: {' '.join(states)}")
        require_equal(states, ["enabled", "active"], unit)


@check("lintian finds no error and no warning")
def lintian():
    found = run("lintian", "--allow-root", f"{PACKAGES}/first.deb", status=None)
    require_equal(found.stdout + found.stderr, "", "what lintian says")


@check("every file is where it belongs")
def contents():
    listed = run("dpkg", "-L", "chatd").stdout.splitlines()
    found = [path for path in listed if not pathlib.Path(path).is_dir()]
    show("\n".join(found), limit=40)
    for path in (
        "/usr/sbin/chatd /usr/bin/chatctl /etc/chatd/chatd.toml /usr/lib/sysusers.d/chatd.conf "
        "/usr/lib/systemd/catalog/chatd.catalog /usr/share/chatd/renewal-hook /usr/share/man/man8/chatd.8.gz "
        "/usr/share/man/man8/chatctl.8.gz /usr/share/man/man5/chatd.toml.5.gz "
        "/usr/share/bash-completion/completions/chatctl /usr/share/zsh/vendor-completions/_chatctl "
        "/usr/share/fish/vendor_completions.d/chatctl.fish"
    ).split():
        require(path in found, f"{path} is missing")
    for unit in UNITS:
        require(f"/usr/lib/systemd/system/{unit}" in found, f"{unit} is missing")
    require_equal(run("dpkg-query", "-W", "-f", "${Conffiles}", "chatd").stdout.split()[::2], ["/etc/chatd/chatd.toml"],
                  "the list of conffiles")
    require_equal(run("dpkg", "--verify", "chatd").stdout, "", "what dpkg --verify says")
    run("bash", "-c", "source /usr/share/bash-completion/completions/chatctl && complete -p chatctl")


@check("user, groups and who owns what")
def owners():
    show(run("getent", "passwd", "chatd").stdout + run("getent", "group", "chatd", "chatd-admin").stdout)
    wanted = {
        "/run/chatd": "root root 755",
        "/run/chatd/admin.sock": "root chatd-admin 660",
        "/etc/chatd": "root root 755",
        "/etc/chatd/chatd.toml": "root root 644",
        "/var/lib/chatd": "chatd chatd 700",
        "/var/lib/chatd/tls": "chatd chatd 700",
    }
    for path, owner in wanted.items():
        found = run("stat", "-c", "%U %G %a", path).stdout.strip()
        show(f"{path}: {found}")
        require_equal(found, owner, path)


@check("every shared library is there")
def libraries():
    for program in ("/usr/sbin/chatd", "/usr/bin/chatctl"):
        needed = run("ldd", program).stdout
        require("not found" not in needed, needed)
    show(run("dpkg-query", "-W", "-f", "Depends: ${Depends}", "chatd").stdout)


@check("systemd-analyze verify has nothing to say")
def verified():
    said = run("systemd-analyze", "verify", "--man=no", *[f"/usr/lib/systemd/system/{unit}" for unit in UNITS])
    require_equal(said.stdout + said.stderr, "", "what it says")
    log = run("journalctl", "-b", "--no-pager", "_PID=1").stdout
    complaints = [line for line in log.splitlines() if "/chatd" in line and "ignoring" in line]
    require_equal(complaints, [], "what systemd itself complained about")


@check("systemd-analyze security stays below its bound")
def exposure():
    # A systemd between the two has to do as well as the older one.
    allowed = EXPOSURE[max(version for version in EXPOSURE if version <= machine.systemd_version())]
    shown = run("systemd-analyze", "security", "--no-pager", f"--threshold={allowed}", SERVICE).stdout
    show("\n".join(line.strip() for line in shown.splitlines() if line.strip() and not line.startswith("✓")))
    show(f"the bound is {allowed / 10}")


@check("the sandbox is real")
def sandbox():
    pid = machine.main_pid()
    status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    facts = {name: status[name].strip() for name in ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}
    show(facts)
    user = run("id", "-u", "chatd").stdout.strip()
    require_equal(facts, {"Uid": "\t".join([user] * 4), "CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1",
                          "Seccomp": "2"}, "what the kernel says")
    networks = [pathlib.Path(f"/proc/{process}/ns/net").readlink().name for process in (pid, 1)]
    require(networks[0] != networks[1], "the service has the machine's network")
    devices = pathlib.Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    interfaces = [line.split(":")[0].strip() for line in devices]
    show(f"interfaces: {interfaces}")
    require_equal(interfaces, ["lo"], "the list of network interfaces")


@check("the message catalog has an entry for every kind")
def message_catalog():
    catalog = pathlib.Path("/usr/lib/systemd/catalog/chatd.catalog").read_text()
    wanted = {line.split()[1] for line in catalog.splitlines() if line.startswith("-- ")}
    known = run("journalctl", "--no-pager", "--list-catalog").stdout
    show("\n".join(line for line in known.splitlines() if line.split()[0] in wanted), limit=30)
    for identifier in wanted:
        require_in(identifier, known, "the catalog")


@check("the journal takes a burst of this service")
def rate_limit():
    limits = [prop(name) for name in ("LogRateLimitIntervalUSec", "LogRateLimitBurst")]
    show(f"interval, burst: {limits}")
    require_equal(limits, ["30s", "50000"], "the rate limit")
