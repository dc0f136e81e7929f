"""containerd of one node: its configuration, and the images in it."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.stand import base_image, oci, packages
from e2e.stand.processes import Processes
from e2e.stand.shell import StandError, run, succeeds, until

# The mounts of a node are its own and vanish with its last process; these folders of the machine are not written to.
PRIVATE = """
set -e
for file in $1; do echo $$ >"$file"; done
shift
for folder in /run/containerd /var/lib/cni /var/log/containers; do
  mkdir -p "$folder"
  mount -t tmpfs tmpfs "$folder"
done
exec "$@"
"""

NAMELESS = ("sha256:", "import-")  # what containerd itself calls an image: by its content, or by the day that it came


@dataclass(frozen=True)
class Containerd:
    """The containerd whose data is in `folder`/containerd and whose socket is in `folder`."""

    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / "containerd.sock"

    @property
    def processes(self) -> Processes:
        return Processes(self.folder)

    def start(self, enter: list[str] | None = None, cgroup_files: str = "") -> None:
        """Starts it in a mount namespace of its own; `enter` is a command to start it by (into a network)."""
        config = self.folder / "containerd.toml"
        config.write_text(_config(self.folder))
        command = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", PRIVATE, "sh", cgroup_files]
        full: list[str | Path] = [*command, *(enter or []), "containerd", "--config", config]
        self.processes.start("containerd", full, env={"PATH": packages.path()})

        def answers() -> bool:
            self.processes.check("containerd")
            return succeeds([*self._ctr, "version"])

        until(f"containerd of {self.folder} (log: {self.processes.log('containerd')})", 30, answers)

    def load(self, image: oci.Image) -> bool:
        """Imports an image's missing blobs; False when this very image is there already."""
        rows = [row.split() for row in run([*self._ctr, "images", "ls", f"name=={image.reference}"]).splitlines()[1:]]
        if any(row[0] == image.reference and row[2] == f"sha256:{image.manifest}" for row in rows):
            return False
        known = run([*self._ctr, "content", "ls", "-q"]).split()
        said = self._import(image, frozenset(word.removeprefix("sha256:") for word in known))
        if said:  # containerd clears away what an older image of this name alone had, also while this one is taken
            said = self._import(image, frozenset())
        if said:
            raise StandError(f"{self.socket} does not take the image {image.name}: {said}")
        return True

    def _import(self, image: oci.Image, known: frozenset[str]) -> str:
        """Imports it but for the blobs that are known; what was wrong, nothing when it went well."""
        importing = [*map(str, self._ctr), "images", "import", "-"]
        with subprocess.Popen(
            importing, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            with process.stdin:
                image.write(process.stdin, known)
            said = process.stderr.read().decode(errors="replace").strip()
        return said or f"ctr ended with {process.returncode}" if process.returncode else ""

    def load_archive(self, archive: Path) -> None:
        """Imports an image archive of any kind that containerd reads."""
        run([*self._ctr, "images", "import", archive])
        complete_names(self._ctr)

    def signal(self, container: str, name: str) -> None:
        """Sends a container's main process a signal; SIGKILL ends it as a crash would, with nothing told or flushed."""
        run([*self._ctr, "tasks", "kill", "--signal", name, container])

    @property
    def _ctr(self) -> list[str | Path]:
        return ["ctr", "--address", self.socket, "--namespace", "k8s.io"]


def complete_names(ctr: Sequence[str | Path]) -> None:
    """Gives images their whole names; `ctr` is the command that reaches a containerd's images.

    An OCI archive may say `automqinc/automq:1.7.3`, which containerd takes as it stands, and the kubelet looks for
    `docker.io/automqinc/automq:1.7.3`. The short name goes, so that it cannot be taken for a later archive's image.
    """
    for name in run([*ctr, "images", "ls", "-q"]).split():
        whole = oci.reference(name)
        if whole == name or "@" in name or name.startswith(NAMELESS):
            continue
        run([*ctr, "images", "tag", "--force", name, whole])
        run([*ctr, "images", "rm", name])


def _config(folder: Path) -> str:
    return f"""version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-run"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs"]
[grpc]
address = "{folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{base_image.PAUSE}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{folder}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""
