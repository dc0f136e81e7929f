"""`make bench`: without arguments the bars of the main job, with `--workload` one of W1 to W8 (benchmarks/scale)."""

from __future__ import annotations

import argparse
import sys
import traceback


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--workload", choices=[f"W{number}" for number in range(1, 9)])
    parser.add_argument("--n", type=int, default=1000, help="families")
    parser.add_argument("--target", choices=("real", "fake"), default="fake")
    parser.add_argument("--topics", type=int, default=1, help="topics a family, one partition each")
    parser.add_argument("--policy", choices=("Retain", "Delete"), default="Retain", help="the families' deletionPolicy")
    parser.add_argument("--roles", choices=("split", "all"), default="split", help="two operator processes, or one")
    parser.add_argument("--seconds", type=float, help="how long W2 looks on, and how long Kafka is away in W7")
    parser.add_argument("--parallel", type=int, default=16, help="calls of the driver at once")
    parser.add_argument("--no-bare", action="store_true", help="W1 without the bare loop")
    parser.add_argument("--profile", action="store_true", help="write the operator's CPU profile; no measurement")
    parser.add_argument("--table", action="store_true", help="print all results of W1 to W8 in Markdown, run nothing")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    if given.table:
        from benchmarks.scale import report

        print(report.markdown())
        return 0
    if given.workload is None:
        from benchmarks import main_job

        return main_job.main()
    from benchmarks.scale import report, run
    from benchmarks.scale.options import Options

    options = Options(
        given.workload,
        given.n,
        given.target,
        given.topics,
        given.policy,
        given.roles,
        given.seconds,
        given.parallel,
        bare=not given.no_bare,
        profile=given.profile,
    )
    try:
        figures = run.measure(options)
    except Exception:
        traceback.print_exc()
        print(f"{options.name} could not be measured; logs, if there are any: build/bench/logs/{options.name}")
        return 2
    report.show(options, figures)
    return 0 if figures.met else 1


if __name__ == "__main__":
    sys.exit(main())
