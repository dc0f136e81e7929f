"""The operator's image: the base, the locked dependencies (a layer that seldom changes) and the project's wheel."""

import os
import shutil
from pathlib import Path

from e2e.stand import base_image, cached, oci, packages, paths
from e2e.stand.shell import digest, run, step

NAME = "local/agent-memory-operator:dev"
EXPORT = ("--frozen", "--quiet", "--no-default-groups", "--no-emit-project")
HOME = "/opt/agent-memory-operator"
LAUNCHERS = tuple(paths.REPOSITORY / "images/operator" / name for name in ("agent-memory-operator", "kubectl-memory"))


def image() -> oci.Image:
    """The operator as the working tree has it."""
    app = oci.remembered_layer("operator-app", _app_key(), lambda: [(_application(), f"{HOME}/app")])
    env = {
        "PATH": f"{HOME}/app/bin:{oci.PATH}",
        "PYTHONPATH": f"{HOME}/app:{HOME}/deps",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return oci.Recipe(NAME, [*_below(), app], ["agent-memory-operator"], env, user="65532:65532").image()


def without_application() -> oci.Image:
    """The layers below the application."""
    return oci.Recipe("local/agent-memory-operator-base:dev", _below()).image()


def _below() -> list[str]:
    deps = oci.remembered_layer("operator-deps", _deps_key(), lambda: [(_dependencies(), f"{HOME}/deps")])
    return [base_image.layer(), deps]


def _deps_key() -> str:
    return digest(paths.REPOSITORY / "uv.lock", *EXPORT, base_image.release(), os.uname().machine)


def _app_key() -> str:
    here = paths.REPOSITORY
    return digest(
        *(here / part for part in ("operator", "templates", "crds", "pyproject.toml")), *LAUNCHERS, base_image.release()
    )


def _dependencies() -> Path:
    return cached.folder("operator-deps", _deps_key(), _install_dependencies)


def _install_dependencies(folder: Path) -> None:
    with step("installing the operator's locked dependencies for its image"):
        export = [packages.uv(), "export", *EXPORT]
        requirements = run(export, cwd=paths.REPOSITORY)
        listed = folder.parent / f"{folder.name}.requirements.txt"
        listed.write_text(requirements)
        _install(folder, "-r", str(listed), "--require-hashes")
        listed.unlink()
        _compile(folder)


def _application() -> Path:
    return cached.folder("operator-app", _app_key(), _install_application)


def _install_application(folder: Path) -> None:
    with step("building the operator's wheel"):
        wheels = folder / "wheel"
        run([packages.uv(), "build", "--quiet", "--wheel", "--out-dir", wheels], cwd=paths.REPOSITORY)
        _install(folder, "--no-deps", str(next(wheels.glob("*.whl"))))
        shutil.rmtree(wheels)
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for launcher in LAUNCHERS:
        shutil.copy(launcher, programs / launcher.name)
    _compile(folder)


def _install(folder: Path, *what: str) -> None:
    platform = f"{os.uname().machine}-manylinux_2_28"
    target: list[str | Path] = [
        "--target",
        folder,
        "--python-version",
        base_image.python_version(),
        "--python-platform",
        platform,
    ]
    run([packages.uv(), "pip", "install", "--quiet", "--only-binary", ":all:", *target, *what], cwd=folder)


def _compile(folder: Path) -> None:
    """Compiles with the image's own Python, in a view of its files that is gone afterwards.

    The hash is not checked at run time, so that no file time matters and a read-only root starts fast. -E: whoever
    builds may keep his own bytecode elsewhere (PYTHONPYCACHEPREFIX), an image has it beside its sources.
    """
    root = base_image.root()
    compiling = "python3 -E -m compileall -q --invalidation-mode unchecked-hash /mnt"
    script = f'mount --bind "$1" "$2/mnt" && exec chroot "$2" {compiling}'
    run(["unshare", "--mount", "sh", "-c", script, "sh", folder, root])
