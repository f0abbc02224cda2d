#!/usr/bin/env python3
"""Record what a real HAProxy sends to its agent, as tests/golden/*.hex.

    tests/golden/record.py [DIRECTORY]

Starts the haproxy of PATH (or $HAPROXY) once per scenario, with an upstream
and an agent of this script behind it, sends it requests, and writes every
frame of one connection into DIRECTORY/<scenario>.hex: comments start with #,
the rest is hex, one paragraph per frame, length prefix included. The expected
contents are literals of tests/unit/spoe_golden_test.c: after recording again,
look at what differs and change them by hand.

    tests/golden/record.py --seeds DIRECTORY

Writes the bytes of each *.hex beside this script as a file, behind the choices
that tests/fuzz/spoe_session_fuzz.c reads first.
"""
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HAPROXY = os.environ.get("HAPROXY", "haproxy")
WAIT = 10  # seconds that anything here may take
SEED_CHOICES = b"\x02\x00\x1f\x01"
NAMES = {0: "UNSET", 1: "HAPROXY-HELLO", 2: "HAPROXY-DISCONNECT", 3: "NOTIFY"}
HELLO, DISCONNECT, NOTIFY = 1, 2, 3
AGENT_HELLO, AGENT_DISCONNECT, ACK = 101, 102, 103

HAPROXY_CFG = """
global
    nbthread 1
    {tune}
    hard-stop-after 10s
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 5s
frontend web
    bind unix@{dir}/web.sock
    filter spoe engine idempotency config {dir}/spoe.cfg
    http-request wait-for-body time 5s
    http-request send-spoe-group idempotency {group}
    http-response wait-for-body time 5s
    http-response send-spoe-group idempotency complete
    default_backend app
backend app
    server app unix@{dir}/app.sock
backend agents
    mode tcp
    option spop-check
    server agent unix@{dir}/agent.sock {server}
"""

# The arguments of DESIGN.md section 4, and one message with every type.
SPOE_CFG = """
[idempotency]
spoe-agent idempotency
    groups check complete types large
    option var-prefix idem
    {agent}
    timeout hello 5s
    timeout idle {idle}
    timeout processing 5s
    use-backend agents
spoe-group check
    messages idem-check
spoe-group complete
    messages idem-complete
spoe-group types
    messages types second
spoe-group large
    messages large
spoe-message idem-check
    args key=req.fhdr(Idempotency-Key) scope=req.fhdr(Host)
    args scope=req.fhdr(Authorization) method=method path=path query=query
    args body=req.body body_size=req.body_size digest=req.fhdr(Content-Digest)
    args policy=str(payments)
spoe-message idem-complete
    args ticket=var(txn.idem.ticket) status=status headers=res.hdrs_bin
    args body=res.body body_size=res.body_size
spoe-message types
    args yes=bool(true) no=bool(false) one=int(1) minus=int(-2)
    args big=int(9223372036854775807) v4=ipv4(192.0.2.1) v6=ipv6(2001:db8::1)
    args text=str(text) bytes=bin(00ff00) nothing=req.fhdr(X-Absent)
    args bool(true)
spoe-message second
    args twice=int(1) twice=int(2)
spoe-message large
    args body=req.body again=req.body
"""

REQUEST = (
    b"POST /payments?amount=10 HTTP/1.1\r\nHost: shop.example\r\n"
    b'Idempotency-Key: "8e03978e-40d5-43dd-bc93-6894a57f9324"\r\n'
    b"Authorization: Bearer t0ken\r\nContent-Length: 9\r\n"
    b"Connection: close\r\n\r\n\0a\xff\0\r\n{}\0"
)
REQUEST_BARE = (
    b"POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nX-Twice: a\r\n"
    b"X-Twice: b\r\nContent-Length: 5\r\n\r\n\0ok\0\n"
)


def varint(value):
    if value < 240:
        return bytes([value])
    out = [value & 255 | 240]
    value = (value - 240) >> 4
    while value >= 128:
        out.append(value & 255 | 128)
        value = (value - 128) >> 7
    return bytes(out + [value])


def read_varint(data, at):
    value, shift = data[at], 4
    if value < 240:
        return value, at + 1
    while True:
        at += 1
        value += data[at] << shift
        shift += 7
        if data[at] < 128:
            return value, at + 1


def string(text):
    return varint(len(text)) + text


def frame(kind, stream, number, payload):
    body = struct.pack(">BI", kind, 1)
    body += varint(stream) + varint(number) + payload
    return struct.pack(">I", len(body)) + body


def hello(version=b"2.0", capabilities=b"pipelining", size=16380):
    payload = string(b"version") + b"\x08" + string(version)
    payload += string(b"max-frame-size") + b"\x03" + varint(size)
    payload += string(b"capabilities") + b"\x08" + string(capabilities)
    return frame(AGENT_HELLO, 0, 0, payload)


def disconnect():
    payload = string(b"status-code") + b"\x03\0"
    return frame(AGENT_DISCONNECT, 0, 0, payload
                 + string(b"message") + b"\x08" + string(b"normal"))


def ack(notify):
    stream, at = read_varint(notify, 9)
    number, _ = read_varint(notify, at)
    return frame(ACK, stream, number, b"\x01\x03\x02" + string(b"ticket")
                 + b"\x08" + string(b"T-1"))


def until(condition, what):
    end = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > end:
            sys.exit("record.py: waited in vain: " + what)
        time.sleep(0.02)


def listen(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen(64)
    return sock


class Agent:
    """Answers every frame; keeps the frames of each connection in a list."""

    def __init__(self, path, reply, hold):
        self.reply, self.hold, self.held = reply, hold, []
        self.connections = []
        self.sock = listen(path)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            peer, _ = self.sock.accept()
            frames = []
            self.connections.append(frames)
            threading.Thread(target=self.serve, args=(peer, frames),
                             daemon=True).start()

    def serve(self, peer, frames):
        try:
            with peer, peer.makefile("rb") as stream:
                self.converse(peer, stream, frames)
        except OSError:
            pass  # HAProxy closes as it likes

    def converse(self, peer, stream, frames):
        while len(prefix := stream.read(4)) == 4:
            data = prefix + stream.read(struct.unpack(">I", prefix)[0])
            frames.append(data)
            self.answer(peer, data)
            if data[4] == DISCONNECT:
                return

    def answer(self, peer, data):
        if data[4] == HELLO:
            peer.sendall(self.reply)
        elif data[4] == DISCONNECT:
            peer.sendall(disconnect())
        elif data[4] == NOTIFY and data[8] & 1:
            # Pipelining shows only while answers are outstanding.
            self.held.append(ack(data))
            if len(self.held) >= self.hold:
                self.hold = 1
                peer.sendall(b"".join(self.held))
                self.held = []


def serve_app(path):
    sock = listen(path)

    def one(peer):
        peer.recv(65536)
        peer.sendall(RESPONSE)
        peer.close()

    def run():
        while True:
            threading.Thread(target=one, args=(sock.accept()[0],),
                             daemon=True).start()

    threading.Thread(target=run, daemon=True).start()


class Scenario:
    def __init__(self, directory, group="check", server="", agent="",
                 tune="", idle="1h", reply=hello(), hold=1):
        self.dir = directory
        self.children = []
        for name, text in ("haproxy.cfg", HAPROXY_CFG), ("spoe.cfg", SPOE_CFG):
            with open(os.path.join(directory, name), "w") as out:
                out.write(text.format(dir=directory, group=group, idle=idle,
                                      server=server, agent=agent,
                                      tune=tune))
        self.agent = Agent(directory + "/agent.sock", reply, hold)
        serve_app(directory + "/app.sock")
        self.start()

    def start(self, *arguments):
        path = self.dir + "/web.sock"
        if not arguments and os.path.exists(path):
            os.unlink(path)
        self.children.append(subprocess.Popen(
            [HAPROXY, "-q", "-db", "-f", self.dir + "/haproxy.cfg",
             *arguments]))
        until(lambda: os.path.exists(path), "HAProxy's socket")

    def request(self, data):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(WAIT)
        sock.connect(self.dir + "/web.sock")
        sock.sendall(data)
        return sock

    def ask(self, data):
        sock = self.request(data)
        while sock.recv(65536):
            pass

    def frames(self):
        return sum(self.agent.connections, [])

    def until_frame(self, kind, count=1):
        until(lambda: sum(f[4] == kind for f in self.frames()) >= count,
              "%d of %s" % (count, NAMES[kind]))

    def stop(self):
        for child in self.children:
            child.send_signal(signal.SIGTERM)
            child.wait()


def run_healthcheck(s):
    s.until_frame(HELLO)


def run_request(s):
    s.ask(REQUEST)
    s.ask(REQUEST_BARE)
    s.until_frame(NOTIFY, 4)
    s.until_frame(DISCONNECT)


def run_types(s):
    s.ask(REQUEST_BARE)
    s.until_frame(NOTIFY, 2)


def run_refused(s):
    s.request(REQUEST_BARE)
    s.until_frame(DISCONNECT)


def run_fragments(s):
    s.request(REQUEST_BARE.replace(b"Length: 0", b"Length: 600") + b"x" * 600)
    s.until_frame(0)


def run_pipelined(s):
    for sock in [s.request(REQUEST_BARE) for _ in range(4)]:
        while sock.recv(65536):
            pass
    s.until_frame(NOTIFY, 8)


def run_stop(s):
    s.ask(REQUEST_BARE)
    s.children[0].send_signal(signal.SIGUSR1)
    s.until_frame(DISCONNECT)


def run_reload(s):
    s.ask(REQUEST_BARE)
    s.start("-sf", str(s.children[0].pid))
    s.until_frame(DISCONNECT)


# name: what HAProxy did, the driver, and what differs from the plain set-up.
SCENARIOS = {
    "healthcheck": ("option spop-check", run_healthcheck,
                    dict(server="check inter 100ms")),
    "request": ("two requests, their responses, then `timeout idle`",
                run_request, dict(idle="300ms")),
    "types": ("two messages in one NOTIFY, every type HAProxy has",
              run_types, dict(group="types")),
    "serial": ("no option pipelining, no option async", run_types,
               dict(agent="no option pipelining\n    no option async")),
    "pipelined": ("four requests at once over one connection", run_pipelined,
                  dict(server="maxconn 1", hold=4)),
    "refused": ("an AGENT-HELLO whose version HAProxy does not speak",
                run_refused, dict(reply=hello(version=b"9.0"))),
    "fragments": ("a NOTIFY in fragments, as an agent that announces "
                  "fragmentation gets it", run_fragments,
                  dict(group="large", tune="tune.bufsize 1024\n    tune.maxrewrite 64",
                       reply=hello(capabilities=b"fragmentation", size=1020))),
    "stop": ("SIGUSR1 while the connection was idle", run_stop, {}),
    "reload": ("a new process with -sf while the connection was idle",
               run_reload, {}),
}


def version():
    text = subprocess.run([HAPROXY, "-v"], capture_output=True, text=True,
                          check=True).stdout
    return re.match(r"HAProxy version (\S+)", text).group(1)


def write(path, name, what, frames):
    with open(path, "w") as out:
        out.write("# HAProxy %s: %s.\n" % (version(), what))
        out.write("# Everything it sent on that connection. Recorded by "
                  "record.py %s.\n" % name)
        for data in frames:
            out.write("\n# %s\n" % NAMES.get(data[4], data[4]))
            for at in range(0, len(data), 24):
                out.write(data[at:at + 24].hex(" ") + "\n")


def record(directory, name):
    what, run, options = SCENARIOS[name]
    with tempfile.TemporaryDirectory(prefix="spop-") as temporary:
        scenario = Scenario(temporary, **options)
        try:
            run(scenario)
        finally:
            scenario.stop()
        frames = max(scenario.agent.connections, key=len)
        write(os.path.join(directory, name + ".hex"), name, what, frames)
        print("%-12s %2d frames of %d connections" % (
            name, len(frames), len(scenario.agent.connections)))


def write_seeds(directory):
    os.makedirs(directory, exist_ok=True)
    for name in SCENARIOS:
        with open(os.path.join(HERE, name + ".hex")) as source:
            text = re.sub(r"#.*", "", source.read())
        with open(os.path.join(directory, name), "wb") as out:
            out.write(SEED_CHOICES + bytes.fromhex(text))


def main(arguments):
    if arguments[:1] == ["--seeds"] and len(arguments) == 2:
        write_seeds(arguments[1])
    elif len(arguments) <= 1 and not arguments[:1] == ["--seeds"]:
        for name in SCENARIOS:
            record(arguments[0] if arguments else HERE, name)
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
